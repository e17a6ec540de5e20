//! Snapshots: bytes that are restored at all restore to themselves and go on, and none asks for memory by its word alone.

use pricewright::config::ConfigText;
use pricewright::replay::snapshot::Snapshot;
use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::table::{EventRef, Operator};
use pricewright_core::kernel::{Driver, Machine, Nanos, NoProbe, OperatorCommand};
use pricewright_core::market::book::Books;
use pricewright_core::market::matching::MatchingEngine;
use pricewright_strategies::pricing::flash_sale::{self, FlashSale};
use pricewright_strategies::trading::{Desk, DeskConfig};

use super::bases;

/// Bytes of a snapshot's head, and of the hash behind its body.
const HEAD: usize = 272;
const HASH: usize = 32;

fn desk_config() -> DeskConfig {
    let mut config = DeskConfig::example().expect("an example");
    (config.book_orders, config.book_levels, config.own_orders, config.own_fills) = (8, 4, 64, 4);
    config.checked().expect("a good configuration")
}

fn sale_config() -> flash_sale::Config {
    flash_sale::Config { max_skus: 16, max_sources: 2, id_window: 8, ..flash_sale::Config::default() }
}

/// A state that was accepted is one: it writes itself, and the machine takes an event.
fn state<M: Machine>(config: &M::Config, bytes: &[u8]) {
    let Ok(mut driver) = Driver::<M>::restore(config, bytes) else { return };
    let Ok(again) = driver.snapshot() else { return };
    let restored = Driver::<M>::restore(config, &again).expect("what was written can be read");
    assert_eq!(restored.snapshot().expect("a state can be written"), again);
    // A snapshot that does not write itself is refused where it is used; nothing goes on from it.
    if again == bytes {
        let event = Operator::says("fuzz", OperatorCommand::ALARM, 0);
        let _ = driver.step(Nanos(i64::MAX / 2), EventRef::Operator(&event), &mut NoProbe);
    }
}

fn file(bytes: &[u8]) {
    let Ok(snapshot) = Snapshot::from_bytes(bytes) else { return };
    assert_eq!(snapshot.to_bytes().expect("UTF-8").len(), bytes.len());
    let _ = snapshot.follower::<FlashSale>(&sale_config());
    let text = ConfigText { path: "snapshot".to_owned(), text: snapshot.config.clone() };
    match text.pipeline::<Desk>() {
        Ok(config) => drop(snapshot.follower::<Desk>(&config.config)),
        Err(_) => drop(snapshot.follower::<Desk>(&desk_config())),
    }
}

/// The same bytes with their hashes put right, so that what lies behind these is reached.
fn rehashed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() < HEAD + HASH {
        return bytes;
    }
    let body = bytes.len() - HASH;
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
    let state = HEAD.saturating_add(word(248)).saturating_add(word(256));
    if let Some(state) = bytes.get(state..body) {
        let hash = *blake3::hash(state).as_bytes();
        bytes[216..248].copy_from_slice(&hash);
    }
    let hash = *blake3::hash(&bytes[..body]).as_bytes();
    bytes[body..].copy_from_slice(&hash);
    bytes
}

/// See the module.
pub fn snapshots(data: &[u8]) {
    let (kind, bytes) = data.split_first().map_or((0, data), |(kind, rest)| (*kind, rest));
    match kind % 6 {
        0 => drop(read_state::<Books>(bytes)),
        1 => drop(read_state::<MatchingEngine>(bytes)),
        2 => state::<FlashSale>(&sale_config(), bytes),
        3 => state::<Desk>(&desk_config(), bytes),
        4 => file(bytes),
        _ => file(&rehashed(bytes)),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let with = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let mut books = Vec::new();
    write_state(&Books::with_capacity(2, 4, 2), &mut books).expect("a state can be written");
    let sale =
        Driver::<FlashSale>::new(&sale_config()).and_then(|new| new.snapshot().map_err(|e| e.to_string()));
    let desk = Driver::<Desk>::new(&desk_config()).and_then(|new| new.snapshot().map_err(|e| e.to_string()));
    let mut seeds = vec![
        with(0, &books),
        with(2, &sale.expect("a state can be written")),
        with(3, &desk.expect("a state can be written")),
    ];
    for (name, bytes) in bases::all().iter().flat_map(|base| &base.files) {
        if name.ends_with(".pws") {
            seeds.extend([with(4, bytes), with(5, bytes)]);
        }
    }
    seeds
}
