//! GLIMPSE, both sides and the recovery between them: whoever follows the feed and then tells the state gives a client what
//! restores exactly that state; a client whose bytes were damaged has an error or a snapshot, never half a one; a server
//! takes any bytes; what is kept while books are lost is bounded, and pieces are given out in order.

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::glimpse::recovery::{Piece, Recovery, RecoveryConfig, Verdict};
use pricewright_feeds::nasdaq::glimpse::{
    BookImage, ServerOutcome, Snapshot, SnapshotClient, SnapshotClientConfig, SnapshotServer, decode,
};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, MessageStore};

use super::wire;
use crate::input::Input;

const NOW: Nanos = Nanos(1_000_000_000);

fn client(max_bytes: usize) -> SnapshotClient {
    let config = SnapshotClientConfig {
        username: Alpha(*b"U     "),
        password: Password(Alpha(*b"P         ")),
        symbols: wire::SYMBOLS.iter().map(|symbol| Alpha(**symbol)).collect(),
        max_bytes,
    };
    SnapshotClient::connect(config, NOW).expect("room for a login")
}

/// All that a server has to say to a client that begins with these bytes.
fn told(image: &BookImage, hello: &[u8]) -> Vec<u8> {
    let mut server = SnapshotServer::new(Alpha(*b"S1        "), None, NOW);
    let mut bytes = Vec::new();
    let mut rest = hello;
    for _ in 0..10_000 {
        let count = wire::fill(server.spare(), rest);
        rest = &rest[count..];
        match server.on_received(count, image, NOW) {
            Ok(ServerOutcome::Open | ServerOutcome::LoggedIn) => {}
            Ok(ServerOutcome::Over) | Err(_) => break,
        }
        if server.on_poll(NOW).is_err() {
            break;
        }
        bytes.extend_from_slice(server.output());
        server.consume(server.output().len());
        if server.is_over() || (rest.is_empty() && bytes.is_empty()) {
            break;
        }
    }
    bytes
}

/// The snapshot that a client makes of these bytes in pieces.
fn read(mut client: SnapshotClient, bytes: &[u8], step: usize) -> Option<Snapshot> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = wire::fill(client.spare(), &rest[..rest.len().min(step)]);
        if count == 0 || client.on_received(count, NOW).ok()? {
            break;
        }
        rest = &rest[count..];
    }
    client.into_snapshot()
}

fn messages(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    (0..snapshot.len()).map(|index| snapshot.message(index).expect("counted").to_vec()).collect()
}

/// Follows the feed, with messages of the input, and checks that the image tells itself.
fn image(input: &mut Input<'_>) -> BookImage {
    let mut image = BookImage::default();
    for _ in 0..input.byte() {
        let _ = image.apply(&wire::itch_message(input));
    }
    image
}

fn recovery(input: &mut Input<'_>, snapshot: &Snapshot) {
    let config = RecoveryConfig { buffer_bytes: 256, ..RecoveryConfig::default() };
    let mut recovery = Recovery::new(config, 2);
    let (mut now, mut next) = (NOW, 1_u64);
    for _ in 0..64 {
        match input.below(9) {
            0 => recovery.lose_all(next, now),
            1 => recovery.lose(input.below(3), next, now),
            2 | 3 => {
                let bytes = input.take(40);
                recovery.keep(next, bytes, now);
                next += 1;
            }
            4 => now += Nanos(i64::from(input.word()) * 1_000_000),
            5 if recovery.ask(now) => recovery.arrived(snapshot.clone(), now),
            6 => recovery.failed(now),
            7 => next += input.number() % (1 << 40),
            _ => {
                if let Verdict::Load(from) = recovery.judge(next, next, now) {
                    load(&mut recovery, from, snapshot.len());
                    recovery.finish(next, now);
                }
            }
        }
    }
}

fn load(recovery: &mut Recovery, from: u64, messages: usize) {
    let mut kept = 0;
    for turns in 0.. {
        assert!(turns < messages + 600, "pieces without end");
        match recovery.piece().expect("while loading there is a piece") {
            Piece::Begin(at) => assert_eq!((turns, at), (0, from), "the beginning comes first"),
            Piece::Snapshot(bytes) => {
                assert!(!bytes.is_empty() && kept == 0, "the snapshot comes before the rest")
            }
            Piece::Kept(sequence, _) => {
                assert!(sequence >= from && sequence > kept, "kept messages rise");
                kept = sequence;
            }
            Piece::End => return,
        }
        recovery.advance();
    }
}

/// See the module.
pub fn glimpse(data: &[u8]) {
    let _ = decode(data);
    let mut input = Input::new(data);
    let image = image(&mut input);
    let bytes = told(&image, client(1 << 20).output());
    let whole = read(client(1 << 20), &bytes, 1 + usize::from(input.byte())).expect("a whole snapshot");
    assert_eq!(whole.next_sequence(), image.next_sequence());
    let mut again = BookImage::default();
    for message in messages(&whole) {
        again.apply(&message).expect("a snapshot does not contradict itself");
    }
    let restored = again.tell();
    for index in 0..whole.len() {
        assert_eq!(restored.message(index as u64 + 1), whole.message(index), "the state is told in full");
    }
    recovery(&mut input, &whole);
    let mut damaged = bytes;
    let at = usize::from(input.word()) % damaged.len().max(1);
    match input.below(3) {
        0 => damaged.truncate(at),
        1 => damaged[at] ^= 1 << (input.byte() & 7),
        _ => drop(damaged.splice(at..at, input.take(9).iter().copied())),
    }
    if let Some(snapshot) = read(client(4_096), &damaged, 50) {
        assert_eq!(messages(&snapshot).len(), snapshot.len());
    }
    told(&image, input.rest());
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
