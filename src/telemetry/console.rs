//! Standard output and standard error, each written by a thread of its own: who has something to say never waits for whoever
//! reads it.
//!
//! A pipe that nobody reads, a stopped terminal or a stuck log collector blocks `write(2)` for ever. What is said goes into a
//! queue of bounded size; what finds no room is dropped and counted, and a line says how much was dropped as soon as the
//! stream takes something again. No lock is held while a write waits, so that a log statement on any thread, the hot one
//! included, costs a copy and a push.
//!
//! Where the stream is gone (its reader closed it, its terminal hung up) everything else for it is thrown away;
//! [`Console::error`] says why.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use tracing_subscriber::fmt::MakeWriter;

use crate::io::wait::{Waiter, nap};

/// Messages that may wait.
const MESSAGES: usize = 4096;
/// Bytes that may wait.
const BYTES: usize = 1 << 20;
/// Bytes given to the stream at once: what a pipe takes whole or not at all (`PIPE_BUF`).
const CHUNK: usize = 4096;
/// How often a waiting thread looks.
const LOOK: Duration = Duration::from_millis(1);
/// How long a stream that was made non-blocking is waited for before it is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// What takes the status line away: to the beginning of the line, and clear it.
const CLEAR: &[u8] = b"\r\x1b[K";

static OUT: LazyLock<Console> = LazyLock::new(|| Console::on(io::stdout().as_fd(), "standard output"));
static ERR: LazyLock<Console> = LazyLock::new(|| Console::on(io::stderr().as_fd(), "standard error"));

/// Whether every line on standard error is a JSON object.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on every line on standard error is a JSON object, for the rest of the process.
pub fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// Whether every line on standard error is to be a JSON object.
pub fn speaks_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// A line for people, in the form that standard error has.
pub fn note_text(text: &str) -> String {
    if speaks_json() { serde_json::json!({ "note": text }).to_string() } else { text.to_owned() }
}

/// A stream with the thread that writes it.
#[derive(Debug)]
pub struct Console {
    queue: Option<Sender<Message>>,
    shared: Arc<Shared>,
    terminal: bool,
}

#[derive(Debug)]
enum Message {
    /// Whole lines.
    Lines(Vec<u8>),
    /// The status line of a terminal; empty where there is none any more.
    Status(Vec<u8>),
}

/// What the two ends share.
#[derive(Debug, Default)]
struct Shared {
    name: &'static str,
    /// Messages taken into the queue, and those that the writer is done with.
    given: AtomicU64,
    done: AtomicU64,
    /// Bytes in the queue.
    waiting: AtomicUsize,
    /// Writes that the stream has taken: moves as long as somebody reads.
    writes: AtomicU64,
    /// Lines dropped, and those of them that the stream was told of.
    dropped: AtomicU64,
    /// Somebody has waited for it in vain, and it has taken nothing since.
    stuck: AtomicBool,
    /// A status line waits already.
    status_waits: AtomicBool,
    /// The stream takes nothing any more.
    gone: AtomicBool,
    error: OnceLock<io::Error>,
}

/// Standard output.
pub fn out() -> &'static Console {
    &OUT
}

/// Standard error.
pub fn err() -> &'static Console {
    &ERR
}

impl Console {
    fn on(fd: BorrowedFd<'_>, name: &'static str) -> Self {
        let terminal = fd.is_terminal();
        match fd.try_clone_to_owned() {
            Ok(owned) => Self::over(File::from(owned), name, terminal),
            // Out of descriptors: nothing can be said, and nothing waits for it.
            Err(_) => Self::silent(name),
        }
    }

    /// Over any file; `terminal` says whether it keeps a status line.
    pub fn over(file: File, name: &'static str, terminal: bool) -> Self {
        let (queue, messages) = bounded(MESSAGES);
        let shared = Arc::new(Shared { name, ..Shared::default() });
        let mut writer = Writer::new(file, Arc::clone(&shared));
        let spawned = thread::Builder::new().name("console".to_owned()).spawn(move || writer.run(&messages));
        match spawned {
            Ok(_) => Self { queue: Some(queue), shared, terminal },
            Err(_) => Self::silent(name),
        }
    }

