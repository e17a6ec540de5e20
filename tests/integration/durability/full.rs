//! A full disk stops new risk, not the process.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use pricewright::journal::Reader;
use pricewright::pipeline::topology::FEED_SOURCE as FEED;
use pricewright_core::kernel::{DecisionRef, EventRef, OperatorCommand};

use super::disk::{Disk, make_read_only, mount_ram, with_mounts};
use crate::processes::{Market, summary};
use crate::support::{BOUND, Place, Process};

/// What a journal says of storage and orders, followed while it is written.
pub(super) struct Watched {
    reader: Reader,
    pub(super) storage: Vec<OperatorCommand>,
    /// Orders since the last word on the storage.
    pub(super) orders: u64,
    /// What the feed brought.
    pub(super) fed: u64,
    latches: u64,
}

impl Watched {
    pub(super) fn open(dir: &Path) -> Self {
        let start = Instant::now();
        loop {
            if let Ok(reader) = Reader::open(dir) {
                return Self { reader, storage: Vec::new(), orders: 0, fed: 0, latches: 0 };
            }
            assert!(start.elapsed() < BOUND, "a journal");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn follow(&mut self) {
        while let Some(record) = self.reader.next_record().expect("what is committed is readable") {
            self.fed += u64::from(record.header().source == FEED);
            match (EventRef::of(&record), DecisionRef::of(&record)) {
                (Some(EventRef::Operator(operator)), _)
                    if [OperatorCommand::STORAGE_LOW, OperatorCommand::STORAGE_OK]
                        .contains(&operator.command) =>
                {
                    self.storage.push(operator.command);
                    self.orders = 0;
                }
                (_, Some(DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_))) => self.orders += 1,
                (_, Some(DecisionRef::KillLatched(latch))) => self.latches += u64::from(latch.released == 0),
                _ => {}
            }
        }
    }

    pub(super) fn until(&mut self, what: &str, engine: &mut Process, wanted: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.follow();
            if wanted(self) {
                return;
            }
            engine.must_run(what);
            let state = (&self.storage, self.orders, self.fed, self.latches);
            assert!(start.elapsed() < BOUND, "{what}: {state:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn desk(market: &Market, journal: &str) -> String {
    let text = include_str!("../../../strategies/trading/desk.toml")
        .replace("min_quote_age_ms = 20", "min_quote_age_ms = 2")
        .replace("segment_mib = 64", &format!("segment_mib = 1\nmin_free_mib = 0\n{journal}"));
    market.configure(&text)
}

/// Fills the file system that `path` lies on but for `left` bytes.
fn fill(path: &Path, size: usize, left: usize) {
    let mut file = std::fs::File::create(path).expect("a file");
    let zeros = vec![0; 64 << 10];
    let mut written = 0;
    while written + zeros.len() + left <= size && file.write_all(&zeros).is_ok() {
        written += zeros.len();
    }
}

fn full(mode: &str) {
    let place = Place::new();
    let disk = place.path("disk");
    mount_ram(&disk, 16);
    // Whatever the mode, the RAM of the live segments is another file system.
    let ram = place.path("ram");
    mount_ram(&ram, 64);
    let market = Market::find();
    let settings = format!("durability = \"{mode}\"\nram_dir = {:?}", ram.display().to_string());
    place.write("desk.toml", &desk(&market, &settings));
    let mut exchange = market.start(&place, &["DEMO"], 3, 1_500, 0);
    let mut engine = place.start(&["run", "desk.toml", "--journal", "disk/journal"]);
    let journal = disk.join("journal");
    let mut watched = Watched::open(&journal);
    watched.until("quoting", &mut engine, |seen| seen.orders > 10);

    fill(&disk.join("ballast"), usize::MAX >> 1, 0);
    watched.until("storage low", &mut engine, |seen| seen.storage == [OperatorCommand::STORAGE_LOW]);
    // The log goes on to what it keeps for commands and answers, without new risk; then the feed is not listened to.
    let (mut fed, mut since) = (0, Instant::now());
    watched.until("the journal full", &mut engine, |_| true);
    while since.elapsed() < Duration::from_secs(2) {
        watched.follow();
        if watched.fed != fed {
            (fed, since) = (watched.fed, Instant::now());
        }
        engine.must_run("on a full disk");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(watched.storage, [OperatorCommand::STORAGE_LOW]);
    assert_eq!(watched.orders, 0, "{mode}: no new risk");
    // A kill gets through, and the venue session lives longer than it could without a word (15 s, SoupBinTCP 3.00).
    let name = journal.display().to_string();
    place.json(&["operator", "kill", &name, "--name", "ann", "--json"]);
    watched.until("the latch", &mut engine, |seen| seen.latches == 1);
    std::thread::sleep(Duration::from_secs(17));

    std::fs::remove_file(disk.join("ballast")).expect("removed");
    watched.until("storage good", &mut engine, |seen| {
        seen.storage == [OperatorCommand::STORAGE_LOW, OperatorCommand::STORAGE_OK]
    });
    assert_eq!(watched.orders, 0, "{mode}: it is latched");
    place.json(&["operator", "rearm", &name, "--json"]);
    watched.until("quoting", &mut engine, |seen| seen.orders > 10);
    engine.signal("TERM");
    let ended = engine.finish();
    assert_eq!(ended.code, Some(0), "{mode}: {ended:#?}");
    assert!(ended.err.iter().any(|line| line.contains("no room for a segment")), "{mode}: {ended:#?}");
    assert!(exchange.is_running());
    let day = summary(exchange);
    assert_eq!(day["open_orders"].as_u64().unwrap_or(0), 0, "{mode}: {day:#}");
    assert_eq!(day["logins"], 1, "{mode}: one session through it all: {day:#}");
    assert_eq!(place.verify(&name)["clean_end"], true);
    assert_eq!(place.json(&["journal", "verify", &name, "--json"])["outcome"], "good");
}

#[test]
fn a_full_disk_stops_new_risk_until_there_is_space() {
    with_mounts(|| full("process"));
}

#[test]
fn a_full_disk_under_a_journal_in_ram() {
    with_mounts(|| full("sync"));
}

/// The journal's file system hangs in every write: the helper does, and the hot thread may. A kill is carried out all the
/// same, by the machine or by the watchdog.
#[test]
fn a_disk_that_hangs_does_not_keep_a_kill() {
    with_mounts(|| {
        let place = Place::new();
        let Some(disk) = Disk::make(&place.path("disk")) else {
            println!("skipped: no loop device, or no mkfs.ext4");
            return;
        };
        let market = Market::find();
        place.write("desk.toml", &desk(&market, "chain = true"));
        let exchange = market.start(&place, &["DEMO"], 3, 1_500, 0);
        let mut engine = place.start(&["run", "desk.toml", "--journal", "disk/journal"]);
        let mut watched = Watched::open(&place.path("disk/journal"));
        watched.until("quoting", &mut engine, |seen| seen.orders > 10);
        let Some(frozen) = disk.freeze() else {
            println!("skipped: no fsfreeze");
            return;
        };
        let told = place.run(&["operator", "kill", "disk/journal", "--name", "ann"], "");
        if told.code != Some(0) {
            engine.after("the hot thread stands still: the venue session was dropped");
        }
        drop(frozen);
        watched.until("the latch", &mut engine, |seen| seen.latches == 1);
        engine.signal("TERM");
        let ended = engine.finish();
        // Where the venue session was dropped and is not back yet, nobody has confirmed that the orders are gone.
        let left = ended.err.iter().any(|line| line.contains("may be open"));
        assert_eq!(ended.code, Some(i32::from(left)), "{ended:#?}");
        summary(exchange);
        assert_eq!(place.verify("disk/journal")["clean_end"], true);
    });
}

#[test]
fn ram_that_is_too_small_is_named() {
    with_mounts(|| {
        let place = Place::new();
        let ram = place.path("ram");
        mount_ram(&ram, 8);
        let market = Market::find();
        let settings = format!("durability = \"group\"\nram_dir = {:?}", ram.display().to_string());
        place
            .write("desk.toml", &desk(&market, &settings).replace("segment_mib = 1\n", "segment_mib = 16\n"));
        let finished = place.expect(2, &["run", "desk.toml", "--journal", "journal"]);
        let line =
            finished.err.iter().find(|line| line.contains("no room for a segment")).expect("it says so");
        assert!(line.contains(&ram.display().to_string()) && line.contains("16777216 bytes"), "{line}");
        place.expect(2, &["run", "desk.toml", "--journal", "journal"]);
    });
}

#[test]
fn a_read_only_file_system_is_named() {
    with_mounts(|| {
        let place = Place::new();
        let disk = place.path("disk");
        mount_ram(&disk, 8);
        make_read_only(&disk);
        place.write("desk.toml", &desk(&Market::find(), ""));
        let finished = place.expect(2, &["run", "desk.toml", "--journal", "disk/journal"]);
        let said =
            finished.err.iter().any(|line| line.contains("choose a directory on a writable file system"));
        assert!(said, "{finished:#?}");
    });
}
