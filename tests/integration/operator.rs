//! Commands of operators to a run that goes on: the kill latch over a real session, set, kept over a restart, released.

use std::thread::sleep;
use std::time::{Duration, Instant};

use pricewright::journal::Reader;
use pricewright_core::kernel::{DecisionRef, EventRef, OperatorCommand, RecordRef};

use crate::pricing::INVENTORY;
use crate::processes::{Market, summary};
use crate::support::{BOUND, Place, Process, objects};

/// Follows a journal until `found` says yes to a record, and gives its sequence.
fn until(journal: &mut Reader, what: &str, mut found: impl FnMut(&RecordRef<'_>) -> bool) -> u64 {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < BOUND, "no {what}");
        match journal.next_record().expect("good") {
            Some(record) if found(&record) => return record.header().seq,
            Some(_) => {}
            None => sleep(Duration::from_millis(5)),
        }
    }
}

/// The journal of a run that has just been started.
fn begun(place: &Place) -> Reader {
    let start = Instant::now();
    loop {
        match Reader::open(&place.path("live")) {
            Ok(journal) => return journal,
            Err(error) => assert!(start.elapsed() < BOUND, "{error}"),
        }
        sleep(Duration::from_millis(5));
    }
}

fn is_order(record: &RecordRef<'_>) -> bool {
    matches!(DecisionRef::of(record), Some(DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_)))
}

fn is_command(record: &RecordRef<'_>, command: OperatorCommand) -> bool {
    matches!(EventRef::of(record), Some(EventRef::Operator(told)) if told.command == command)
}

#[test]
fn a_kill_holds_over_a_restart_until_it_is_released() {
    let place = Place::new();
    let market = Market::find();
    place.write("desk.toml", &market.configure(include_str!("../../strategies/trading/desk.toml")));
    let exchange = market.start(&place, &["DEMO"], 3, 8_000, 0);
    let run = || place.start(&["run", "desk.toml", "--journal", "live"]);
    place.expect(2, &["operator", "kill", "live"]);
    let desk = run();
    let mut journal = begun(&place);
    until(&mut journal, "order", is_order);
    let told = place.json(&["operator", "kill", "live", "--name", "ann", "--json"]);
    let seq = told["seq"].as_u64().expect("a record");
    assert_eq!(until(&mut journal, "kill", |record| is_command(record, OperatorCommand::KILL)), seq);
    let latched = until(&mut journal, "latch", |record| {
        matches!(DecisionRef::of(record), Some(DecisionRef::KillLatched(latch))
            if latch.released == 0 && latch.operator.as_str() == "ann")
    });
    assert!(latched > seq);
    desk.signal("KILL");
    desk.finish();
    let desk = run();
    let started = |record: &RecordRef<'_>| is_command(record, OperatorCommand::START);
    let mut orders = 0;
    until(&mut journal, "start", |record| {
        orders += u64::from(is_order(record));
        started(record)
    });
    // Long enough for a desk that is not latched to quote.
    sleep(Duration::from_millis(700));
    let rearmed = place.json(&["operator", "rearm", "live", "--json"])["seq"].as_u64().expect("a record");
    until(&mut journal, "rearm", |record| {
        orders += u64::from(is_order(record));
        record.header().seq == rearmed
    });
    assert_eq!(orders, 0, "nothing was ordered between the kill and its release, a restart in between");
    until(&mut journal, "order", is_order);
    desk.signal("TERM");
    assert_eq!(desk.finish().code, Some(0));
    summary(exchange);
    place.verify("live");
}

/// Prices that do not move because they were frozen yesterday are no quiet market: a run that begins so says it, and at its end.
#[test]
fn a_shop_that_begins_frozen_says_so_at_its_start_and_its_end() {
    const SHOP: &str = include_str!("../../strategies/pricing/flash_sale/stdin.toml");
    let place = Place::new();
    place.write("shop.toml", SHOP);
    let shop = place.start(&["run", "shop.toml", "--journal", "shop"]);
    let start = Instant::now();
    while place.run(&["operator", "kill", "shop"], "").code != Some(0) {
        assert!(start.elapsed() < BOUND, "no run takes the kill");
        sleep(Duration::from_millis(50));
    }
    assert_eq!(shop.finish().code, Some(0));

    let frozen = place.run(&["run", "shop.toml", "--journal", "shop"], "");
    assert_eq!(frozen.code, Some(0), "{frozen:#?}");
    for said in ["kill latch still set from an earlier run", "the kill latch is set (kill_latch)"] {
        assert!(frozen.err.iter().any(|line| line.contains(said)), "{frozen:#?}");
    }
    let frozen = place.run(&["run", "shop.toml", "--journal", "shop", "--json"], "");
    let result = objects(&frozen.out).pop().expect("a result");
    assert_eq!(result["latch"], "kill_latch");
}

/// A shop that has published a price, its input open.
fn selling(place: &Place) -> Process {
    place.write("shop.toml", include_str!("../../strategies/pricing/flash_sale/stdin.toml"));
    let mut shop = place.start(&["run", "shop.toml", "--journal", "shop"]);
    shop.input(&format!("{INVENTORY}\n"));
    shop.wait_out("\"sku\"");
    shop
}

/// Acting never waits for reading: a journal that cannot be read is no reason to go on.
#[test]
fn a_kill_reaches_a_run_whose_journal_cannot_be_read() {
    let place = Place::new();
    let shop = selling(&place);
    place.write("shop/journal-00000099.pwj", "junk");
    let sent = place.expect(1, &["operator", "kill", "shop", "--name", "ann"]);
    assert!(sent.err.join("\n").contains("kill was sent; what became of it is not known"), "{sent:#?}");
    shop.after("kill latch set");
    std::fs::remove_file(place.path("shop/journal-00000099.pwj")).expect("removed");
    assert_eq!(shop.finish().code, Some(0));
}

/// Nobody who would stop a run waits for one that cannot answer.
#[test]
fn a_stopped_process_lets_each_kill_end_and_say_what_to_do() {
    let place = Place::new();
    let shop = selling(&place);
    shop.signal("STOP");
    let kills: Vec<_> = (0..16).map(|_| place.start(&["operator", "kill", "shop"])).collect();
    for kill in kills {
        let told = kill.finish();
        assert_eq!(told.code, Some(1), "{told:#?}");
        assert!(told.err.join("\n").contains("cancel them there"), "{told:#?}");
    }
    shop.signal("CONT");
    assert_eq!(shop.finish().code, Some(0));
}
