//! Kills the engine with SIGKILL at random moments under load, restarts it on the same journal each time, and checks that
//! nothing committed is lost.
//!
//! ```text
//! cargo test --test crash                            3 kills in mode `process` (PRICEWRIGHT_KILLS changes that), one in
//!                                                    each other mode
//! cargo test --test crash -- --kills 50 --seed 7     as many as asked, at the moments of an earlier run's seed
//! cargo test --test crash -- --durability sync       in this mode only
//! ```
//!
//! The exchange is a process of its own and lives through all kills. After each kill: every record that a reader in this
//! process saw before it is in the journal afterwards, byte by byte; recovery says what it did; sequences go on densely.
//! At the end: the journal verifies, all runs replay to identical decisions, and exchange and desk agree on what was
//! executed.

// A test is to panic where something is not as expected, and to wait for other processes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "integration/processes.rs"]
mod processes;
// What the tests share; not every part is in use here.
#[allow(dead_code)]
#[path = "integration/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use pricewright::journal::{Durability, Reader};
use pricewright_core::kernel::table::RunStart;
use pricewright_core::kernel::{DecisionRef, EventRef, Liveness, Numbers, RecordRef, SideCode};

use processes::{Market, summary};
use support::{BOUND, Place, Process};

const KILLS: u64 = 3;
const RATE: u32 = 15_000;
const JOURNAL: &str = "journal";
/// Of so many kills, one comes while the engine starts or recovers.
const EARLY: u64 = 4;

fn main() {
    let Some(asked) = Asked::read() else { return };
    let start = Instant::now();
    for (mode, kills) in asked.modes() {
        println!("crash: durability {mode}, {kills} kills, seed {}", asked.seed);
        Harness::new(asked.seed, mode).run(kills);
    }
    println!("crash: nothing lost ({:.0} s)", start.elapsed().as_secs_f64());
}

/// What the command line asks for.
struct Asked {
    kills: u64,
    seed: u64,
    durability: Option<Durability>,
}

impl Asked {
    /// `None` where `cargo test` wants a list, ignored tests only, or tests whose names are other ones.
    fn read() -> Option<Self> {
        let from_env = std::env::var("PRICEWRIGHT_KILLS").ok();
        let mut kills = from_env.map_or(KILLS, |text| number("PRICEWRIGHT_KILLS", &text));
        let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        let mut seed = u64::from(since.subsec_nanos());
        let mut durability = None;
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--kills" => kills = number("--kills", &words.next().unwrap_or_default()),
                "--seed" => seed = number("--seed", &words.next().unwrap_or_default()),
                "--durability" => durability = Some(mode(&words.next().unwrap_or_default())),
                "--list" | "--ignored" => return None,
                "--test-threads" | "--color" | "--format" | "--skip" | "-Z" => drop(words.next()),
                flag if flag.starts_with('-') => {}
                filter if "crash".contains(filter) => {}
                _ => return None,
            }
        }
        Some(Self { kills, seed, durability })
    }

    /// Each mode with its kills.
    fn modes(&self) -> Vec<(Durability, u64)> {
        match self.durability {
            Some(mode) => vec![(mode, self.kills)],
            None => MODES
                .into_iter()
                .map(|mode| (mode, if mode == Durability::Process { self.kills } else { 1 }))
                .collect(),
        }
    }
}

const MODES: [Durability; 4] = [Durability::Process, Durability::Async, Durability::Group, Durability::Sync];

fn mode(text: &str) -> Durability {
    let found = MODES.into_iter().find(|mode| mode.name() == text);
    found.unwrap_or_else(|| panic!("--durability: give process, async, group or sync, not {text:?}"))
}

fn number(name: &str, text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{name}: give a number, not {text:?}"))
}

/// What a reader saw of the journal: the hash of every record, by its sequence from 1.
#[derive(Default)]
struct Seen {
    hashes: Vec<[u8; 32]>,
}

