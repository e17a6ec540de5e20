use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crossbeam::channel::{Sender, unbounded};
use pricewright_core::kernel::table::{Define, Malformed, Mark, PricePublished, Purchase, Rejected};
use pricewright_core::kernel::{
    Column, EventNanos, Minor, Nanos, PriceGuard, Record, RecordBuf, RecordSink as _, RejectReason, Text,
};

use super::*;

const FEED: SourceId = SourceId(1);
/// Longer than any test.
const EVER: Duration = Duration::from_secs(3_600);

struct Stage {
    answers: Answers,
    announce: Sender<Peer>,
    seq: u64,
}

impl Stage {
    fn new(acks: bool, pause: Duration) -> Self {
        let (announce, new_peers) = unbounded();
        let wanted = Wanted { prices: true, acks, pause };
        let answers = Answers::new(wanted, Path::new("nowhere"), Encoder::new(2, 8), 1, new_peers);
        let mut stage = Self { answers, announce, seq: 0 };
        stage.take(Define { id: 0, column: Column::SKU, source: FEED, text: Text::excerpt("A") });
        stage
    }

    fn take<R: Record>(&mut self, record: R) {
        self.seq += 1;
        let mut buffer = RecordBuf::with_capacity(16);
        buffer.put(&record, FEED, 0).expect("it fits");
        let mut cells = buffer.cells().to_vec();
        // The journal's stamp: byte 8 of the header.
        zerocopy::IntoBytes::as_mut_bytes(cells.as_mut_slice())[8..16]
            .copy_from_slice(&self.seq.to_le_bytes());
        self.answers.take(RecordRef::first_of(&cells).expect("a record")).expect("taken");
    }

    /// A client with this number.
    fn client(&mut self, number: u16) -> (BufReader<TcpStream>, Talk) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
        let (stream, _) = listener.accept().expect("accepted");
        let talk = Talk::default();
        let peer = Peer::new(number, TcpConnection::from_stream(stream).expect("set up"), talk.clone());
        self.announce.send(peer).expect("announced");
        (BufReader::new(client), talk)
    }

    fn mark(&mut self, line: u16, count: u32) {
        self.take(Mark { first: 1, received: Nanos(0), count, session: 0, line, source: FEED, queued_ns: 0 });
    }

    fn price(&mut self) {
        self.take(PricePublished {
            event_ns: EventNanos(0),
            price: Minor(17_500),
            previous: Minor(0),
            formula: Minor(17_500),
            initial: 40,
            stock: 10,
            sku: 0,
            source: FEED,
            guard: PriceGuard::NONE,
        });
    }

    fn purchase(&mut self, position: u64) {
        self.take(Purchase { event_ns: EventNanos(0), qty: 1, sku: 0, source: FEED, spare: 0, position });
    }
}

fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).expect("a line");
    line
}

#[test]
fn a_client_that_has_ended_gets_its_answers_and_then_the_end() {
    let mut stage = Stage::new(false, Duration::ZERO);
    let (mut one, _) = stage.client(1);
    let (mut two, _) = stage.client(2);
    stage.price();
    stage.mark(1, 0);
    stage.answers.flush().expect("flushed");
    let mut text = String::new();
    one.read_to_string(&mut text).expect("the end comes");
    assert_eq!(text.lines().count(), 1, "{text}");
    stage.price();
    let ending = std::thread::spawn(move || {
        let mut text = String::new();
        two.read_to_string(&mut text).expect("the end comes");
        text
    });
    stage.answers.close().expect("closed");
    let text = ending.join().expect("the client");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("\"price\":\"175.00\""), "{text}");
}

/// Unread bytes make a closing client's kernel throw away the lines that it has still to send.
#[test]
fn nothing_goes_to_a_client_that_is_sending() {
    let mut stage = Stage::new(false, Duration::from_millis(1));
    let (mut listener, silent) = stage.client(1);
    let (mut sender, talk) = stage.client(2);
    silent.is_dry();
    nap(Duration::from_millis(5));
    silent.is_dry();
    talk.came();
    stage.price();
    stage.answers.flush().expect("flushed");
    assert!(line(&mut listener).contains("175.00"));
    let connection = sender.get_mut();
    connection.set_nonblocking(true).expect("an option");
    assert_eq!(connection.read(&mut [0; 8]).expect_err("nothing").kind(), std::io::ErrorKind::WouldBlock);
    connection.set_nonblocking(false).expect("an option");
    // It ends its input, and has its price.
    stage.mark(2, 0);
    stage.answers.flush().expect("flushed");
    let mut text = String::new();
    sender.read_to_string(&mut text).expect("the end comes");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_client_that_pauses_has_its_prices() {
    let mut stage = Stage::new(false, Duration::from_millis(1));
    let (mut sender, talk) = stage.client(1);
    talk.came();
    stage.price();
    stage.answers.flush().expect("flushed");
    assert_eq!(stage.answers.peers[0].held.iter().filter(|byte| **byte == b'\n').count(), 1);
    talk.is_dry();
    nap(Duration::from_millis(5));
    talk.is_dry();
    stage.price();
    stage.answers.flush().expect("flushed");
    assert!(line(&mut sender).contains("175.00") && line(&mut sender).contains("175.00"));
}

#[test]
fn an_acknowledgement_names_the_last_line_and_its_record() {
    let mut stage = Stage::new(true, EVER);
    let (mut one, talk) = stage.client(1);
    let (mut two, _) = stage.client(2);
    talk.came();
    stage.mark(1, 2);
    stage.purchase(1);
    stage.purchase(2);
    stage.mark(2, 1);
    let (reason, text) = (RejectReason::MALFORMED, Text::excerpt("?"));
    stage.take(Malformed { position: 1, len: 1, reason, source: FEED, text });
    let seq = stage.seq;
    stage.take(Rejected { position: 1, len: 1, reason, source: FEED, text: Text::excerpt("?") });
    stage.answers.flush().expect("flushed");
    assert_eq!(line(&mut one), "{\"ack\":2,\"seq\":4,\"refused\":0}\n");
    assert_eq!(line(&mut two), format!("{{\"ack\":1,\"seq\":{seq},\"refused\":1}}\n"));
    // Nothing new is nothing said.
    stage.answers.flush().expect("flushed");
    stage.mark(1, 1);
    stage.purchase(3);
    stage.answers.flush().expect("flushed");
    assert_eq!(line(&mut one), format!("{{\"ack\":3,\"seq\":{},\"refused\":0}}\n", stage.seq));
}

/// What a client sends while a run ends is read, so that no reset overtakes what it is sent.
#[test]
fn the_end_of_a_run_comes_behind_the_last_price() {
    let mut stage = Stage::new(false, Duration::ZERO);
    let (mut client, talk) = stage.client(1);
    client.get_mut().write_all(&[b'x'; 10_000]).expect("sent");
    talk.came();
    stage.price();
    let ending = std::thread::spawn(move || {
        let mut text = String::new();
        client.read_to_string(&mut text).map(|_| text)
    });
    stage.answers.close().expect("closed");
    let text = ending.join().expect("the client").expect("no reset");
    assert_eq!(text.lines().count(), 1, "{text}");
}
