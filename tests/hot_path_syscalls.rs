//! The hot path asks the kernel for nothing but packets in and orders out.
//!
//! Each case runs in a child process whose hot thread first gives up all system calls but a few by a seccomp filter, and
//! then does its work. A forbidden call kills the whole process with SIGSYS, which the parent sees:
//!
//! | case | allowed | work | must |
//! | --- | --- | --- | --- |
//! | `memory` | nothing at all | a million messages, packet bytes to order bytes, journal rolling over | survive |
//! | `sockets` | recvmmsg, recvfrom, sendto | 100 000 messages over loopback UDP and TCP against the simulated exchange, all recorded | survive |
//! | `getpid` | nothing at all | asks for its process number in the middle of it | be killed |
//! | `open` | recvmmsg, recvfrom, sendto | opens a file in the middle of it | be killed |
//!
//! Filters belong to threads: helper and exchange go on without. When the hot thread is done it says so in memory and
//! spins, and the main thread, which has no filter, ends the process. No harness: one that waits for a killed thread
//! would wait for ever.

#![allow(clippy::unwrap_used)] // A test that cannot go on says so by panicking.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pricewright::clock::{Clock as _, tsc_clock};
use pricewright::config::{ConfigText, PipelineConfig};
use pricewright::edges::assemble::session_day;
use pricewright::edges::nasdaq::NasdaqFeed;
use pricewright::edges::ouch::OuchGateway;
use pricewright::edges::recorder::Recorder;
use pricewright::error::Result;
use pricewright::harness::in_memory::{InMemory, Packets, Setup};
use pricewright::harness::tick::market;
use pricewright::io::wait::nap;
use pricewright::pipeline::clock_keeper::ClockKeeper;
use pricewright::pipeline::core_loop::CoreLoop;
use pricewright::pipeline::edge::Gateway;
use pricewright::pipeline::fused::FusedStage;
use pricewright::pipeline::helper::{HelperParts, HelperStage};
use pricewright::pipeline::open::OpenJournal;
use pricewright::pipeline::run_control::RunControl;
use pricewright::pipeline::sequencer::{DecisionSink, Sequencer};
use pricewright::pipeline::stage::Stage as _;
use pricewright::sim::{Sim, SimConfig};
use pricewright::telemetry::trace::{TraceWriter, Tracer};
use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{DecisionRef, Machine as _, Nanos, OperatorCommand, RecordBuf};
use pricewright_strategies::trading::{Desk, DeskConfig};

/// Tells a child which case it is.
const CASE: &str = "PRICEWRIGHT_SYSCALL_CASE";
/// Tells a child where its journal goes; the parent removes it, because a killed child cannot.
const DIRECTORY: &str = "PRICEWRIGHT_SYSCALL_DIR";
/// Messages of the case in memory; a tenth of them is the warm-up.
const MESSAGES: u64 = 1_120_000;
/// Messages of the case over sockets, under the filter.
const SOCKET_MESSAGES: u64 = 100_000;
/// Messages over sockets before the filter.
const SOCKET_WARM_UP: u64 = 5_000;
/// Background messages a second of that exchange.
const SOCKET_RATE: u32 = 20_000;
/// Orders and cancels that must leave under the filter, at least.
const SOCKET_ORDERS: u64 = 50;
/// What the case over sockets records, and how much of it must have been written.
const RECORDING: &str = "packets.pwp";
const RECORDED: u64 = 1 << 20;
/// How long a child may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The hot thread's last word, behind which its counts lie.
const DONE: u64 = 1 << 63;

const NOTHING: &[i64] = &[];
const RECEIVE_AND_SEND: &[i64] = &[libc::SYS_recvmmsg, libc::SYS_recvfrom, libc::SYS_sendto];

fn main() -> ExitCode {
    match std::env::var(CASE) {
        Ok(case) => child(&case),
        Err(_) => parent(),
    }
}