    fn silent(name: &'static str) -> Self {
        Self { queue: None, shared: Arc::new(Shared { name, ..Shared::default() }), terminal: false }
    }

    /// Whether the stream is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Says `lines`, with their line ends. Never waits; false where they were dropped, which is counted.
    pub fn say(&self, lines: Vec<u8>) -> bool {
        self.try_say(lines).map_err(|lines| self.shared.drop_lines(&lines)).is_ok()
    }

    /// Says `text` as a line.
    pub fn line(&self, text: &str) -> bool {
        self.say(format!("{text}\n").into_bytes())
    }

    /// As [`Self::say`], but waits for room as long as the stream takes something at least every `patience`. Where it did
    /// not, nobody waits for it again before it does.
    pub fn say_patiently(&self, lines: Vec<u8>, patience: Duration) -> bool {
        self.say_while(lines, patience, || true)
    }

    /// As [`Self::say_patiently`], with a patience that begins when `ending` says so.
    pub fn say_all(&self, lines: Vec<u8>, patience: Duration, ending: impl FnMut() -> bool) -> bool {
        self.say_while(lines, patience, ending)
    }

    fn say_while(&self, lines: Vec<u8>, patience: Duration, mut hurries: impl FnMut() -> bool) -> bool {
        let mut lines = lines;
        let mut progress = Progress::of(self);
        loop {
            let Err(back) = self.try_say(lines) else { return true };
            let stuck =
                progress.stands_still_for(self, patience) || self.shared.stuck.load(Ordering::Relaxed);
            if self.is_gone() || (stuck && hurries()) {
                self.shared.stuck.store(true, Ordering::Relaxed);
                self.shared.drop_lines(&back);
                return false;
            }
            lines = back;
            nap(LOOK);
        }
    }

