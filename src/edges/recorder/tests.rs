use std::fs::File;
use std::io::{self, BufWriter, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

use super::*;
use crate::io::recording::PacketReader;

fn datagram(tap: &mut Tap, received: i64, bytes: &[u8]) {
    tap.datagram(0, Arrival { received: Nanos(received), queued_ns: 0 }, bytes);
}

fn named(path: &Path) -> &Path {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(made.success());
    path
}

/// A disk that hangs: a write returns when the other end of the channel is gone.
struct Hangs(Receiver<()>);

impl Write for Hangs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _let_go = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recording in a file that hangs behind its head, and what lets it go.
fn hanging(bytes: usize) -> (Recorder, Taps, Sender<()>) {
    let (hold, held) = bounded(0);
    let file = BufWriter::with_capacity(1 << 10, Hangs(held));
    let (recorder, taps) =
        Recorder::over(PacketWriter::new(file, Path::new("r")).expect("a head"), bytes, bytes)
            .expect("it begins");
    (recorder, taps, hold)
}

#[test]
fn a_disk_that_is_full_ends_the_recording_and_nothing_else() {
    let full = File::options().write(true).open("/dev/full").expect("a full disk");
    let file = PacketWriter::new(BufWriter::with_capacity(1 << 10, full), Path::new("r")).expect("a head");
    let (recorder, mut taps) = Recorder::over(file, 1 << 16, 1 << 16).expect("it begins");
    for _ in 0..100 {
        datagram(&mut taps.feed, 0, &[7; 100]);
    }
    let said = recorder.finish().expect_err("it is not complete").to_string();
    assert!(said.contains("not complete") && said.contains("went on"), "{said}");
    assert!(said.contains("No space left"), "{said}");
}

#[test]
fn a_disk_that_hangs_ends_the_recording_where_the_ring_is_full() {
    let (recorder, mut taps, hold) = hanging(1 << 16);
    // More than ring and buffer hold, so that this returns only because nobody waits.
    for stamp in 0..1_000 {
        datagram(&mut taps.feed, stamp, &[7; 1_000]);
    }
    let shared = Arc::clone(&recorder.shared);
    assert!(shared.is(End::Full));
    let missing = shared.missing.load(Ordering::Relaxed);
    assert!((900..1_000).contains(&missing), "{missing} of 1,000 found no room");
    // The other ring has room, and yet takes nothing: a recording has one end.
    taps.venue.stream(Nanos(1_000), &[1]);
    assert_eq!(shared.missing.load(Ordering::Relaxed), missing + 1);
    let said = recorder.finish().expect_err("it is not complete").to_string();
    assert!(said.contains(&format!("{} packets found no room", missing + 1)), "{said}");
    drop(hold);
}

#[test]
fn the_end_does_not_wait_for_ever_for_a_disk_that_hangs() {
    let (recorder, mut taps, hold) = hanging(1 << 16);
    (0..10).for_each(|stamp| datagram(&mut taps.feed, stamp, &[7; 1_000]));
    assert!(recorder.shared.is(End::Open), "there is room");
    let patience = Duration::from_millis(50);
    let said = recorder.finish_within(patience, LONGEST_END).expect_err("it is not complete").to_string();
    assert!(said.contains("took nothing"), "{said}");
    drop(hold);
}

#[test]
fn the_end_of_a_recording_has_an_end_however_steadily_its_file_takes_a_little() {
    let (recorder, mut taps, hold) = hanging(1 << 16);
    (0..60).for_each(|stamp| datagram(&mut taps.feed, stamp, &[7; 1_000]));
    let trickle = thread::spawn(move || {
        while hold.send_timeout((), Duration::from_secs(1)).is_ok() {
            crate::io::wait::nap(Duration::from_millis(15));
        }
    });
    let ended = recorder.finish_within(PATIENCE, Duration::from_millis(100));
    assert!(ended.is_err(), "60 writes of 15 ms");
    trickle.join().expect("it ends with the file");
}

#[test]
fn a_named_pipe_that_nobody_reads_is_refused_and_one_whose_reader_stops_ends_the_recording() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pipe");
    let said = Recorder::create(named(&path)).expect_err("no reader").to_string();
    assert!(said.contains("nobody reads this named pipe; start its reader first"), "{said}");

    let reader = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).expect("a reader");
    let (recorder, mut taps) =
        Recorder::over(PacketWriter::create(&path).expect("it is read"), 1 << 16, 1 << 16)
            .expect("it begins");
    for stamp in 0..1_000 {
        datagram(&mut taps.feed, stamp, &[7; 1_000]);
    }
    let said = recorder.finish().expect_err("it is not complete").to_string();
    assert!(said.contains("found no room"), "{said}");
    drop(reader);
}

