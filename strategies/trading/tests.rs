use std::collections::BTreeSet;

use pricewright_core::kernel::machine::Machine;
use pricewright_core::kernel::*;
use pricewright_core::market::instrument::ShortSale;

use super::*;

mod configuration;
mod day;
mod doubt;
mod exchange;
mod health;
mod money;
mod quotes;
mod reach;
mod reconcile;
mod records;
mod stage;
mod standing;
mod world;
use records::replay;
use world::{World, name_of};

fn small() -> DeskConfig {
    let mut config = DeskConfig::example().expect("example");
    // Small tables, so that snapshots are quick and slots are used again and again.
    config.own_orders = 64;
    config.own_fills = 256;
    config.book_orders = 256;
    config.book_levels = 64;
    config.risk.max_open_orders = 8;
    config.refusal_pause_ms = 200;
    config.instruments[0].short_sale = ShortSale::Locate;
    config
}

/// One limit so tight that the gate must refuse.
fn tight(variant: u64) -> DeskConfig {
    let mut config = small();
    let StrategyConfig::MarketMaker(maker) = &mut config.strategy;
    maker.min_quote_age_ms = 1;
    match variant % 6 {
        0 => config.risk.max_open_orders = 3,
        1 => config.risk.max_open_notional = Minor(2_500_000),
        2 => config.risk.max_notional = Minor(990_000),
        3 => (config.risk.message_rate_per_s, config.risk.message_burst) = (2, 1),
        4 => config.risk.duplicate_window_ms = 2_000,
        _ => config.risk.max_daily_loss = Minor(500),
    }
    config
}

/// Thousands of events of every sort, with rejects, partial fills, failed sends, gaps, kills: the world checks each
/// decision and each sum on the way.
#[test]
fn limits_and_sums_hold_through_thousands_of_events() {
    let mut total = world::Counts::default();
    let mut refused_by = BTreeSet::new();
    for seed in 0..12 {
        eprintln!("seed {seed}");
        let config = if seed % 2 == 1 { tight(seed / 2) } else { small() };
        let mut world = World::new(&config, seed);
        for _ in 0..4_000 {
            world.turn();
        }
        world.mend();
        world.settle();
        world.check_agreement();
        let counts = world.counts;
        refused_by.append(&mut world.refused_by);
        total.placed += counts.placed;
        total.replaced += counts.replaced;
        total.canceled += counts.canceled;
        total.fills += counts.fills;
        total.partial_fills += counts.partial_fills;
        total.refused += counts.refused;
        total.venue_rejects += counts.venue_rejects;
        total.failed_sends += counts.failed_sends;
        total.latched += counts.latched;
        total.losses += counts.losses;
        total.transitions += counts.transitions;
        total.timers += counts.timers;
        total.statuses += counts.statuses;
        total.dead_letters += counts.dead_letters;
    }
    // The run is worth nothing where it did not go through what it is for.
    for (name, count, least) in [
        ("placed", total.placed, 1_000),
        ("replaced", total.replaced, 1_000),
        ("canceled", total.canceled, 200),
        ("fills", total.fills, 500),
        ("partial fills", total.partial_fills, 200),
        ("refused", total.refused, 200),
        ("venue rejects", total.venue_rejects, 50),
        ("failed sends", total.failed_sends, 50),
        ("latched", total.latched, 20),
        ("daily losses", total.losses, 1),
        ("transitions", total.transitions, 50),
        ("timers", total.timers, 500),
        ("statuses", total.statuses, 1_000),
        ("dead letters", total.dead_letters, 20),
    ] {
        assert!(count >= least, "only {count} {name}: {total:?}");
    }
    eprintln!("{total:?}, refused by {refused_by:?}");
    for control in ["open_orders", "open_notional", "notional", "message_rate", "duplicate"] {
        assert!(refused_by.contains(control), "{control} never refused: {refused_by:?}");
    }
}

#[test]
fn the_same_events_give_the_same_decisions_and_state() {
    for seed in 100..103 {
        eprintln!("seed {seed}");
        let mut world = World::new(&small(), seed);
        for _ in 0..1_500 {
            world.turn();
        }
        let mut again = Driver::new(&small()).expect("configuration");
        let decisions = replay(&mut again, &world.script);
        for (index, (first, second)) in world.decisions.iter().zip(&decisions).enumerate() {
            assert_eq!(first, second, "decisions of event {index}");
        }
        assert_eq!(again.state_hash().expect("hash"), world.driver.state_hash().expect("hash"));
    }
}

#[test]
fn a_snapshot_anywhere_gives_the_same_tail() {
    for seed in 200..203 {
        eprintln!("seed {seed}");
        let mut world = World::new(&small(), seed);
        for _ in 0..600 {
            world.turn();
        }
        for cut in [1, 7, 100, 333, 500, world.script.len() - 1] {
            let mut driver = Driver::new(&small()).expect("configuration");
            replay(&mut driver, &world.script[..cut]);
            let bytes = driver.snapshot().expect("snapshot");
            let mut restored = Driver::<Desk>::restore(&small(), &bytes).expect("restored");
            assert_eq!(restored.snapshot().expect("snapshot"), bytes, "cut {cut}");
            let tail = replay(&mut restored, &world.script[cut..]);
            assert_eq!(tail, world.decisions[cut..], "cut {cut}");
            assert_eq!(restored.state_hash().expect("hash"), world.driver.state_hash().expect("hash"));
        }
    }
}

/// What the desk keeps to save work is not in the snapshot: one that is restored before every event has nothing to go by.
#[test]
fn a_desk_that_forgets_at_every_event_decides_the_same() {
    for (seed, config) in [(400, small()), (401, tight(3)), (402, small()), (403, tight(0))] {
        eprintln!("seed {seed}");
        let mut world = World::new(&config, seed);
        for _ in 0..700 {
            world.turn();
        }
        let mut driver = Driver::<Desk>::new(&config).expect("configuration");
        for (index, step) in world.script.iter().enumerate() {
            let bytes = driver.snapshot().expect("snapshot");
            driver = Driver::restore(&config, &bytes).expect("restored");
            let decisions = replay(&mut driver, core::slice::from_ref(step));
            assert_eq!(decisions[0], world.decisions[index], "decisions of event {index}");
        }
        assert_eq!(driver.state_hash().expect("hash"), world.driver.state_hash().expect("hash"));
    }
}

#[test]
fn a_listening_probe_changes_no_decision() {
    let mut world = World::new(&small(), 300);
    for _ in 0..600 {
        world.turn();
    }
    let mut driver = Driver::<Desk>::new(&small()).expect("configuration");
    for ((now, event), expected) in world.script.iter().zip(&world.decisions) {
        let lying = event.iter().next().expect("a record");
        let mut recorder = Recorder::default();
        driver.step(*now, EventRef::of(&lying).expect("event"), &mut recorder);
        assert_eq!(driver.outbox().cells(), expected);
        let count = driver.outbox().count();
        assert!(recorder.notes.iter().all(|(slot, _)| *slot < count), "every note belongs to a decision");
    }
}

#[test]
fn the_desk_is_selected_by_its_name() {
    assert_eq!(name_of::<Desk>(), "desk");
    assert_eq!(Desk::NAME, "desk");
}
