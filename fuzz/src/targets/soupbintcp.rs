//! SoupBinTCP, both ends, on any bytes: nothing panics, and in whichever pieces the bytes come, the packets are the same and
//! mean the same.

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::soupbintcp::{
    ClientConfig, ClientSession, Deframer, OutBuffer, Packet, Password, ServerConfig, ServerSession,
};
use pricewright_feeds::nasdaq::{Alpha, MessageLog, SessionId};

use super::wire;
use crate::input::Input;

const NOW: Nanos = Nanos(1_000_000_000);

/// What each packet of the bytes led to, up to the first error.
fn meanings(
    bytes: &[u8],
    step: usize,
    mut on_packet: impl FnMut(Packet<'_>) -> (String, bool),
) -> Vec<String> {
    let mut deframer = Deframer::new(1_024);
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let spare = deframer.spare();
        let count = wire::fill(spare, &rest[..rest.len().min(step)]);
        if count == 0 {
            found.push("no room".to_owned());
            break;
        }
        deframer.commit(count);
        rest = &rest[count..];
        loop {
            let goes_on = match deframer.packet() {
                Ok(None) => break,
                Ok(Some(packet)) => {
                    let (meaning, goes_on) = on_packet(packet);
                    found.push(meaning);
                    goes_on
                }
                Err(error) => {
                    found.push(error.to_string());
                    false
                }
            };
            if !goes_on {
                return found;
            }
        }
    }
    found
}

fn client(bytes: &[u8], step: usize) -> Vec<String> {
    let config = ClientConfig {
        username: Alpha(*b"U     "),
        password: Password(Alpha(*b"P         ")),
        session: SessionId::BLANK,
        next_sequence: 1,
    };
    let mut session = ClientSession::new(config);
    let mut out = OutBuffer::new(256);
    session.connect(NOW, &mut out).expect("room for a login");
    meanings(bytes, step, |packet| {
        let event = session.on_packet(packet, NOW);
        let meaning = format!("{event:?}");
        let goes_on = event.is_ok();
        (format!("{meaning} {} {}", session.next_sequence(), session.is_open()), goes_on)
    })
}

fn server(bytes: &[u8], step: usize) -> Vec<String> {
    let config = ServerConfig {
        username: Alpha(*b"U     "),
        password: Password(Alpha(*b"P         ")),
        session: Alpha(*b"S1        "),
    };
    let mut log = MessageLog::default();
    for number in 0..8 {
        log.push(&[number; 20]);
    }
    let mut session = ServerSession::new(config, NOW);
    let mut out = OutBuffer::new(256);
    meanings(bytes, step, |packet| {
        let meaning = session.on_packet(packet, 9, NOW, &mut out).map(|event| format!("{event:?}"));
        session.pump(&log, NOW, &mut out);
        let written = out.pending().to_vec();
        out.consume(written.len());
        (format!("{meaning:?} {written:?}"), meaning.is_ok())
    })
}

/// See the module.
pub fn soupbintcp(data: &[u8]) {
    let mut input = Input::new(data);
    let step = 1 + usize::from(input.byte());
    let bytes = input.rest();
    assert_eq!(client(bytes, step), client(bytes, 1), "pieces change nothing");
    assert_eq!(server(bytes, step), server(bytes, 1), "pieces change nothing");
    let mut logged_in = wire::accepted(b"S1        ", 1);
    logged_in.extend(bytes);
    assert_eq!(client(&logged_in, step), client(&logged_in, 7), "pieces change nothing");
    let mut logged_in = wire::login(b"U     ", b"P         ", b"          ", 1);
    logged_in.extend(bytes);
    assert_eq!(server(&logged_in, step), server(&logged_in, 7), "pieces change nothing");
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let packets = [
        wire::frame(b'S', b"hello"),
        wire::frame(b'U', b"order"),
        wire::frame(b'H', b""),
        wire::frame(b'R', b""),
        wire::frame(b'+', b"debug"),
        wire::frame(b'Z', b""),
        wire::frame(b'O', b""),
        wire::frame(b'J', b"A"),
        wire::login(b"U     ", b"P         ", b"S1        ", 0),
        wire::accepted(b"S1        ", u64::MAX),
    ];
    let mut seeds: Vec<Vec<u8>> = packets.iter().map(|packet| [&[9_u8][..], packet].concat()).collect();
    seeds.push([&[3_u8][..], &packets.concat()].concat());
    seeds
}