#[test]
fn a_named_pipe_that_is_read_gets_the_recording() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pipe");
    let mut reading =
        File::options().read(true).custom_flags(libc::O_NONBLOCK).open(named(&path)).expect("a reader");
    let (recorder, mut taps) = Recorder::create(&path).expect("it is read");
    (0..10).for_each(|stamp| datagram(&mut taps.feed, stamp, b"abc"));
    recorder.finish().expect("complete");
    let mut bytes = Vec::new();
    reading.read_to_end(&mut bytes).expect("all of it");
    let mut packets = PacketReader::new(bytes.as_slice(), Path::new("r")).expect("a recording");
    let count = std::iter::from_fn(|| packets.next().expect("good").map(|_| ())).count();
    assert_eq!(count, 10);
}

/// Two threads receive; each line's packets come back whole, in their order, whatever their length.
#[test]
fn what_two_threads_receive_is_read_back_line_by_line() {
    const COUNT: i64 = 5_000;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("packets");
    let (recorder, Taps { mut feed, mut venue }) = Recorder::create(&path).expect("it begins");
    let len = |stamp: i64| (stamp * 37 % 1_500) as usize;
    let lines = thread::spawn(move || {
        feed.datagram(7, Arrival { received: Nanos::ZERO, queued_ns: 0 }, &[7; 65_507]);
        for stamp in 0..COUNT {
            let arrival = Arrival { received: Nanos(stamp), queued_ns: (stamp % 3) as u32 };
            feed.datagram((stamp % 2) as u16, arrival, &vec![stamp as u8; len(stamp)]);
        }
        feed.mistrusted(Nanos(COUNT), InstrumentId(0x0102));
        feed.snapshot(Nanos(COUNT), &Snapshot::new(9, [&[1_u8; 40][..]; 2_000].into_iter()));
    });
    venue.connected(Nanos::ZERO);
    (1..COUNT).for_each(|stamp| venue.stream(Nanos(stamp), &vec![stamp as u8; len(stamp)]));
    lines.join().expect("received");
    recorder.finish().expect("complete");

    let mut packets = PacketReader::open(&path).expect("a recording");
    let (mut next_data, mut next_bytes, mut parts) = (0, 0, Vec::new());
    while let Some(packet) = packets.next().expect("good") {
        let stamp = packet.received.0;
        match packet.line {
            VENUE_LINE => {
                assert_eq!((packet.kind, stamp), (PacketKind::Stream, next_bytes));
                assert_eq!(packet.bytes, vec![stamp as u8; if stamp == 0 { 0 } else { len(stamp) }]);
                next_bytes += 1;
            }
            SNAPSHOT_LINE => parts.push(packet.bytes.to_vec()),
            7 => assert_eq!(packet.bytes, [7; 65_507]),
            line => {
                assert_eq!((packet.kind, stamp), (PacketKind::Datagram, next_data));
                assert_eq!((i64::from(line), i64::from(packet.queued_ns)), (stamp % 2, stamp % 3));
                assert_eq!(packet.bytes, vec![stamp as u8; len(stamp)]);
                next_data += 1;
            }
        }
    }
    assert_eq!((next_data, next_bytes), (COUNT, COUNT));
    let lens: Vec<usize> = parts.iter().map(Vec::len).collect();
    assert_eq!(lens, [2, 16, 1_428 * 42, 572 * 42], "a name, a head, parts of whole messages");
    assert_eq!((&parts[0][..], parts[1][7], parts[1][14..].to_vec()), (&[1, 2][..], 9, vec![0x07, 0xd0]));
}

#[test]
fn a_recorder_that_is_dropped_leaves_no_end_mark() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("packets");
    let (recorder, mut taps) = Recorder::create(&path).expect("it begins");
    datagram(&mut taps.feed, 1, b"abc");
    let Recorder { finish, done, .. } = recorder;
    drop(finish);
    done.recv().expect("told").expect("flushed");
    let mut packets = PacketReader::open(&path).expect("a recording");
    assert!(packets.next().expect("good").is_some());
    assert!(packets.next().is_err(), "without its end mark");
}
