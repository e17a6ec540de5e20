use std::io::Write;

use quickcheck::QuickCheck;

use super::*;
use crate::testing::seeded;

/// A test format: one length byte (of what follows), then an i64 stamp where there is room for it.
fn framer(bytes: &[u8]) -> Framing {
    let len = usize::from(bytes[0]) + 1;
    match bytes.get(1..len) {
        None => Framing::More,
        Some([0xee, ..]) => Framing::Damaged("a frame begins with 0xee"),
        Some(body) => {
            let stamp = body.first_chunk().map(|stamp| EventNanos(i64::from_le_bytes(*stamp)));
            Framing::Frame { len, stamp }
        }
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&[body.len() as u8], body].concat()
}

/// A reader that gives at most `step` bytes at a time.
struct Dribble<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.step.min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.bytes = later;
        Ok(count)
    }
}

fn replay(bytes: &[u8], step: usize, pace: Pace) -> FileReplay<Dribble<'_>, fn(&[u8]) -> Framing> {
    FileReplay::new(Dribble { bytes, step }, Path::new("frames.bin"), pace, framer)
}

#[test]
fn gives_every_frame_however_the_reader_cuts() {
    fn property(bodies: Vec<Vec<u8>>, step: u8) -> bool {
        let bodies: Vec<Vec<u8>> = bodies
            .into_iter()
            .map(|mut body| {
                body.truncate(255);
                if let Some(first) = body.first_mut() {
                    *first = 1;
                }
                body
            })
            .collect();
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        let mut replay = replay(&bytes, usize::from(step) + 1, Pace::Maximum);
        let mut at = 0;
        bodies.iter().all(|body| {
            let expected = frame(body);
            let good = matches!(
                replay.next(Nanos(0)),
                Ok(Next::Frame { bytes, offset, .. }) if bytes == expected && offset == at
            );
            at += expected.len() as u64;
            good
        }) && matches!(replay.next(Nanos(0)), Ok(Next::End))
            && matches!(replay.next(Nanos(0)), Ok(Next::End))
            && replay.offset() == bytes.len() as u64
    }
    QuickCheck::new().rng(seeded(100)).quickcheck(property as fn(Vec<Vec<u8>>, u8) -> bool);
}

#[test]
fn recorded_speed_follows_the_stamps() {
    let stamps = [1_000_i64, 1_500, 1_400, 3_000];
    let mut bytes: Vec<u8> = stamps.iter().flat_map(|stamp| frame(&stamp.to_le_bytes())).collect();
    bytes.extend(frame(b"short"));
    let mut replay = replay(&bytes, 64, Pace::Recorded);
    let stamp_of = |next: Next<'_>| match next {
        Next::Frame { stamp, .. } => stamp,
        other => panic!("{other:?}"),
    };
    // The first is due at once, wherever the clock stands; 500 ns later the second, and the third, which is late.
    assert_eq!(stamp_of(replay.next(Nanos(70_000)).expect("good")), Some(EventNanos(1_000)));
    assert_eq!(replay.next(Nanos(70_000)).expect("good"), Next::NotBefore(Nanos(70_500)));
    assert_eq!(replay.next(Nanos(70_499)).expect("good"), Next::NotBefore(Nanos(70_500)));
    assert_eq!(stamp_of(replay.next(Nanos(70_500)).expect("good")), Some(EventNanos(1_500)));
    assert_eq!(stamp_of(replay.next(Nanos(70_500)).expect("good")), Some(EventNanos(1_400)));
    assert_eq!(replay.next(Nanos(71_999)).expect("good"), Next::NotBefore(Nanos(72_000)));
    assert_eq!(stamp_of(replay.next(Nanos(90_000)).expect("good")), Some(EventNanos(3_000)));
    assert_eq!(stamp_of(replay.next(Nanos(90_000)).expect("good")), None);
    assert_eq!(replay.next(Nanos(90_000)).expect("good"), Next::End);
}

fn error_after(bytes: &[u8], good: usize) -> (u64, &'static str) {
    let mut replay = replay(bytes, 3, Pace::Maximum);
    for _ in 0..good {
        assert!(matches!(replay.next(Nanos(0)), Ok(Next::Frame { .. })));
    }
    match replay.next(Nanos(0)) {
        Err(IoError::Damaged { offset, what, path }) => {
            assert_eq!(path, Path::new("frames.bin"));
            (offset, what)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn damage_is_named_with_its_offset() {
    assert_eq!(error_after(b"\x02ab\x03ab", 1), (3, "the file ends within a frame"));
    assert_eq!(error_after(b"\x02ab\x02\xeex", 1), (3, "a frame begins with 0xee"));
}

#[test]
fn frames_that_cannot_be_are_refused() {
    let error = |framing: Framing| {
        let bytes = vec![1; READ_BUFFER_LEN + 10];
        let mut replay = FileReplay::new(&bytes[..], Path::new("f"), Pace::Maximum, |_: &[u8]| framing);
        match replay.next(Nanos(0)) {
            Err(IoError::Damaged { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(error(Framing::Frame { len: 0, stamp: None }), "a frame of no bytes");
    assert_eq!(error(Framing::More), "a frame longer than the read buffer of 1 MiB");
    assert_eq!(
        error(Framing::Frame { len: READ_BUFFER_LEN + 1, stamp: None }),
        "a frame longer than the read buffer of 1 MiB"
    );
}

#[test]
fn reads_files_and_names_missing_ones() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let frames: Vec<u8> =
        (0..20_000_u32).flat_map(|n| frame(&(u64::from(n) << 8).to_le_bytes().repeat(9))).collect();
    assert!(frames.len() > READ_BUFFER_LEN, "more than one buffer");
    file.write_all(&frames).expect("written");
    let mut replay = FileReplay::open(file.path(), Pace::Maximum, framer).expect("open");
    let mut seen = 0;
    while let Next::Frame { stamp, .. } = replay.next(Nanos(0)).expect("good") {
        assert_eq!(stamp, Some(EventNanos(seen << 8)));
        seen += 1;
    }
    assert_eq!(seen, 20_000);
    let missing =
        FileReplay::open(Path::new("/nowhere/frames.bin"), Pace::Maximum, framer).err().expect("missing");
    let message = missing.to_string();
    assert!(message.contains("/nowhere/frames.bin") && message.contains("mend the path"), "{message}");
}

#[test]
fn a_file_with_contents_is_not_written_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("day.itch");
    drop(create_fresh(&path).expect("new"));
    drop(create_fresh(&path).expect("an empty one may be filled"));
    std::fs::write(&path, "the only copy").expect("written");
    let error = create_fresh(&path).expect_err("it holds something");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "the only copy");
    assert!(create_fresh(Path::new("/dev/null")).is_ok(), "a device");
}

/// Opening one would wait for its reader, which may never come.
#[test]
fn a_named_pipe_that_nobody_reads_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    assert_eq!(create_fresh(&path).expect_err("no reader").kind(), io::ErrorKind::NotConnected);
    let mut reader = File::options();
    let _reader = reader.read(true).custom_flags(libc::O_NONBLOCK).open(&path).expect("a reader");
    assert!(create_fresh(&path).is_ok());
}
