use super::*;
use crate::nasdaq::glimpse::snapshot_end;
use crate::nasdaq::glimpse::testing::{add, delete, directory, event, log_of, state};

const NOW: Nanos = Nanos(1_000);

fn config(max_bytes: usize) -> SnapshotClientConfig {
    SnapshotClientConfig {
        username: Alpha::new("DESK1").unwrap(),
        password: Password(Alpha::BLANK),
        symbols: vec![Symbol::new("AAA").unwrap()],
        max_bytes,
    }
}

fn session_id() -> SessionId {
    SessionId::new("S000000001").unwrap()
}

fn image(messages: &[Vec<u8>]) -> BookImage {
    let mut image = BookImage::default();
    messages.iter().for_each(|message| image.apply(message).unwrap());
    image
}

/// Carries bytes both ways, `step` at a time, until nobody has any.
fn talk(
    client: &mut SnapshotClient,
    server: &mut SnapshotServer,
    image: &BookImage,
    step: usize,
) -> Result<bool, SnapshotError> {
    let mut done = false;
    for _ in 0..100_000 {
        let ours = client.output().len().min(step).min(server.spare().len());
        server.spare()[..ours].copy_from_slice(&client.output()[..ours]);
        client.consume(ours);
        if !server.is_over() {
            server.on_received(ours, image, NOW)?;
        }
        server.on_poll(NOW)?;
        let theirs = server.output().len().min(step).min(client.spare().len());
        client.spare()[..theirs].copy_from_slice(&server.output()[..theirs]);
        server.consume(theirs);
        done |= client.on_received(theirs, NOW)?;
        if ours == 0 && theirs == 0 {
            return Ok(done);
        }
    }
    panic!("they never end");
}

fn market() -> Vec<Vec<u8>> {
    let mut messages = vec![event(b'O'), directory(7, "AAA"), directory(9, "BBB"), state(7, "AAA", b'T')];
    messages.extend((1..3_000).map(|order| add(9, "BBB", order, b'B', 10, 100)));
    messages.extend((5_000..5_400).map(|order| add(7, "AAA", order, b'S', 10, 100)));
    messages
}

#[test]
fn a_client_has_the_whole_state_of_its_symbols_however_the_stream_is_cut() {
    let messages = market();
    let image = image(&messages);
    for step in [1_000_000, 1_333, 47] {
        let mut client = SnapshotClient::connect(config(1 << 20), NOW).unwrap();
        let mut server = SnapshotServer::new(session_id(), None, NOW);
        assert!(talk(&mut client, &mut server, &image, step).unwrap());
        assert!(server.is_over());
        let snapshot = client.into_snapshot().unwrap();
        assert_eq!(snapshot.next_sequence(), messages.len() as u64 + 1);
        let own: Vec<&Vec<u8>> = messages.iter().filter(|m| m[0] == b'S' || m[2] == 7).collect();
        assert_eq!(snapshot.len(), own.len());
        (0..).zip(own).for_each(|(index, message)| assert_eq!(snapshot.message(index).unwrap(), message));
    }
}

#[test]
fn too_much_for_the_memory_is_an_error() {
    let image = image(&market());
    let mut client = SnapshotClient::connect(config(4_096), NOW).unwrap();
    let mut server = SnapshotServer::new(session_id(), None, NOW);
    let talked = talk(&mut client, &mut server, &image, 10_000);
    assert_eq!(talked, Err(SnapshotError::TooLarge(4_096)));
    assert!(client.into_snapshot().is_none());
}

#[test]
fn who_is_not_known_is_refused() {
    let known = (Alpha::new("OTHER").unwrap(), Password(Alpha::new("secret").unwrap()));
    let mut client = SnapshotClient::connect(config(4_096), NOW).unwrap();
    let mut server = SnapshotServer::new(session_id(), Some(known), NOW);
    let talked = talk(&mut client, &mut server, &BookImage::default(), 100);
    assert_eq!(talked, Err(SnapshotError::Refused(b'A')));
}

/// What a server of another hand may send: packets, and whether the connection ends behind them.
fn served(packets: &[Packet<'_>]) -> Result<bool, SnapshotError> {
    let mut client = SnapshotClient::connect(config(1 << 20), NOW).unwrap();
    let mut out = OutBuffer::new(1 << 16);
    packets.iter().for_each(|packet| out.put(packet).unwrap());
    client.spare()[..out.pending().len()].copy_from_slice(out.pending());
    client.on_received(out.pending().len(), NOW)
}

#[test]
fn what_is_not_whole_is_no_snapshot() {
    let accepted = |sequence| crate::nasdaq::soupbintcp::LoginAccepted {
        session: session_id(),
        sequence: crate::nasdaq::soupbintcp::numeric(sequence),
    };
    let (first, second) = (accepted(1), accepted(2));
    let login = Packet::LoginAccepted(&first);
    let (one, gone, end) = (add(7, "AAA", 1, b'B', 1, 1), delete(7, 1), snapshot_end(9));
    let cut = served(&[login, Packet::Sequenced(&one), Packet::EndOfSession]);
    assert_eq!(cut, Err(SnapshotError::Incomplete(1)));
    assert_eq!(served(&[Packet::LoginAccepted(&second)]), Err(SnapshotError::NotFromOne(2)));
    let changed = served(&[login, Packet::Sequenced(&one), Packet::Sequenced(&gone)]);
    assert_eq!(changed, Err(SnapshotError::Message { number: 2, fault: MessageFault::OutOfPlace(b'D') }));
    let numberless = served(&[login, Packet::Sequenced(b"G                    ")]);
    assert_eq!(numberless, Err(SnapshotError::Message { number: 1, fault: MessageFault::Sequence }));
    let short = served(&[login, Packet::Sequenced(&one[..20])]);
    assert!(matches!(short, Err(SnapshotError::Message { number: 1, fault: MessageFault::Decode(_) })));
    let unknown = served(&[login, Packet::Sequenced(b"~of tomorrow"), Packet::Sequenced(&end)]);
    assert_eq!(unknown, Ok(true), "types of tomorrow are passed over");
    assert_eq!(served(&[login, Packet::Sequenced(&one)]), Ok(false));
}

/// Any bytes are an error or nothing, and never a panic.
#[test]
fn neither_side_panics_on_any_bytes() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    for round in 0..2_000 {
        let mut client = SnapshotClient::connect(config(1 << 16), NOW).unwrap();
        let mut server = SnapshotServer::new(session_id(), None, NOW);
        let bytes: Vec<u8> = (0..60)
            .map(|at| match (at % 20, round % 3) {
                (0, 0) => 0,
                (1, 0) => 18,
                (2, 0) => b"ASJLHUZO+"[usize::from(byte()) % 9],
                _ => byte(),
            })
            .collect();
        client.spare()[..60].copy_from_slice(&bytes);
        let _any = client.on_received(60, NOW);
        server.spare()[..60].copy_from_slice(&bytes);
        let _any = server.on_received(60, &BookImage::default(), NOW);
        let _any = server.on_poll(NOW);
    }
    assert_eq!(log_of(&[]).next_sequence(), 1);
}
