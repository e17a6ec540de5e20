//! The disk fails and the power goes, while the desk trades: what the file system has then, after its own recovery, is
//! what the mode promised.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pricewright::journal::{Outcome, Reader, segment_indices, verify};
use pricewright_core::kernel::{DecisionRef, EventRef, SessionPhase};

use super::disk::{Disk, with_mounts};
use crate::processes::{Market, summary};
use crate::support::{BOUND, Place, Process};

const JOURNAL: &str = "disk/journal";

struct Power {
    place: Place,
    disk: Disk,
    ram: PathBuf,
    exchange: Process,
}

impl Power {
    fn new(mode: &str, chain: bool) -> Option<Self> {
        let place = Place::new();
        let disk = Disk::make(&place.path("disk"))?;
        let ram = place.path("ram");
        super::disk::mount_ram(&ram, 64);
        let market = Market::find();
        let settings = format!(
            "segment_mib = 1\nchain = {chain}\nmin_free_mib = 0\ndurability = \"{mode}\"\nram_dir = {:?}",
            ram.display().to_string()
        );
        let text = include_str!("../../../strategies/trading/desk.toml")
            .replace("min_quote_age_ms = 20", "min_quote_age_ms = 2")
            .replace("segment_mib = 64", &settings);
        place.write("desk.toml", &market.configure(&text));
        let exchange = market.start(&place, &["DEMO"], 5, 8_000, 0);
        Some(Self { place, disk, ram, exchange })
    }

    fn journal(&self) -> PathBuf {
        self.place.path(JOURNAL)
    }

    fn start(&self) -> Process {
        self.place.start(&["run", "desk.toml", "--journal", JOURNAL])
    }

    /// Waits until the desk, started behind record `from`, has had so many orders accepted.
    fn until_accepted(&self, engine: &mut Process, from: u64, wanted: u64) {
        let start = Instant::now();
        let mut reader = None;
        let mut accepted = 0;
        while accepted < wanted {
            engine.must_run("trading");
            assert!(start.elapsed() < BOUND, "{accepted} orders accepted");
            std::thread::sleep(Duration::from_millis(2));
            if reader.is_none() {
                reader = Reader::from_seq(&self.journal(), from + 1).ok();
            }
            let Some(reader) = &mut reader else { continue };
            while let Some(record) = reader.next_record().expect("what is committed is readable") {
                accepted += u64::from(matches!(EventRef::of(&record), Some(EventRef::VenueAccepted(_))));
            }
        }
    }

    /// The machine goes down: RAM is gone, the disk has what it has.
    fn back(&self) {
        for entry in std::fs::read_dir(&self.ram).expect("RAM") {
            std::fs::remove_dir_all(entry.expect("an entry").path()).expect("RAM is gone");
        }
        self.disk.mount_again();
        super::disk::boot_anew(&self.place.path("boot"));
    }
}

/// The durable position in the side file, as its page in the documentation says: the slot with the higher generation.
fn published(journal: &Path) -> u64 {
    let bytes = std::fs::read(journal.join("durable")).expect("the side file");
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let slot = if number(16) > number(4096 + 16) { 0 } else { 4096 };
    assert_eq!(&bytes[slot + 8..slot + 16], b"PWDURABL");
    number(slot + 24)
}

/// The greatest order number that the journal holds up to record `last`.
fn greatest_order(journal: &Path, last: u64) -> u64 {
    let mut reader = Reader::open(journal).expect("a journal");
    let mut client = 0;
    while reader.next_seq() <= last {
        let Some(record) = reader.next_record().expect("readable") else { break };
        client = match DecisionRef::of(&record) {
            Some(DecisionRef::PlaceOrder(order)) => client.max(order.client),
            Some(DecisionRef::ReplaceOrder(order)) => client.max(order.client),
            _ => client,
        };
    }
    client
}