impl Seen {
    /// Takes or compares what `reader` gives until nothing more is there.
    fn follow(&mut self, reader: &mut Reader) {
        while let Some(record) = reader.next_record().expect("what is committed is readable") {
            let seq = record.header().seq;
            let hash = hash_of(record);
            match self.hashes.get(seq as usize - 1) {
                Some(known) => assert_eq!(*known, hash, "record {seq} is as it was seen before"),
                None => {
                    assert_eq!(seq, self.hashes.len() as u64 + 1, "sequences are dense");
                    self.hashes.push(hash);
                }
            }
        }
    }

    fn last(&self) -> u64 {
        self.hashes.len() as u64
    }
}

fn hash_of(record: RecordRef<'_>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for cell in record.cells() {
        hasher.update(&cell.0);
    }
    *hasher.finalize().as_bytes()
}

struct Harness {
    place: Place,
    exchange: Process,
    seen: Seen,
    /// Restarts that began from a snapshot.
    from_snapshot: u64,
    /// Splitmix64.
    numbers: Numbers,
}

impl Harness {
    fn new(seed: u64, durability: Durability) -> Self {
        let place = Place::new();
        let market = Market::find();
        let text = include_str!("../strategies/trading/desk.toml")
            .replace("min_quote_age_ms = 20", "min_quote_age_ms = 2")
            // Small segments, so that kills fall into changes of the segment too.
            .replace("segment_mib = 64", &format!("segment_mib = 1\ndurability = \"{durability}\""))
            // And often a snapshot, so that most restarts begin from one that was taken under load.
            .replace("# snapshot_every = 1000000", "snapshot_every = 4000");
        place.write("desk.toml", &market.configure(&text));
        let exchange = market.start(&place, &["DEMO"], seed, RATE, 1);
        Self { place, exchange, seen: Seen::default(), from_snapshot: 0, numbers: Numbers::new(seed) }
    }

    fn run(mut self, kills: u64) {
        for kill in 1..=kills {
            let early = self.numbers.below(EARLY) == 0;
            let wait = Duration::from_micros(self.numbers.below(if early { 60_000 } else { 1_200_000 }));
            println!("kill {kill}: {wait:?} after {}", if early { "the start" } else { "the first quote" });
            let engine = self.start();
            if !early {
                self.recovered(&engine);
                self.until_quoting();
            }
            self.watch(wait);
            engine.signal("KILL");
            assert_eq!(engine.finish_with_open_input().code, None, "it was killed");
        }
        self.finish();
    }

    fn start(&self) -> Process {
        self.place.start(&["run", "desk.toml", "--journal", JOURNAL])
    }

    fn dir(&self) -> std::path::PathBuf {
        self.place.path(JOURNAL)
    }

    /// Recovery tells of a record that lies at or behind the last one that was seen.
    fn recovered(&mut self, engine: &Process) {
        if self.seen.last() == 0 {
            return;
        }
        let told = engine.after("recovered run ");
        let record = told.split_once("to record ").expect("it names the last record").1;
        let record: u64 = record.split(':').next().expect("a number").parse().expect("a number");
        assert!(record >= self.seen.last(), "{told}: record {} was seen", self.seen.last());
        self.from_snapshot += u64::from(told.contains("from the snapshot behind record"));
    }

    /// Waits until a run that began behind everything seen so far has an order that the exchange accepted.
    fn until_quoting(&mut self) {
        let start = Instant::now();
        let begun = self.seen.last();
        let (mut reader, mut run) = (None, false);
        loop {
            assert!(self.exchange.is_running(), "somebody ended the exchange");
            assert!(start.elapsed() < BOUND, "the desk does not quote: {:#?}", self.evidence(begun));
            std::thread::sleep(Duration::from_millis(1));
            if reader.is_none() {
                reader = open(&self.dir());
            }
            let Some(reader) = &mut reader else { continue };
            while let Some(record) = reader.next_record().expect("what is committed is readable") {
                run |= record.header().seq > begun && record.get::<RunStart>().is_some();
                if run && matches!(EventRef::of(&record), Some(EventRef::VenueAccepted(_))) {
                    return;
                }
            }
        }
    }

