use std::io::Read as _;
use std::os::fd::OwnedFd;

use super::*;

/// Far longer than anything here takes.
const BOUND: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

/// A console over a pipe, with the end to read.
fn piped(terminal: bool) -> (Console, io::PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (Console::over(File::from(OwnedFd::from(writer)), "the pipe", terminal), reader)
}

/// What is read until `end` has come.
fn read_to(reader: &mut io::PipeReader, end: &str) -> String {
    let mut text = Vec::new();
    let mut bytes = [0; 4096];
    while !text.ends_with(end.as_bytes()) {
        let count = reader.read(&mut bytes).expect("readable");
        assert!(count > 0, "it ended: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&bytes[..count]);
    }
    String::from_utf8(text).expect("text")
}

#[test]
fn a_pipe_that_nobody_reads_costs_lines_and_no_time() {
    let (console, mut reader) = piped(false);
    let text = "x".repeat(1023);
    let (mut said, mut all) = (0_u64, 0_u64);
    // A pipe holds 64 KiB, the queue 1 MiB: most of this finds no room.
    while all < 4 * (BYTES as u64) / 1024 {
        said += u64::from(console.line(&text));
        all += 1;
    }
    assert_eq!(console.dropped(), all - said);
    assert!(said < all);
    assert!(!console.drain(Some(SHORT)), "nobody reads");
    let thread = thread::spawn(move || read_to(&mut reader, "again\n"));
    assert!(console.drain(Some(BOUND)));
    assert!(console.line("again"));
    let read = thread.join().expect("read");
    assert_eq!(read.lines().filter(|line| *line == text).count() as u64, said);
    // It says how much is missing, all at once or in parts.
    let told = read.lines().filter_map(|line| {
        line.strip_prefix("pricewright: ")?
            .strip_suffix(" lines were dropped: the pipe did not take them in time")
    });
    assert_eq!(told.map(|number| number.parse::<u64>().expect("a number")).sum::<u64>(), all - said);
    assert!(read.ends_with("again\n"));
}

#[test]
fn what_waits_for_room_waits_only_while_somebody_reads() {
    let (console, mut reader) = piped(false);
    let lines = vec![b'\n'; 128 << 10];
    while console.say_patiently(lines.clone(), SHORT) {}
    assert_eq!(console.dropped(), lines.len() as u64);
    let thread = thread::spawn(move || read_to(&mut reader, "the last\n"));
    assert!(console.drain(Some(BOUND)), "it is read again");
    for _ in 0..64 {
        assert!(console.say_patiently(lines.clone(), BOUND), "a slow reader gets everything");
    }
    assert!(console.say_patiently(b"the last\n".to_vec(), BOUND));
    thread.join().expect("read");
}

#[test]
fn a_reader_that_is_gone_is_an_error_and_no_loss_to_count() {
    let (console, reader) = piped(false);
    drop(reader);
    console.line("nobody");
    assert!(console.drain(Some(BOUND)));
    assert!(console.is_gone());
    assert_eq!(console.error().map(|error| error.kind()), Some(ErrorKind::BrokenPipe));
    for _ in 0..2 * MESSAGES {
        console.line("still nobody");
    }
    assert_eq!(console.dropped(), 0);
    assert!(console.drain(Some(BOUND)));
}

#[test]
fn lines_stand_above_the_status_line() {
    let (console, mut reader) = piped(true);
    console.status("1s");
    assert!(console.drain(Some(BOUND)));
    console.line("news");
    console.status("2s");
    assert!(console.drain(Some(BOUND)));
    console.status("");
    console.line("end");
    assert_eq!(read_to(&mut reader, "end\n"), "\r\x1b[K1s\r\x1b[Knews\n1s\r\x1b[K2s\nend\n");
}
