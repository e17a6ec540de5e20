use quickcheck::quickcheck;

use super::super::{OutBuffer, Password, numeric, numeric_of};
use super::*;
use crate::nasdaq::Alpha;

/// A login written out by hand from the SoupBinTCP 3.00 specification.
const LOGIN: &[u8; 49] = b"\x00\x2fLALICE secret    SESSION1                     7";

fn login() -> LoginRequest {
    LoginRequest {
        username: Alpha::new("ALICE").unwrap(),
        password: Password(Alpha::new("secret").unwrap()),
        session: Alpha::new("SESSION1").unwrap(),
        sequence: numeric(7),
    }
}

fn deframer_with(bytes: &[u8]) -> Deframer {
    let mut deframer = Deframer::new(256);
    deframer.spare()[..bytes.len()].copy_from_slice(bytes);
    deframer.commit(bytes.len());
    deframer
}

#[test]
fn a_login_reads_and_writes_as_the_specification_says() {
    let mut deframer = deframer_with(LOGIN);
    assert_eq!(deframer.packet(), Ok(Some(Packet::LoginRequest(&login()))));
    let mut out = OutBuffer::new(64);
    out.put(&Packet::LoginRequest(&login())).unwrap();
    assert_eq!(out.pending(), LOGIN);
}

#[test]
fn numbers_are_padded_digits() {
    assert_eq!(&numeric(0), b"                   0");
    assert_eq!(&numeric(u64::MAX), b"18446744073709551615");
    assert_eq!(numeric_of(b"                   0"), Some(0));
    assert_eq!(numeric_of(b"18446744073709551615"), Some(u64::MAX));
    assert_eq!(numeric_of(b"18446744073709551616"), None);
    assert_eq!(numeric_of(b"                    "), None);
    assert_eq!(numeric_of(b"                 1 2"), None);
    assert_eq!(numeric_of(b"                  -1"), None);
}

#[test]
fn every_packet_comes_back_as_written_however_the_stream_is_cut() {
    let accepted = LoginAccepted { session: Alpha::new("S").unwrap(), sequence: numeric(3) };
    let login = login();
    let packets = [
        Packet::Debug(b"hello"),
        Packet::LoginRequest(&login),
        Packet::LoginAccepted(&accepted),
        Packet::LoginRejected(b'S'),
        Packet::Sequenced(b"abc"),
        Packet::Sequenced(b""),
        Packet::Unsequenced(b"xyz"),
        Packet::ClientHeartbeat,
        Packet::ServerHeartbeat,
        Packet::EndOfSession,
        Packet::LogoutRequest,
    ];
    let mut out = OutBuffer::new(1024);
    packets.iter().for_each(|packet| out.put(packet).unwrap());
    for piece in 1..60 {
        let mut deframer = Deframer::new(128);
        let mut expected = packets.iter();
        for bytes in out.pending().chunks(piece) {
            deframer.spare()[..bytes.len()].copy_from_slice(bytes);
            deframer.commit(bytes.len());
            while let Some(packet) = deframer.packet().unwrap() {
                assert_eq!(Some(&packet), expected.next(), "pieces of {piece}");
            }
        }
        assert_eq!(expected.next(), None, "pieces of {piece}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    let fault = |bytes: &[u8]| {
        let mut stream = b"\x00\x01H".to_vec();
        stream.extend_from_slice(bytes);
        let mut deframer = deframer_with(&stream);
        assert_eq!(deframer.packet(), Ok(Some(Packet::ServerHeartbeat)));
        let error = deframer.packet().unwrap_err();
        assert_eq!(error.offset, 3);
        error.fault
    };
    assert_eq!(fault(b"\x00\x00"), SoupFault::Empty);
    assert_eq!(fault(b"\x00\x01?"), SoupFault::UnknownType(b'?'));
    let long = SoupFault::Length { packet_type: b'H', expected: 0, found: 1 };
    assert_eq!(fault(b"\x00\x02H."), long);
    let short = SoupFault::Length { packet_type: b'L', expected: 46, found: 2 };
    assert_eq!(fault(b"\x00\x03L.."), short);
    assert_eq!(fault(b"\x01\x00"), SoupFault::TooLong { found: 258, capacity: 256 });
}

quickcheck! {
    fn any_stream_is_packets_or_an_error(bytes: Vec<u8>) -> bool {
        let mut deframer = Deframer::new(300);
        for piece in bytes.chunks(40) {
            deframer.spare()[..piece.len()].copy_from_slice(piece);
            deframer.commit(piece.len());
            loop {
                match deframer.packet() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => return error.offset < bytes.len() as u64,
                }
            }
            if deframer.spare().len() < 40 {
                return true;
            }
        }
        true
    }
}