    /// What the journal says behind record `begun` that may keep a desk from quoting; the last of it.
    fn evidence(&self, begun: u64) -> Vec<String> {
        let from = (begun + 1).to_string();
        let mut inspect = vec!["journal", "inspect", JOURNAL, "--from", &from];
        for kind in
            ["SessionState", "FeedHealth", "BookTransition", "OrderRefused", "KillLatched", "SendReport"]
        {
            inspect.extend(["--type", kind]);
        }
        let mut lines = self.place.run(&inspect, "").out;
        lines.split_off(lines.len().saturating_sub(40))
    }

    /// Reads along for `time`, and remembers.
    fn watch(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            if let Some(mut reader) = open(&self.dir()) {
                self.seen.follow(&mut reader);
                while start.elapsed() < time {
                    self.seen.follow(&mut reader);
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// A last run that ends as it should, and everything that must hold then.
    fn finish(mut self) {
        let engine = self.start();
        self.recovered(&engine);
        self.until_quoting();
        engine.signal("TERM");
        let ended = engine.finish();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let mut reader = Reader::open(&self.dir()).expect("a journal");
        self.seen.follow(&mut reader);
        let verified = self.place.json(&["journal", "verify", JOURNAL, "--json"]);
        assert_eq!(verified["outcome"], "good", "{verified:#}");
        assert_eq!(verified["stats"]["last_seq"], self.seen.last());
        let report = self.place.verify(JOURNAL);
        assert_eq!(report["clean_end"], true, "{report:#}");

        let standing = Standing::of(&self.dir());
        let day = summary(self.exchange);
        println!(
            "{} records in {} runs, {} restarts from a snapshot, {} fills",
            self.seen.last(),
            standing.runs,
            self.from_snapshot,
            standing.fills
        );
        assert_eq!(day["outside_fills"], standing.fills, "the exchange's fills are the desk's: {day:#}");
        assert_eq!(standing.booked, standing.executed, "the desk's position is what was executed");
        assert!(standing.open.is_empty(), "no order is left that may rest");
    }
}

fn open(dir: &Path) -> Option<Reader> {
    // There is none before the first run has made it.
    if dir.join("journal-00000001.pwj").exists() { Reader::open(dir).ok() } else { None }
}

/// What a journal says about orders and position, by the plainest bookkeeping.
#[derive(Debug, Default)]
struct Standing {
    /// Executions.
    fills: u64,
    /// Lots bought less lots sold, by the executions.
    executed: i64,
    /// Position by the desk's last word.
    booked: i64,
    /// Lots of each order that may rest.
    open: BTreeMap<u64, u32>,
    /// Which orders buy.
    buys: BTreeMap<u64, bool>,
    /// Runs.
    runs: u64,
}

impl Standing {
    fn of(dir: &Path) -> Self {
        let mut reader = Reader::open(dir).expect("a journal");
        let mut standing = Self::default();
        while let Some(record) = reader.next_record().expect("readable") {
            standing.runs += u64::from(record.get::<RunStart>().is_some());
            if let Some(event) = EventRef::of(&record) {
                standing.event(event);
            }
            if let Some(DecisionRef::PositionChanged(change)) = DecisionRef::of(&record) {
                standing.booked = change.position.0;
            }
        }
        standing
    }

    fn event(&mut self, event: EventRef<'_>) {
        match event {
            EventRef::VenueAccepted(order) => self.lives(order.client, order.side, order.qty, order.live),
            EventRef::VenueReplaced(order) => {
                self.open.remove(&order.prior);
                self.lives(order.client, order.side, order.qty, order.live);
            }
            EventRef::VenueCanceled(order) => self.less(order.client, order.qty),
            EventRef::VenueExecuted(fill) => {
                self.fills += 1;
                let buys = *self.buys.get(&fill.client).expect("the venue accepted it first");
                self.executed += if buys { i64::from(fill.qty) } else { -i64::from(fill.qty) };
                self.less(fill.client, fill.qty);
            }
            _ => {}
        }
    }

    fn lives(&mut self, client: u64, side: SideCode, qty: u32, live: Liveness) {
        self.buys.insert(client, side == SideCode::BUY);
        if live != Liveness::DEAD {
            self.open.insert(client, qty);
        }
    }

    fn less(&mut self, client: u64, qty: u32) {
        if let Some(open) = self.open.get_mut(&client) {
            *open -= qty;
            if *open == 0 {
                self.open.remove(&client);
            }
        }
    }
}