/// Runs every case in a process of its own.
fn parent() -> ExitCode {
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let mut failures = 0;
    for (case, killed) in [("getpid", true), ("open", true), ("memory", false), ("sockets", false)] {
        let start = Instant::now();
        let verdict = run_case(case, killed);
        println!(
            "hot path under a system-call filter: {case} … {verdict} ({:.1} s)",
            start.elapsed().as_secs_f64()
        );
        failures += usize::from(verdict != "ok");
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_case(case: &str, killed: bool) -> String {
    let program = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut process = Command::new(program).env(CASE, case).env(DIRECTORY, dir.path()).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LIMIT {
            process.kill().unwrap();
            process.wait().unwrap();
            return format!("FAILED: not done after {} s", LIMIT.as_secs());
        }
        nap(Duration::from_millis(20));
    };
    match (killed, status.signal()) {
        (true, Some(libc::SIGSYS)) => "ok".to_owned(),
        (false, None) if status.success() => match std::fs::metadata(dir.path().join(RECORDING)) {
            Ok(recording) if recording.len() < RECORDED => {
                format!("FAILED: {} bytes recorded", recording.len())
            }
            Err(_) if case == "sockets" => "FAILED: nothing was recorded".to_owned(),
            _ => "ok".to_owned(),
        },
        (true, _) => format!("FAILED: the filter let the call pass: {status}"),
        (false, Some(libc::SIGSYS)) => "FAILED: the hot path made a forbidden system call".to_owned(),
        (false, _) => format!("FAILED: {status}"),
    }
}

/// Runs a case's hot thread and ends the process when it is done.
fn child(case: &str) -> ExitCode {
    let path = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let result = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&result);
    let work: fn(&Path, &AtomicU64) = match case {
        "memory" => |dir, told| in_memory(dir, told, MESSAGES, || {}),
        "getpid" => |dir, told| in_memory(dir, told, 20_000, ask_for_process_number),
        "sockets" => |dir, told| over_sockets(dir, told, SOCKET_MESSAGES, || {}),
        "open" => |dir, told| over_sockets(dir, told, 1_000, open_a_file),
        _ => return ExitCode::FAILURE,
    };
    let thread = std::thread::spawn(move || work(&path, &told));
    loop {
        // Acquire: partner of the release in `done`.
        let word = result.load(Ordering::Acquire);
        if word & DONE != 0 {
            println!("  {case}: {} under the filter", word & !DONE);
            // The hot thread spins on; the process ends around it.
            std::process::exit(0);
        }
        if thread.is_finished() {
            return ExitCode::FAILURE;
        }
        nap(Duration::from_millis(5));
    }
}

fn ask_for_process_number() {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_getpid) };
}

fn open_a_file() {
    drop(std::fs::File::open("/proc/self/status"));
}

/// Says that all is done, and never returns: nothing that a thread does at its end is allowed any more.
fn done(told: &AtomicU64, count: u64) -> ! {
    told.store(DONE | count, Ordering::Release);
    loop {
        std::hint::spin_loop();
    }
}

/// A million messages from memory under the filter; `breach` is called in the middle.
fn in_memory(dir: &Path, told: &AtomicU64, messages: u64, breach: impl FnOnce()) {
    let market = market(messages);
    let packets = Arc::new(Packets::generate(&market).unwrap());
    let setup = Setup { symbols: market.symbols, segment_mib: 1, helper_core: None };
    let mut pipeline = InMemory::open(&setup, Arc::clone(&packets), dir).unwrap();
    let warm_up = packets.len() / 10;
    pipeline.run(warm_up);
    let (rest, filtered) = (packets.len() - warm_up, packets.messages_from(warm_up));
    assert!(filtered >= 1_000_000 || messages < MESSAGES);

    allow_only(NOTHING);
    let mut taken = pipeline.run(rest / 2);
    breach();
    taken += pipeline.run(rest);
    if taken == rest {
        done(told, filtered);
    }
    // A run that stopped early is no success; leaving kills the process.
}

/// The desk's built-in configuration with the addresses of an exchange that was just started.
fn configured(sim: &pricewright::sim::SimHandle) -> PipelineConfig<DeskConfig> {
    let text = include_str!("../strategies/trading/desk.toml").to_owned();
    let text = ConfigText { path: "desk.toml".to_owned(), text };
    let mut config: PipelineConfig<DeskConfig> = text.pipeline::<Desk>().unwrap();
    let addresses = sim.addresses();
    let feed = config.feed.nasdaq.as_mut().unwrap();
    feed.lines.clone_from(&addresses.lines);
    feed.rerequest = addresses.rerequest;
    config.gateway.ouch.as_mut().unwrap().address = addresses.ouch;
    config
}

/// The gateway, and how often something left it.
struct Counted {
    gateway: OuchGateway,
    sent: Arc<AtomicU64>,
}

impl DecisionSink for Counted {
    fn decide(&mut self, seq: u64, now: Nanos, decision: DecisionRef<'_>) {
        self.gateway.decide(seq, now, decision);
    }
}

impl Gateway for Counted {
    fn flush(&mut self, now: Nanos) -> Result<bool> {
        let left = self.gateway.flush(now)?;
        self.sent.fetch_add(u64::from(left), Ordering::Relaxed);
        Ok(left)
    }

    fn poll(&mut self, now: Nanos, answers: &mut RecordBuf) -> Result<usize> {
        self.gateway.poll(now, answers)
    }

    fn open_orders(&self) -> usize {
        self.gateway.open_orders()
    }

