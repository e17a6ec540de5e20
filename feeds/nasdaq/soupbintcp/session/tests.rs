use super::super::Deframer;
use super::*;
use crate::nasdaq::MessageLog;

const SECOND: i64 = 1_000_000_000;

fn session() -> SessionId {
    Alpha::new("SESSION1").unwrap()
}

fn client(next_sequence: u64) -> ClientSession {
    ClientSession::new(ClientConfig {
        username: Alpha::new("ALICE").unwrap(),
        password: Password(Alpha::new("secret").unwrap()),
        session: SessionId::BLANK,
        next_sequence,
    })
}

fn server() -> ServerSession {
    let config = ServerConfig {
        username: Alpha::new("alice").unwrap(),
        password: Password(Alpha::new("SECRET").unwrap()),
        session: session(),
    };
    ServerSession::new(config, Nanos(0))
}

/// Moves everything that was written to the other side's deframer.
fn carry(out: &mut OutBuffer, to: &mut Deframer) {
    let count = out.pending().len();
    to.spare()[..count].copy_from_slice(out.pending());
    to.commit(count);
    out.consume(count);
}

/// Messages with their sequences, and other events.
type Taken = (Vec<(u64, Vec<u8>)>, Vec<String>);

struct Link {
    client: ClientSession,
    server: ServerSession,
    log: MessageLog,
    to_server: (OutBuffer, Deframer),
    to_client: (OutBuffer, Deframer),
}

impl Link {
    fn new(client: ClientSession, messages: &[&[u8]]) -> Self {
        let mut log = MessageLog::default();
        messages.iter().for_each(|message| {
            log.push(message);
        });
        let wire = || (OutBuffer::new(256), Deframer::new(256));
        Self { client, server: server(), log, to_server: wire(), to_client: wire() }
    }

    fn server_takes(&mut self, now: i64) -> Result<Vec<String>, SessionError> {
        carry(&mut self.to_server.0, &mut self.to_server.1);
        let mut events = Vec::new();
        while let Some(packet) = self.to_server.1.packet().unwrap() {
            let end = self.log.next_sequence();
            let event = self.server.on_packet(packet, end, Nanos(now), &mut self.to_client.0)?;
            events.push(format!("{event:?}"));
        }
        self.server.pump(&self.log, Nanos(now), &mut self.to_client.0);
        Ok(events)
    }

    /// Runs until nothing moves; gives the (sequence, message) pairs and the names of other events.
    fn client_takes(&mut self, now: i64) -> Result<Taken, SessionError> {
        let (mut messages, mut events) = (Vec::new(), Vec::new());
        while !self.to_client.0.pending().is_empty() {
            carry(&mut self.to_client.0, &mut self.to_client.1);
            while let Some(packet) = self.to_client.1.packet().unwrap() {
                match self.client.on_packet(packet, Nanos(now))? {
                    ClientEvent::Message { sequence, bytes } => messages.push((sequence, bytes.to_vec())),
                    ClientEvent::Nothing => {}
                    event => events.push(format!("{event:?}")),
                }
            }
            self.server.pump(&self.log, Nanos(now), &mut self.to_client.0);
        }
        Ok((messages, events))
    }

    fn login(&mut self) -> Taken {
        self.client.connect(Nanos(0), &mut self.to_server.0).unwrap();
        self.server_takes(0).unwrap();
        self.client_takes(0).unwrap()
    }
}

#[test]
fn a_login_resends_what_was_missed_and_goes_on_with_what_is_new() {
    let mut link = Link::new(client(2), &[b"one", b"two", b"three"]);
    let (messages, events) = link.login();
    assert_eq!(messages, [(2, b"two".to_vec()), (3, b"three".to_vec())]);
    assert_eq!(events, ["LoggedIn { session: \"SESSION1  \", next: 2 }"]);
    link.log.push(b"four");
    link.server_takes(1).unwrap();
    assert_eq!(link.client_takes(1).unwrap().0, [(4, b"four".to_vec())]);
    assert_eq!(link.client.next_sequence(), 5);
    assert_eq!(link.client.session(), session());
}

#[test]
fn more_than_the_buffer_holds_is_resent_piece_by_piece() {
    let messages: Vec<Vec<u8>> = (0..100u8).map(|byte| vec![byte; 50]).collect();
    let borrowed: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut link = Link::new(client(1), &borrowed);
    let (found, _) = link.login();
    assert!(found.iter().map(|(sequence, _)| *sequence).eq(1..=100));
    assert!(found.iter().map(|(_, bytes)| bytes).eq(&messages));
}

#[test]
fn sequence_zero_gets_only_what_is_new() {
    let mut link = Link::new(client(0), &[b"one", b"two"]);
    let (messages, _) = link.login();
    assert_eq!(messages, []);
    assert_eq!(link.client.next_sequence(), 3);
}

