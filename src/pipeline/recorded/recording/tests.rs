use std::path::PathBuf;

use pricewright_core::kernel::Nanos;
use tempfile::TempDir;

use super::*;
use crate::io::recording::{PacketWriter, RecordedPacket};

fn written(packets: &[(i64, u16, PacketKind, &[u8])]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("packets.pwp");
    let mut writer = PacketWriter::create(&path).expect("a file");
    for (received, line, kind, bytes) in packets {
        let packet =
            RecordedPacket { received: Nanos(*received), line: *line, kind: *kind, queued_ns: 0, bytes };
        writer.write(&packet).expect("written");
    }
    writer.finish().expect("written");
    (dir, path)
}

#[test]
fn packets_come_by_time_then_venue_then_line_then_as_written() {
    const VENUE: u16 = VENUE_LINE;
    let (_dir, path) = written(&[
        (20, 1, PacketKind::Datagram, b"20 B"),
        (10, 1, PacketKind::Datagram, b"10 B"),
        (10, 0, PacketKind::Datagram, b"10 A, first"),
        (10, 0, PacketKind::Datagram, b"10 A, second"),
        (20, VENUE, PacketKind::Stream, b"20 venue, first"),
        (20, VENUE, PacketKind::Stream, b"20 venue, second"),
        (5, VENUE, PacketKind::Stream, b""),
    ]);
    let recording = Recording::read(&path).expect("readable");
    let order: Vec<&[u8]> =
        (0..).map_while(|index| recording.packet(index)).map(|packet| packet.bytes).collect();
    let expected: [&[u8]; 7] =
        [b"", b"10 A, first", b"10 A, second", b"10 B", b"20 venue, first", b"20 venue, second", b"20 B"];
    assert_eq!(order, expected);
    assert_eq!((recording.first_stamp(), recording.last_stamp()), (Nanos(5), Nanos(20)));
    assert_eq!(recording.len(), 7);
}

#[test]
fn recordings_that_cannot_be_put_in_order_are_refused() {
    let refused = |packets: &[(i64, u16, PacketKind, &[u8])]| {
        let (_dir, path) = written(packets);
        Recording::read(&path).expect_err("refused").to_string()
    };
    assert!(refused(&[]).contains("no packet"));
    let datagram = PacketKind::Datagram;
    assert!(refused(&[(1, 0, datagram, b"a"), (-1, 0, datagram, b"b")]).contains("packet 2"));
    assert!(refused(&[(i64::MAX / 2, 0, datagram, b"a")]).contains("impossible stamp"));
    assert!(refused(&[(1, 3, PacketKind::Stream, b"a")]).contains("neither the venue session's"));
}

#[test]
fn moments_are_ordered_by_time_then_source_and_end_last() {
    let moments = [
        Moment::new(Nanos(0), Source::Venue),
        Moment::new(Nanos(0), Source::Data),
        Moment::new(Nanos(1), Source::Venue),
        Moment::new(Moment::LATEST, Source::Data),
        Moment::END,
    ];
    assert!(moments.is_sorted_by(|one, other| one < other), "{moments:?}");
}