/// What the venue has seen, as it answers the account query of the run behind record `from`: the next order number.
fn next_client(journal: &Path, from: u64) -> Option<u64> {
    let mut reader = Reader::from_seq(journal, from + 1).expect("a journal");
    while let Some(record) = reader.next_record().expect("readable") {
        if let Some(EventRef::SessionState(state)) = EventRef::of(&record)
            && state.phase == SessionPhase::READY
            && state.next_client != 0
        {
            return Some(state.next_client);
        }
    }
    None
}

fn power_loss(mode: &str, chain: bool) {
    let Some(power) = Power::new(mode, chain) else {
        println!("skipped: no loop device, or no mkfs.ext4");
        return;
    };
    let journal = power.journal();
    let mut engine = power.start();
    power.until_accepted(&mut engine, 0, 40);
    let promised = published(&journal);
    assert!(promised > 0);
    power.disk.fail();
    let failed = engine.finish();
    assert_eq!(failed.code, Some(1), "{mode}: {failed:#?}");
    let said = failed.err.iter().find(|line| line.contains("are durable, and what follows may not be"));
    let said = said.unwrap_or_else(|| panic!("{mode}: {failed:#?}"));
    // Which file depends on what the disk was doing: a segment, or the durable position.
    assert!(said.contains("disk/journal/") && said.contains("Input/output error"), "{said}");

    power.back();
    let engine = power.start();
    let recovered = engine.after("recovered run ");
    let record = recovered.split_once("to record ").expect("the last record").1;
    let last: u64 = record.split(':').next().expect("a number").parse().expect("a number");
    assert!(last >= promised, "{mode}: recovered to {last}, {promised} was durable");
    if mode == "sync" {
        let start = Instant::now();
        let seen = loop {
            assert!(start.elapsed() < BOUND, "the venue answers the account query");
            match next_client(&journal, last) {
                Some(next) => break next,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let client = greatest_order(&journal, last);
        assert!(client + 1 >= seen, "the venue saw order {}, the journal has orders to {client}", seen - 1);
        let mut engine = engine;
        power.until_accepted(&mut engine, last, 20);
        engine.signal("TERM");
        let ended = engine.finish();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(power.place.verify(JOURNAL)["clean_end"], true);
        verified(&journal, chain);
        let day = summary(power.exchange);
        let fills = fills(&journal);
        assert_eq!(day["outside_fills"], fills, "the exchange's fills are the desk's: {day:#}");
        return;
    }
    engine.signal("TERM");
    let ended = engine.finish();
    assert_eq!(ended.code, Some(0), "{mode}: {ended:#?}");
    verified(&journal, chain);
}

/// The journal is whole, and where a chain is kept, every segment is in it.
fn verified(journal: &Path, chain: bool) {
    let report = verify(journal);
    assert!(matches!(report.outcome, Outcome::Good(_)), "{:?}", report.outcome);
    let chained = segment_indices(journal)
        .expect("segments")
        .into_iter()
        .all(|index| journal.join(format!("chain-{index:08}.pwc")).exists());
    assert_eq!(chained, chain, "every segment has its side file");
}

fn fills(journal: &Path) -> u64 {
    let mut reader = Reader::open(journal).expect("a journal");
    let mut fills = 0;
    while let Some(record) = reader.next_record().expect("readable") {
        fills += u64::from(matches!(EventRef::of(&record), Some(EventRef::VenueExecuted(_))));
    }
    fills
}

#[test]
fn async_keeps_what_it_said_was_durable() {
    with_mounts(|| power_loss("async", false));
}

#[test]
fn group_keeps_what_it_said_was_durable() {
    with_mounts(|| power_loss("group", false));
}

#[test]
fn sync_keeps_every_order_that_the_venue_saw() {
    with_mounts(|| power_loss("sync", false));
}

#[test]
fn async_with_a_hash_chain() {
    with_mounts(|| power_loss("async", true));
}

#[test]
fn group_with_a_hash_chain() {
    with_mounts(|| power_loss("group", true));
}

#[test]
fn sync_with_a_hash_chain() {
    with_mounts(|| power_loss("sync", true));
}