    /// Shows `text` as the terminal's status line, over the one before; an empty one takes it away. Lines that are said
    /// stand above it. Where one waits already it is passed over.
    pub fn status(&self, text: &str) {
        if text.is_empty() || !self.shared.status_waits.swap(true, Ordering::Relaxed) {
            let given = self.give(Message::Status(text.as_bytes().to_vec()), 0);
            if given.is_err() {
                self.shared.status_waits.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Waits until everything said was written or thrown away, as long as the stream takes something at least every
    /// `patience`; without one, as long as it takes. Returns whether nothing waits any more.
    pub fn drain(&self, patience: Option<Duration>) -> bool {
        let given = self.shared.given.load(Ordering::Acquire);
        let mut progress = Progress::of(self);
        while self.shared.done.load(Ordering::Acquire) < given {
            if patience.is_some_and(|patience| progress.stands_still_for(self, patience)) {
                return false;
            }
            nap(LOOK);
        }
        true
    }

    /// What the stream said first when it refused something.
    pub fn error(&self) -> Option<io::Error> {
        let error = self.shared.error.get()?;
        Some(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error))
    }

    /// True where the stream takes nothing any more: its reader has closed it, or its terminal is gone.
    pub fn is_gone(&self) -> bool {
        self.shared.gone.load(Ordering::Relaxed)
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn try_say(&self, lines: Vec<u8>) -> Result<(), Vec<u8>> {
        let len = lines.len();
        if len == 0 {
            return Ok(());
        }
        // Relaxed: a bound that a few threads may pass by a line each.
        if self.shared.waiting.load(Ordering::Relaxed) + len > BYTES.max(len) {
            return Err(lines);
        }
        match self.give(Message::Lines(lines), len) {
            Ok(()) => Ok(()),
            Err(Message::Lines(lines) | Message::Status(lines)) => Err(lines),
        }
    }

    fn give(&self, message: Message, len: usize) -> Result<(), Message> {
        let Some(queue) = &self.queue else { return Err(message) };
        self.shared.waiting.fetch_add(len, Ordering::Relaxed);
        // Before it can be done, so that `done` never runs ahead.
        self.shared.given.fetch_add(1, Ordering::AcqRel);
        queue.try_send(message).map_err(|refused| {
            self.shared.is_done(len);
            refused.into_inner()
        })
    }
}

/// Whether a stream takes something.
struct Progress {
    writes: u64,
    since: Instant,
}

impl Progress {
    fn of(console: &Console) -> Self {
        Self { writes: console.shared.writes.load(Ordering::Relaxed), since: Instant::now() }
    }

    fn stands_still_for(&mut self, console: &Console, patience: Duration) -> bool {
        let writes = console.shared.writes.load(Ordering::Relaxed);
        if writes != self.writes {
            *self = Self { writes, since: Instant::now() };
        }
        self.since.elapsed() >= patience
    }
}

impl Shared {
    fn is_done(&self, len: usize) {
        self.waiting.fetch_sub(len, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::AcqRel);
    }

    fn drop_lines(&self, lines: &[u8]) {
        // A stream that is gone has no reader who could miss them.
        if !self.gone.load(Ordering::Relaxed) {
            self.dropped.fetch_add(count_lines(lines), Ordering::Relaxed);
        }
    }
}

fn count_lines(lines: &[u8]) -> u64 {
    (lines.iter().filter(|byte| **byte == b'\n').count() as u64).max(1)
}

/// The thread's side.
struct Writer {
    file: File,
    shared: Arc<Shared>,
    waiter: Waiter,
    /// The status line that stands on the terminal.
    status: Vec<u8>,
    /// Dropped lines that were told of.
    told: u64,
}

impl Writer {
    fn new(file: File, shared: Arc<Shared>) -> Self {
        Self { file, shared, waiter: Waiter::new(), status: Vec::new(), told: 0 }
    }

    fn run(&mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            let len = match &message {
                Message::Lines(lines) => lines.len(),
                Message::Status(_) => 0,
            };
            match message {
                Message::Lines(lines) => self.lines(&lines),
                Message::Status(text) => {
                    self.shared.status_waits.store(false, Ordering::Relaxed);
                    self.show(text);
                }
            }
            self.tell_dropped();
            self.shared.is_done(len);
        }
    }

    fn lines(&mut self, lines: &[u8]) {
        let written = if self.status.is_empty() {
            self.write(lines)
        } else {
            // One write, so that the line does not flicker.
            let all = [CLEAR, lines, &self.status].concat();
            self.write(&all)
        };
        if written.is_err() {
            self.shared.drop_lines(lines);
        }
    }

    fn show(&mut self, text: Vec<u8>) {
        if text.is_empty() && self.status.is_empty() {
            return;
        }
        let shown = if text.is_empty() { b"\n".to_vec() } else { [CLEAR, &text].concat() };
        self.status = text;
        let _gone = self.write(&shown);
    }

    fn tell_dropped(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped == self.told {
            return;
        }
        let text = format!(
            "pricewright: {} lines were dropped: {} {}",
            dropped - self.told,
            self.shared.name,
            match self.shared.error.get() {
                Some(error) => format!("refused them ({error})"),
                None => "did not take them in time".to_owned(),
            }
        );
        if self.write(format!("{}\n", note_text(&text)).as_bytes()).is_ok() {
            self.told = dropped;
        }
    }

    /// Writes all of `bytes`, however long the stream takes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.shared.gone.load(Ordering::Relaxed) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (chunk, _) = rest.split_at(rest.len().min(CHUNK));
            match self.file.write(chunk) {
                Ok(count) => {
                    rest = rest.get(count.max(1)..).unwrap_or(&[]);
                    self.shared.writes.fetch_add(1, Ordering::Relaxed);
                    self.shared.stuck.store(false, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(),
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(())
    }

    /// Whoever shares the stream made it non-blocking.
    fn wait(&mut self) {
        self.waiter.clear();
        self.waiter.writable(self.file.as_fd());
        if self.waiter.wait(RETRY).is_err() {
            nap(RETRY);
        }
    }

    /// A full disk may have room again; a reader or terminal that is gone does not come back.
    fn failed(&mut self, error: &io::Error) -> io::Error {
        let copy = || error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        let _first_stays = self.shared.error.set(copy());
        if is_gone(error) {
            self.shared.gone.store(true, Ordering::Relaxed);
        }
        copy()
    }
}

/// True where `error` of a stream says that nobody reads it any more: its pipe is closed, or its terminal has hung up.
pub fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe || error.raw_os_error() == Some(libc::EIO)
}

/// Lets a log subscriber write to standard error without ever waiting.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        err().say(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests;
