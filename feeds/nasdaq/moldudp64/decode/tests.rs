use quickcheck::quickcheck;

use super::super::{PacketBuilder, end_of_session, heartbeat, request};
use super::*;

const SESSION: SessionId = crate::nasdaq::Alpha(*b"20101224A ");

/// Two messages, `ab` and none, from sequence 258, written out by hand from the MoldUDP64 1.00 specification.
const PACKET: [u8; 26] = [
    b'2', b'0', b'1', b'0', b'1', b'2', b'2', b'4', b'A', b' ', 0, 0, 0, 0, 0, 0, 1, 2, 0, 2, 0, 2, b'a',
    b'b', 0, 0,
];

#[test]
fn a_packet_reads_as_the_specification_says() {
    let Ok(Packet::Data { session, first, messages }) = decode(&PACKET) else { panic!("not data") };
    assert_eq!((session, first, messages.left()), (SESSION, 258, 2));
    assert_eq!(messages.collect::<Vec<_>>(), [b"ab".as_slice(), b""]);
    assert_eq!(messages.after(1).collect::<Vec<_>>(), [b""]);
    assert_eq!(decode(&PACKET).unwrap().next(), 260);
}

#[test]
fn a_packet_is_built_as_the_specification_says() {
    let mut builder = PacketBuilder::new(26);
    assert!(builder.push(b"ab") && builder.push(b""));
    assert!(!builder.push(b""));
    assert_eq!(builder.finish(SESSION, 258), PACKET);
}

#[test]
fn heartbeat_end_and_request_are_headers() {
    assert_eq!(decode(&heartbeat(SESSION, 7)), Ok(Packet::Heartbeat { session: SESSION, next: 7 }));
    assert_eq!(decode(&end_of_session(SESSION, 7)), Ok(Packet::EndOfSession { session: SESSION, next: 7 }));
    assert_eq!(decode_request(&request(SESSION, 7, 3)), Ok((SESSION, 7, 3)));
    assert_eq!(end_of_session(SESSION, 7)[18..], [0xff, 0xff]);
}

#[test]
fn a_packet_cut_anywhere_is_refused_with_the_place() {
    for cut in 0..PACKET.len() {
        let expected = match cut {
            0..20 => PacketError::Header { found: cut },
            20..24 => PacketError::Truncated { index: 0, offset: 20 },
            _ => PacketError::Truncated { index: 1, offset: 24 },
        };
        assert_eq!(decode(&PACKET[..cut]), Err(expected), "cut at {cut}");
    }
    let mut longer = PACKET.to_vec();
    longer.push(0);
    assert_eq!(decode(&longer), Err(PacketError::Trailing { offset: 26 }));
}

#[test]
fn impossible_headers_are_refused() {
    assert_eq!(decode(&heartbeat(SESSION, 0)), Err(PacketError::Sequence { sequence: 0, count: 0 }));
    let mut far = PACKET;
    far[10..18].fill(0xff);
    assert_eq!(decode(&far), Err(PacketError::Sequence { sequence: u64::MAX, count: 2 }));
    let mut unprintable = PACKET;
    unprintable[3] = 7;
    assert_eq!(decode(&unprintable), Err(PacketError::Session));
}

quickcheck! {
    fn any_bytes_are_a_packet_or_an_error(bytes: Vec<u8>) -> bool {
        match decode(&bytes) {
            Ok(Packet::Data { messages, .. }) => {
                20 + messages.map(|message| 2 + message.len()).sum::<usize>() == bytes.len()
            }
            Ok(_) => bytes.len() == 20,
            Err(_) => true,
        }
    }

    fn messages_come_back_as_packed(messages: Vec<Vec<u8>>) -> bool {
        let mut builder = PacketBuilder::new(1400);
        let packed: Vec<_> = messages.iter().take_while(|message| builder.push(message)).collect();
        match decode(builder.finish(SESSION, 1)) {
            Ok(Packet::Data { messages, .. }) => messages.eq(packed),
            Ok(Packet::Heartbeat { .. }) => packed.is_empty(),
            _ => false,
        }
    }
}