#[test]
fn a_wrong_password_session_or_sequence_is_refused() {
    let mut wrong = client(1);
    wrong.config.password = Password(Alpha::new("guess").unwrap());
    assert_eq!(Link::new(wrong, &[]).login().1, [format!("Refused({})", b'A')]);
    let mut elsewhere = client(1);
    elsewhere.resume_at(Alpha::new("SESSION0").unwrap(), 1);
    assert_eq!(Link::new(elsewhere, &[]).login().1, [format!("Refused({})", b'S')]);
    assert_eq!(Link::new(client(2), &[]).login().1, [format!("Refused({})", b'S')]);
}

#[test]
fn messages_of_the_client_arrive_unsequenced() {
    let mut link = Link::new(client(1), &[]);
    let early = link.client.send(b"order", Nanos(0), &mut link.to_server.0);
    assert_eq!(early, Err(SessionError::NotLoggedIn));
    link.login();
    link.client.send(b"order", Nanos(1), &mut link.to_server.0).unwrap();
    assert_eq!(link.server_takes(1).unwrap(), [format!("{:?}", ServerEvent::Message(b"order"))]);
}

#[test]
fn each_side_sends_a_heartbeat_after_a_second_of_nothing() {
    let mut link = Link::new(client(1), &[]);
    link.login();
    for (now, expected) in [(SECOND - 1, 0), (SECOND, 3), (SECOND + 1, 3), (2 * SECOND, 6)] {
        link.client.poll(Nanos(now), &mut link.to_server.0).unwrap();
        link.server.poll(Nanos(now), &mut link.to_client.0).unwrap();
        assert_eq!(link.to_server.0.pending().len(), expected, "at {now}");
        assert_eq!(link.to_client.0.pending().len(), expected, "at {now}");
    }
    assert_eq!(link.server_takes(2 * SECOND).unwrap(), ["Nothing", "Nothing"]);
    assert_eq!(link.client_takes(2 * SECOND).unwrap(), (vec![], vec![]));
}

#[test]
fn a_silent_peer_is_given_up_after_fifteen_seconds() {
    let mut link = Link::new(client(1), &[]);
    link.login();
    for second in 1..15 {
        link.client.poll(Nanos(second * SECOND), &mut link.to_server.0).unwrap();
        link.server.poll(Nanos(second * SECOND), &mut link.to_client.0).unwrap();
    }
    let late = Nanos(15 * SECOND);
    assert_eq!(link.client.poll(late, &mut link.to_server.0), Err(SessionError::PeerSilent));
    assert_eq!(link.server.poll(late, &mut link.to_client.0), Err(SessionError::PeerSilent));
    assert!(!link.client.is_open() && !link.server.is_open());
}

#[test]
fn good_byes_of_both_sides_are_understood() {
    let mut link = Link::new(client(1), &[]);
    link.login();
    link.server.end(&mut link.to_client.0).unwrap();
    assert_eq!(link.client_takes(1).unwrap().1, ["Ended"]);
    let mut link = Link::new(client(1), &[]);
    link.login();
    link.client.logout(&mut link.to_server.0).unwrap();
    assert_eq!(link.server_takes(1).unwrap(), ["LoggedOut"]);
}

#[test]
fn packets_out_of_place_are_errors() {
    let mut early = client(1);
    let refused = early.on_packet(Packet::Sequenced(b"x"), Nanos(0));
    assert_eq!(refused, Err(SessionError::OutOfPlace(b'S')));
    let mut out = OutBuffer::new(64);
    let refused = server().on_packet(Packet::Unsequenced(b"x"), 1, Nanos(0), &mut out);
    assert_eq!(refused, Err(SessionError::OutOfPlace(b'U')));
    let mut out = OutBuffer::new(8);
    assert_eq!(early.connect(Nanos(0), &mut out), Err(OutFull { needed: 49, free: 8 }));
}

#[test]
fn a_login_that_grants_a_sequence_that_no_session_has_is_refused_as_too_large() {
    let cases = [
        ("1099511627776", None),
        ("1099511627777", Some(SessionError::TooLarge)),
        ("18446744073709551615", Some(SessionError::TooLarge)),
        ("99999999999999999999", Some(SessionError::TooLarge)),
        ("12x", Some(SessionError::Sequence)),
        ("", Some(SessionError::Sequence)),
    ];
    for (text, refused) in cases {
        let mut link = Link::new(client(1), &[]);
        link.client.connect(Nanos(7), &mut link.to_server.0).unwrap();
        assert_eq!(link.client.login_sent(), Some(Nanos(7)));
        let mut sequence = [b' '; 20];
        sequence[20 - text.len()..].copy_from_slice(text.as_bytes());
        let login = LoginAccepted { session: session(), sequence };
        let outcome = link.client.on_packet(Packet::LoginAccepted(&login), Nanos(8));
        assert_eq!(outcome.err(), refused, "{text}");
        assert_eq!(link.client.login_sent().is_none(), refused.is_none());
        assert_eq!(link.client.is_open(), refused.is_none());
    }
}
