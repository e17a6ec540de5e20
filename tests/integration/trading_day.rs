//! The venue's day over real sockets: an exchange of another zone than this machine's, from its opening to its end.

use pricewright::journal::Reader;
use pricewright::sim::{Sim, SimConfig};
use pricewright_core::kernel::{DecisionRef, EventRef, SideCode, TimeZone};

use crate::market::audit::audit;
use crate::market::engine::{Engine, config, end_both};

/// What a journal says of the day.
#[derive(Debug, Default)]
struct Day {
    phases: String,
    orders: String,
    /// Seconds between an event's stamp and when it was journalled, at the worst.
    off_s: i64,
    /// Orders by the phase in which they were decided.
    before: u64,
    within: u64,
    after: u64,
    short: u64,
}

fn read(dir: &std::path::Path) -> Day {
    let mut day = Day::default();
    let mut reader = Reader::open(dir).expect("the journal");
    while let Some(record) = reader.next_record().expect("a sound journal") {
        let now = record.header().now.0;
        let stamp = match EventRef::of(&record) {
            Some(EventRef::MarketPhase(phase)) => {
                day.phases.push(char::from(phase.code));
                Some(phase.event_ns)
            }
            Some(EventRef::VenueDay(venue)) => {
                day.orders.push(char::from(venue.code));
                Some(venue.event_ns)
            }
            Some(EventRef::OrderAdd(add)) => Some(add.event_ns),
            Some(EventRef::VenueAccepted(accepted)) => Some(accepted.event_ns),
            _ => None,
        };
        if let Some(stamp) = stamp {
            day.off_s = day.off_s.max((now - stamp.0).abs() / 1_000_000_000);
        }
        if let Some(DecisionRef::PlaceOrder(order)) = DecisionRef::of(&record) {
            match day.phases.chars().last() {
                Some('Q') => day.within += 1,
                Some('M' | 'E' | 'C') => day.after += 1,
                _ => day.before += 1,
            }
            day.short += u64::from(order.side == SideCode::SELL_SHORT);
        }
    }
    day
}

/// Tokyo's midnight is not New York's and not UTC's: stamps that counted from another one would be hours off.
#[test]
fn a_day_begins_and_ends_by_the_venue_s_messages_and_its_stamps_are_right() {
    let zone = TimeZone::new("Asia/Tokyo").expect("a zone");
    let sim = SimConfig { rate: 4_000, time_zone: zone.clone(), ..SimConfig::embedded(false) };
    let sim = Sim::start(&sim).expect("an exchange");
    let mut config = config(sim.addresses(), 1);
    config.venue.time_zone = zone;
    config.config.venue = config.venue.clone();
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let engine = Engine::start(&config, &journal, "a day in Tokyo");
    engine.until_orders(20);
    end_both(sim, engine);
    audit(&journal, &config, "a day in Tokyo");
    let day = read(&journal);
    assert_eq!(day.phases, "OSQMEC", "{day:?}");
    assert!(day.orders.starts_with('S'), "{day:?}");
    assert!(day.off_s < 600, "stamps are off by {} s: {day:?}", day.off_s);
    assert!(day.within > 0 && day.before == 0 && day.after == 0, "{day:?}");
    assert!(day.short > 0, "the first sale of a desk that holds nothing is short: {day:?}");
}
