//! Processes of the program under test, in a directory of their own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up: far longer than it ever needs.
pub(crate) const BOUND: Duration = Duration::from_secs(120);

/// A directory with the files of one test; the program runs in it.
pub(crate) struct Place {
    dir: TempDir,
}

/// A finished process.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit code; `None` where a signal killed it.
    pub(crate) code: Option<i32>,
    /// Lines of standard output.
    pub(crate) out: Vec<String>,
    /// Lines of standard error.
    pub(crate) err: Vec<String>,
}

/// A process at work. It is killed where the test ends before it.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Lines,
    err: Lines,
}

/// Lines of a stream, gathered by a thread.
struct Lines {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    ended: bool,
}

impl Place {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().expect("a directory") }
    }

    /// The path of `name` in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// Appends to a file.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = std::fs::File::options().append(true).open(self.path(name)).expect("there");
        file.write_all(text.as_bytes()).expect("written");
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("readable")
    }

    /// Makes a named pipe.
    pub(crate) fn make_pipe(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.path(name)).status().expect("mkfifo runs");
        assert!(made.success());
    }

    /// Makes a named pipe and opens both ends, so that it has a reader, who reads when it likes.
    pub(crate) fn held_pipe(&self, name: &str) -> std::fs::File {
        self.make_pipe(name);
        let mut options = std::fs::File::options();
        let ends = options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        ends.open(self.path(name)).expect("a pipe")
    }

    /// Starts the program with `args`; standard input stays open until [`Process::end_input`].
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        Process::start(self.dir.path(), args)
    }

    /// Starts another program in its place, which may become ours.
    pub(crate) fn start_other(&self, program: &str, args: &[&str]) -> Process {
        Process::start_program(program, self.dir.path(), args)
    }

    /// Runs the program to its end with `input` on standard input.
    pub(crate) fn run(&self, args: &[&str], input: &str) -> Finished {
        let mut process = self.start(args);
        process.input(input);
        process.finish()
    }

    /// Runs it without input; it must exit with `code`.
    pub(crate) fn expect(&self, code: i32, args: &[&str]) -> Finished {
        let finished = self.run(args, "");
        assert_eq!(finished.code, Some(code), "{args:?}: {finished:#?}");
        finished
    }

    /// Runs it without input; it must exit with 0 and print one JSON value.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let finished = self.expect(0, args);
        serde_json::from_str(&finished.out.join("\n"))
            .unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
    }

    /// `replay --verify` of a journal; it must be identical.
    pub(crate) fn verify(&self, journal: &str) -> Value {
        let report = self.json(&["replay", "--verify", "--json", journal]);
        assert_eq!(report["identical"], true, "{report:#}");
        report
    }
}

/// An address of this machine that is free, and that the kernel gives to nobody who asks for any: ports of each test
/// program lie below those.
pub(crate) fn free_address(bind: impl Fn(SocketAddr) -> bool) -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 40) as u16 * 256;
    for _ in 0..256 {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 256;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if bind(address) {
            return address;
        }
    }
    panic!("none of 256 ports is free");
}

impl Process {
    fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_program(env!("CARGO_BIN_EXE_pricewright"), dir, args)
    }

    fn start_program(program: &str, dir: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = Lines::of(child.stdout.take().expect("piped"));
        let err = Lines::of(child.stderr.take().expect("piped"));
        Self { stdin: child.stdin.take(), child, out, err }
    }

    /// Writes to standard input.
    pub(crate) fn input(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("the input was not ended");
        match stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()) {
            Ok(()) => {}
            // It does not read its input, and has ended already.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) => panic!("standard input: {error}"),
        }
    }

    /// Ends standard input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The rest of the first line of standard error that holds `mark`, behind it.
    pub(crate) fn after(&self, mark: &str) -> String {
        let line = self.err.wait_for(|line| line.contains(mark), mark);
        // Under `--json` it stands in an object.
        let note =
            serde_json::from_str(&line).ok().and_then(|line: Value| Some(line["note"].as_str()?.to_owned()));
        let line = note.unwrap_or(line);
        line.split_once(mark).expect("it is there").1.trim().to_owned()
    }

    /// The address that follows `mark` on standard error.
    pub(crate) fn address_after(&self, mark: &str) -> SocketAddr {
        let text = self.after(mark);
        let text = text.split('/').next().expect("a first part");
        text.parse().unwrap_or_else(|error| panic!("{text:?} is no address: {error}"))
    }

    /// Waits until standard output has a line with `mark`.
    pub(crate) fn wait_out(&self, mark: &str) -> String {
        self.out.wait_for(|line| line.contains(mark), mark)
    }

    /// True until it has ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Fails, with what it said, where it has ended while `doing` something.
    pub(crate) fn must_run(&mut self, doing: &str) {
        if !self.is_running() {
            panic!("{doing}: it has ended; standard error: {:#?}", self.err.all());
        }
    }

    /// Sends a signal by its name: `TERM`, `INT`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(sent.success(), "kill -{name} {pid}");
    }

    /// Ends standard input and waits for the process to end.
    pub(crate) fn finish(mut self) -> Finished {
        self.end_input();
        self.finish_with_open_input()
    }

    /// Waits for the process to end, its standard input as it is.
    pub(crate) fn finish_with_open_input(mut self) -> Finished {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            assert!(
                start.elapsed() < BOUND,
                "it does not end; standard error so far: {:#?}",
                self.err.seen.0.lock().expect("lines").lines
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        Finished { code: status.code(), out: self.out.all(), err: self.err.all() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended, as it should.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Lines {
    fn of(stream: impl std::io::Read + Send + 'static) -> Self {
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let shared = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let (seen, changed) = &*shared;
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                seen.lock().expect("lines").lines.push(line);
                changed.notify_all();
            }
            seen.lock().expect("lines").ended = true;
            changed.notify_all();
        });
        Self { seen, thread: Some(thread) }
    }

    fn wait_for(&self, wanted: impl Fn(&str) -> bool, what: &str) -> String {
        let start = Instant::now();
        let (seen, changed) = &*self.seen;
        let mut guard = seen.lock().expect("lines");
        loop {
            if let Some(line) = guard.lines.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            let left = BOUND.saturating_sub(start.elapsed());
            assert!(!guard.ended && !left.is_zero(), "no line with {what:?}: {:#?}", guard.lines);
            guard = changed.wait_timeout(guard, left).expect("lines").0;
        }
    }

    fn all(&mut self) -> Vec<String> {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the reader");
        }
        std::mem::take(&mut self.seen.0.lock().expect("lines").lines)
    }
}

/// Status and body of `GET path`.
pub(crate) fn http_get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect_timeout(&address, BOUND).expect("connected");
    stream.set_read_timeout(Some(BOUND)).expect("a bound");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
}

/// `GET path` until it is answered with 200.
pub(crate) fn http_get_200(address: SocketAddr, path: &str) -> String {
    let start = Instant::now();
    loop {
        let (status, body) = http_get(address, path);
        if status == 200 {
            return body;
        }
        assert!(start.elapsed() < BOUND, "{path}: still {status} {body}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lines as JSON objects; those that are none are left out.
pub(crate) fn objects(lines: &[String]) -> Vec<Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
}
