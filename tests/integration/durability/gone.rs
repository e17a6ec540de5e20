//! A journal that somebody removes under a run stops new risk, not the process.

use pricewright_core::kernel::OperatorCommand;

use super::full::Watched;
use crate::processes::{Market, summary};
use crate::support::Place;

const LOW: OperatorCommand = OperatorCommand::STORAGE_LOW;
const OK: OperatorCommand = OperatorCommand::STORAGE_OK;

#[test]
fn a_journal_that_is_moved_away_or_removed_stops_new_risk() {
    let place = Place::new();
    let market = Market::find();
    let text = include_str!("../../../strategies/trading/desk.toml")
        .replace("min_quote_age_ms = 20", "min_quote_age_ms = 2")
        .replace("segment_mib = 64", "segment_mib = 64\nmin_free_mib = 0");
    place.write("desk.toml", &market.configure(&text));
    let exchange = market.start(&place, &["DEMO"], 3, 1_500, 0);
    let mut engine = place.start(&["run", "desk.toml", "--journal", "live"]);
    let (journal, aside) = (place.path("live"), place.path("aside"));
    let mut watched = Watched::open(&journal);
    watched.until("quoting", &mut engine, |seen| seen.orders > 10);

    std::fs::rename(&journal, &aside).expect("moved away");
    watched.until("no new risk", &mut engine, |seen| seen.storage == [LOW]);
    let fed = watched.fed;
    watched.until("the feed goes on", &mut engine, |seen| seen.fed > fed + 1_000);
    assert_eq!(watched.orders, 0, "no new risk while it is away");
    std::fs::rename(&aside, &journal).expect("moved back");
    watched.until("quoting again", &mut engine, |seen| seen.storage == [LOW, OK] && seen.orders > 10);

    std::fs::remove_dir_all(&journal).expect("removed");
    watched.until("no new risk", &mut engine, |seen| seen.storage == [LOW, OK, LOW]);
    let fed = watched.fed;
    watched.until("the feed goes on", &mut engine, |seen| seen.fed > fed + 1_000);
    assert_eq!(watched.orders, 0, "no new risk without it");
    engine.signal("TERM");
    let ended = engine.finish();
    let said = ended.err.iter().filter(|line| line.contains("somebody removed or replaced the segment"));
    assert_eq!(said.count(), 2, "{ended:#?}");
    summary(exchange);
}
