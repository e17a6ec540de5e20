use std::io::Read as _;
use std::net::{TcpListener, TcpStream};

use crossbeam::channel::unbounded;
use pricewright_core::kernel::table::{Define, Mark, PricePublished};
use pricewright_core::kernel::{
    Column, EventNanos, Minor, Nanos, PriceGuard, Record, RecordBuf, RecordSink as _, SourceId, Text,
};

use super::*;

const FEED: SourceId = SourceId(1);

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines_out(new_peers: Option<Receiver<Peer>>, control: &RunControl) -> LinesOut {
    let settings = JsonlGateway::default();
    let mut out = LinesOut::open(&settings, Encoder::new(2, 8), 1, new_peers, control.clone()).expect("open");
    let text = Text::excerpt("A");
    take(&mut out, 1, Define { id: 0, column: Column::SKU, source: FEED, text }).expect("defined");
    out
}

fn take<R: Record>(out: &mut LinesOut, seq: u64, record: R) -> Result<()> {
    let mut buffer = RecordBuf::with_capacity(16);
    buffer.put(&record, FEED, 0).expect("it fits");
    let mut cells = buffer.cells().to_vec();
    // The journal's stamp: byte 8 of the header.
    zerocopy::IntoBytes::as_mut_bytes(cells.as_mut_slice())[8..16].copy_from_slice(&seq.to_le_bytes());
    out.take(RecordRef::first_of(&cells).expect("a record"))
}

fn price() -> PricePublished {
    PricePublished {
        event_ns: EventNanos(0),
        price: Minor(17_500),
        previous: Minor(0),
        formula: Minor(17_500),
        initial: 40,
        stock: 10,
        sku: 0,
        source: FEED,
        guard: PriceGuard::NONE,
    }
}

/// A client, and what the feed announces of it.
fn client(number: u16) -> (TcpStream, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
    let (stream, _) = listener.accept().expect("accepted");
    (client, Peer { number, connection: TcpConnection::from_stream(stream).expect("set up") })
}

#[test]
fn a_closed_standard_output_ends_the_run_and_closed_dead_letters_do_not() {
    let control = RunControl::default();
    let mut out = lines_out(None, &control);
    out.dead_letters = Some(Out::new(Box::new(Closed), Path::new("standard error"), 1));
    if let Some(dead_letters) = &mut out.dead_letters {
        dead_letters.write(2, b"x\n").expect("buffered");
    }
    out.flush().expect("no failure");
    assert!(out.dead_letters.is_none() && !control.threads().stop_requested());
    out.prices.push(Out::new(Box::new(Closed), Path::new("standard output"), 1));
    take(&mut out, 2, price()).expect("buffered");
    out.flush().expect("no failure");
    assert!(out.prices.is_empty() && control.threads().stop_requested() && !control.failed());
    assert_eq!(control.reason(), EndReason::OPERATOR);
}

#[test]
fn a_client_that_has_ended_gets_its_answers_and_then_the_end() {
    let (announce, new_peers) = unbounded();
    let mut out = lines_out(Some(new_peers), &RunControl::default());
    let (mut one, peer_one) = client(1);
    let (mut two, peer_two) = client(2);
    announce.send(peer_one).expect("sent");
    announce.send(peer_two).expect("sent");
    take(&mut out, 2, price()).expect("sent");
    let end = Mark { first: 3, received: Nanos(0), count: 0, session: 0, line: 1, source: FEED, spare: 0 };
    take(&mut out, 3, end).expect("taken");
    out.flush().expect("flushed");
    let mut text = String::new();
    one.read_to_string(&mut text).expect("the end comes");
    assert_eq!(text.lines().count(), 1, "{text}");
    take(&mut out, 4, price()).expect("sent");
    out.close().expect("closed");
    let mut text = String::new();
    two.read_to_string(&mut text).expect("the end comes");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("\"price\":\"175.00\""), "{text}");
}

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let (announce, new_peers) = unbounded();
    let mut out = lines_out(Some(new_peers), &RunControl::default());
    let (mut slow, peer) = client(1);
    announce.send(peer).expect("sent");
    // More than socket buffers and the send buffer hold together.
    let mut sent = 0;
    while sent == 0 || !out.answers.peers.is_empty() {
        sent += 1;
        assert!(sent < 1_000_000, "still connected after {sent} lines unread");
        take(&mut out, 1 + sent, price()).expect("the others are not troubled");
    }
    let mut text = Vec::new();
    // What was on its way may arrive or be reset; the end must come.
    let _reset = slow.read_to_end(&mut text);
    assert!(text.iter().filter(|byte| **byte == b'\n').count() < usize::try_from(sent).expect("small"));
}
