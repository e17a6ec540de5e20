use quickcheck::QuickCheck;

use super::*;
use crate::testing::seeded;

/// Received, line, the wait of a datagram (`None` for a stream), payload.
type Packet = (i64, u16, Option<u32>, Vec<u8>);

fn path() -> &'static Path {
    Path::new("session.packets")
}

fn record(packets: &[Packet]) -> Vec<u8> {
    let mut writer = PacketWriter::new(Vec::new(), path()).expect("a vector takes all");
    for (received, line, waited, bytes) in packets {
        let kind = if waited.is_none() { PacketKind::Stream } else { PacketKind::Datagram };
        let (received, queued_ns) = (Nanos(*received), waited.unwrap_or(0));
        let packet = RecordedPacket { received, line: *line, kind, queued_ns, bytes };
        writer.write(&packet).expect("a vector takes all");
    }
    writer.finish().expect("a vector takes all")
}

fn read(bytes: &[u8]) -> Result<Vec<Packet>, IoError> {
    let mut reader = PacketReader::new(bytes, path())?;
    let mut packets = Vec::new();
    while let Some(packet) = reader.next()? {
        let waited = (packet.kind == PacketKind::Datagram).then_some(packet.queued_ns);
        packets.push((packet.received.0, packet.line, waited, packet.bytes.to_vec()));
    }
    assert!(reader.next()?.is_none(), "the end stays the end");
    Ok(packets)
}

fn damage(bytes: &[u8]) -> (u64, &'static str) {
    match read(bytes) {
        Err(IoError::Damaged { path: found, offset, what }) => {
            assert_eq!(found, path());
            (offset, what)
        }
        other => panic!("{other:?}"),
    }
}

fn three() -> Vec<Packet> {
    vec![
        (-5, 0, Some(0), b"first".to_vec()),
        (1 << 60, 1, None, Vec::new()),
        (7, u16::MAX, Some(70_000), vec![9; 300]),
    ]
}

#[test]
fn any_packets_come_back() {
    fn property(packets: Vec<Packet>) -> bool {
        read(&record(&packets)).is_ok_and(|found| found == packets)
    }
    QuickCheck::new().rng(seeded(200)).quickcheck(property as fn(Vec<Packet>) -> bool);
}

#[test]
fn the_layout_is_as_documented() {
    let bytes = record(&[(0x0102_0304_0506_0708, 0x1112, None, b"ab".to_vec())]);
    assert_eq!(&bytes[..16], b"PWPACKET\x01\0\0\0\0\0\0\0");
    assert_eq!(&bytes[16..32], [8, 7, 6, 5, 4, 3, 2, 1, 2, 0, 0, 0, 0x12, 0x11, 2, 0]);
    assert_eq!(bytes[32..36], blake3::hash(&[&bytes[16..32], b"ab"].concat()).as_bytes()[..4]);
    assert_eq!(&bytes[36..38], b"ab");
    assert_eq!(&bytes[38..54], [0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[58..], 1_u64.to_le_bytes());
    let waited = record(&[(5, 1, Some(0x0a0b_0c0d), b"ab".to_vec())]);
    assert_eq!(&waited[16..32], [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 3, 0]);
    assert_eq!(waited[32..36], blake3::hash(&[&waited[16..32], &waited[36..42]].concat()).as_bytes()[..4]);
    assert_eq!(waited[36..42], [0x0d, 0x0c, 0x0b, 0x0a, b'a', b'b']);
    assert_eq!(record(&[(5, 1, Some(0), b"ab".to_vec())])[30], 1, "as it was where nothing is known");
}

#[test]
fn a_recording_cut_anywhere_is_refused_at_the_packet_that_is_lost() {
    let bytes = record(&three());
    // Offsets of the head, three packets and the end mark, from the documented sizes.
    let starts = [0, 16, 16 + 25, 16 + 25 + 20, 16 + 25 + 20 + 324];
    for len in 0..bytes.len() {
        let (offset, _) = damage(&bytes[..len]);
        let expected = starts.iter().rev().find(|start| **start <= len).copied().expect("0 is there");
        let expected = if len < 16 { 0 } else { expected };
        assert_eq!(offset, expected as u64, "cut to {len}");
    }
    assert_eq!(read(&bytes).expect("whole"), three());
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = record(&three());
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[position] ^= 1 << bit;
            let (offset, _) = damage(&bytes);
            assert!(offset <= position as u64, "bit {bit} of byte {position} is reported at {offset}");
        }
    }
}

#[test]
fn packets_cut_out_and_bytes_added_are_refused() {
    let good = record(&three());
    let mut without_second = good.clone();
    without_second.drain(41..61);
    assert_eq!(damage(&without_second), (365, "an end mark that counts other packets than there are"));
    let longer = [good.as_slice(), b"x"].concat();
    assert_eq!(damage(&longer), (385, "bytes after the end mark"));
    assert_eq!(damage(b"not a recording at all"), (0, "this is no packet recording"));
}

#[test]
fn packets_too_long_are_refused_by_the_writer() {
    let mut writer = PacketWriter::new(Vec::new(), path()).expect("a vector takes all");
    let bytes = vec![0; MAX_PACKET_LEN + 1];
    let (received, line, kind) = (Nanos(1), 0, PacketKind::Datagram);
    let packet = |queued_ns, bytes| RecordedPacket { received, line, kind, queued_ns, bytes };
    assert!(writer.write(&packet(0, &bytes)).is_err());
    assert!(writer.write(&packet(7, &bytes[4..])).is_err(), "with its wait");
    writer.write(&packet(0, &bytes[1..])).expect("the longest that is possible");
    let recording = writer.finish().expect("a vector takes all");
    assert_eq!(read(&recording).expect("good").len(), 1, "nothing of the refused one is in it");
}

#[test]
fn files_are_written_and_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session.packets");
    let mut writer = PacketWriter::create(&file).expect("create");
    for n in 0..5_000_u32 {
        let bytes = n.to_le_bytes().repeat(n as usize % 50);
        let packet = RecordedPacket {
            received: Nanos(i64::from(n)),
            line: 1,
            kind: PacketKind::Datagram,
            queued_ns: n % 2,
            bytes: &bytes,
        };
        writer.write(&packet).expect("written");
    }
    writer.finish().expect("written");
    let mut reader = PacketReader::open(&file).expect("open");
    let mut n = 0_u32;
    while let Some(packet) = reader.next().expect("good") {
        assert_eq!(packet.queued_ns, n % 2);
        assert_eq!(packet.bytes, n.to_le_bytes().repeat(n as usize % 50));
        n += 1;
    }
    assert_eq!(n, 5_000);
    let error = PacketReader::open(&folder.path().join("none")).expect_err("missing").to_string();
    assert!(error.contains("none") && error.contains("mend the path"), "{error}");
}