    fn unconfirmed(&self) -> usize {
        self.gateway.unconfirmed()
    }

    fn idle(&mut self, now: Nanos) {
        self.gateway.idle(now);
    }

    fn cancel_all(&mut self, now: Nanos) {
        self.gateway.cancel_all(now);
    }

    fn close(&mut self, now: Nanos) {
        self.gateway.close(now);
    }
}

/// The live hot path over loopback sockets under the filter; `breach` is called in the middle.
fn over_sockets(dir: &Path, told: &AtomicU64, messages: u64, breach: impl FnOnce()) {
    let sim = Sim::start(&SimConfig { rate: SOCKET_RATE, ..SimConfig::embedded(false) }).unwrap();
    let config = configured(&sim);
    let (mut clock, calibrator) = tsc_clock(None);
    let now = clock.now();
    let journal = OpenJournal::open::<Desk>(dir, &config, false).unwrap();
    let begun = journal.begin::<Desk>(dir, &config, now).unwrap();
    let units = Desk::units(&config.config);
    let day = session_day("", &config.venue).unwrap();
    // Its thread goes on without the filter, and writes what the hot thread copies.
    let (_recorder, taps) = Recorder::create(&dir.join(RECORDING)).unwrap();
    let settings = config.feed.nasdaq.as_ref().unwrap();
    let feed = NasdaqFeed::open(settings, &units, &begun.resume, day.clone(), Some(taps.feed)).unwrap();
    let settings = config.gateway.ouch.as_ref().unwrap();
    let gateway = OuchGateway::open(settings, &units, &begun.resume, day, now, Some(taps.venue)).unwrap();
    let (tracer, drain) = Tracer::channel();
    let control = RunControl::default();
    let parts = HelperParts {
        trace: Some(TraceWriter::create(dir, begun.writer.run(), drain).unwrap()),
        preallocator: begun.preallocator,
        chainer: begun.chainer,
        clock: Some(ClockKeeper::new(calibrator, None)),
        tail: None,
        tailers: Vec::new(),
        replica: None,
    };
    let (mut helper, _report) = HelperStage::new(parts, control.clone());
    std::thread::spawn(move || {
        loop {
            if helper.poll(1) == 0 {
                nap(Duration::from_millis(1));
            }
        }
    });
    let (commands, received) = crossbeam::channel::bounded(4);
    commands.try_send(Operator::says("test", OperatorCommand::START, 0).into()).unwrap();
    let sequencer = Sequencer::new(begun.driver, begun.writer, Some(tracer));
    let sent = Arc::new(AtomicU64::new(0));
    let gateway = Counted { gateway, sent: Arc::clone(&sent) };
    let core = CoreLoop::new(sequencer, gateway, clock.clone(), received);
    let mut stage = FusedStage::new(feed, clock, core, control.clone());
    let mut until = |wanted: u64| {
        let position =
            |feed: &NasdaqFeed| feed.market().position().map_or(0, |position| position.next_sequence);
        while position(stage.feed()) < wanted && !control.threads().stop_requested() {
            stage.poll(64);
        }
        position(stage.feed())
    };
    let warm = until(SOCKET_WARM_UP);

    allow_only(RECEIVE_AND_SEND);
    let sent_before = sent.load(Ordering::Relaxed);
    until(warm + messages / 2);
    breach();
    let reached = until(warm + messages);
    // A desk that never orders anything proves nothing about the way out.
    let ordered = sent.load(Ordering::Relaxed) - sent_before;
    if reached >= warm + messages && ordered >= SOCKET_ORDERS {
        done(told, reached - warm);
    }
    // A run that stopped early is no success; leaving kills the process.
}

/// From here on this thread may make the system calls `allowed` and no other: one more kills the process with SIGSYS.
fn allow_only(allowed: &[i64]) {
    // The numbers that the filter sees: `struct seccomp_data { int nr; u32 arch; … }`.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    #[cfg(target_arch = "x86_64")]
    const AUDIT_ARCHITECTURE: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const AUDIT_ARCHITECTURE: u32 = 0xc000_00b7;
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = vec![
        step(LOAD, ARCHITECTURE, 0, 0),
        step(EQUAL, AUDIT_ARCHITECTURE, 1, 0),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
        step(LOAD, NUMBER, 0, 0),
    ];
    for number in allowed {
        program.push(step(EQUAL, u32::try_from(*number).unwrap(), 0, 1));
        program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    }
    program.push(step(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0));
    let program =
        libc::sock_fprog { len: u16::try_from(program.len()).unwrap(), filter: program.leak().as_mut_ptr() };
    // SAFETY: the program was leaked, so it lives through the call, and its length is the one given.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) == 0
    };
    assert!(installed, "the filter was refused: {}", std::io::Error::last_os_error());
}
