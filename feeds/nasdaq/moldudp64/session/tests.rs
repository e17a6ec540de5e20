use super::super::{Packet, decode, request};
use super::*;
use crate::nasdaq::MessageLog;

const SESSION: SessionId = crate::nasdaq::Alpha(*b"SESSION1  ");

fn packets_of(action: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    action(&mut |packet: &[u8]| packets.push(packet.to_vec()));
    packets
}

fn first_and_count(packet: &[u8]) -> (u64, u16) {
    match decode(packet) {
        Ok(Packet::Data { first, messages, .. }) => (first, messages.left()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_are_numbered_and_packed_until_a_packet_is_full() {
    let mut sender = Sender::new(SESSION, 1, 20 + 3 * 12, Nanos(100));
    let packets = packets_of(|mut emit| {
        for expected in 1..=7 {
            assert_eq!(sender.push(&[0; 10], Nanos(5), &mut emit), Ok(expected));
        }
        sender.flush(Nanos(5), &mut emit);
        sender.flush(Nanos(5), &mut emit);
    });
    let found: Vec<_> = packets.iter().map(|packet| first_and_count(packet)).collect();
    assert_eq!(found, [(1, 3), (4, 3), (7, 1)]);
}

#[test]
fn a_sender_with_nothing_to_send_sends_heartbeats() {
    let mut sender = Sender::new(SESSION, 9, 1400, Nanos(100));
    let mut at = |now: i64| packets_of(|mut emit| sender.poll(Nanos(now), &mut emit));
    assert_eq!(at(99).len(), 0);
    assert_eq!(decode(&at(100)[0]), Ok(Packet::Heartbeat { session: SESSION, next: 9 }));
    assert_eq!(at(199).len(), 0);
    assert_eq!(at(200).len(), 1);
}

#[test]
fn the_end_is_sent_and_repeated_and_nothing_follows() {
    let mut sender = Sender::new(SESSION, 1, 1400, Nanos(100));
    let packets = packets_of(|mut emit| {
        sender.push(b"last", Nanos(1), &mut emit).unwrap();
        sender.end(Nanos(1), &mut emit);
        sender.poll(Nanos(101), &mut emit);
        assert_eq!(sender.push(b"more", Nanos(102), &mut emit), Err(SendError::Ended));
    });
    assert_eq!(first_and_count(&packets[0]), (1, 1));
    for packet in &packets[1..] {
        assert_eq!(decode(packet), Ok(Packet::EndOfSession { session: SESSION, next: 2 }));
    }
    assert_eq!(packets.len(), 3);
}

#[test]
fn a_message_that_fits_no_packet_is_refused() {
    let mut sender = Sender::new(SESSION, 1, 30, Nanos(100));
    let refused = sender.push(&[0; 9], Nanos(1), &mut |_| panic!("nothing leaves"));
    assert_eq!(refused, Err(SendError::TooLong { len: 9 }));
    assert_eq!(sender.next_sequence(), 1);
}

#[test]
fn a_request_is_answered_with_as_much_as_one_packet_holds() {
    let mut log = MessageLog::default();
    for byte in 1..=9u8 {
        log.push(&[byte; 10]);
    }
    let mut responder = Responder::new(SESSION, 20 + 4 * 12);
    let mut ask =
        |first, count| responder.respond(&request(SESSION, first, count), &log).unwrap().map(first_and_count);
    assert_eq!(ask(2, 3), Some((2, 3)));
    assert_eq!(ask(2, 100), Some((2, 4)));
    assert_eq!(ask(8, 100), Some((8, 2)));
    assert_eq!(ask(10, 1), None);
    assert_eq!(ask(3, 0), None);
    let other = crate::nasdaq::Alpha(*b"SESSION2  ");
    assert_eq!(responder.respond(&request(other, 1, 1), &log), Ok(None));
    assert!(responder.respond(&[0; 19], &log).is_err());
}
