use pricewright_core::kernel::table::Mark;
use pricewright_core::kernel::{
    Bps, DecisionRef, Driver, NoProbe, PriceGuard, RecordRef, Recorder, Step, state_hash_of,
};

use super::*;

mod twin;

const FEED: SourceId = SourceId(1);

#[derive(Clone, Copy, Debug)]
enum Input {
    Inventory { source: SourceId, sku: u32, initial: i64, stock: i64, base: i64 },
    Purchase { source: SourceId, sku: u32, qty: i64 },
}

/// What the tests look at in a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Output {
    Price { source: SourceId, sku: u32, price: i64, previous: i64, guard: PriceGuard },
    Refused { position: u64, reason: RejectReason },
}

fn inventory(sku: u32, initial: i64, stock: i64, base: i64) -> Input {
    Input::Inventory { source: FEED, sku, initial, stock, base }
}

fn purchase(sku: u32, qty: i64) -> Input {
    Input::Purchase { source: FEED, sku, qty }
}

fn price(sku: u32, price: i64, previous: i64, guard: PriceGuard) -> Output {
    Output::Price { source: FEED, sku, price, previous, guard }
}

fn refused(position: u64, reason: RejectReason) -> Output {
    Output::Refused { position, reason }
}

fn driver(config: &Config) -> Driver<FlashSale> {
    Driver::new(config).expect("a good configuration")
}

/// Gives the machine one input; `position` is its line.
fn step<P: Probe>(driver: &mut Driver<FlashSale>, position: u64, input: Input, probe: &mut P) -> Vec<Output> {
    let event_ns = EventNanos(i64::try_from(position).expect("a line number"));
    let now = Nanos(event_ns.0);
    let done = match input {
        Input::Inventory { source, sku, initial, stock, base } => {
            let event =
                Inventory { event_ns, base: Minor(base), initial, stock, sku, source, spare: 0, position };
            driver.step(now, EventRef::Inventory(&event), probe)
        }
        Input::Purchase { source, sku, qty } => {
            let event = Purchase { event_ns, qty, sku, source, spare: 0, position };
            driver.step(now, EventRef::Purchase(&event), probe)
        }
    };
    assert_eq!(done, Step::Done);
    outputs(driver)
}

fn outputs(driver: &Driver<FlashSale>) -> Vec<Output> {
    let output = |decision: DecisionRef<'_>| match decision {
        DecisionRef::PricePublished(PricePublished { sku, price, previous, source, guard, .. }) => {
            Some(Output::Price {
                source: *source,
                sku: *sku,
                price: price.0,
                previous: previous.0,
                guard: *guard,
            })
        }
        DecisionRef::Rejected(Rejected { position, reason, .. }) => Some(refused(*position, *reason)),
        DecisionRef::KillLatched(_) => None,
        other => panic!("{other:?} is no decision of a flash sale"),
    };
    driver.decisions().filter_map(|record| output(DecisionRef::of(&record).expect("a decision"))).collect()
}

/// Lines numbered from 1.
fn run(config: &Config, inputs: &[Input]) -> Vec<Vec<Output>> {
    let mut driver = driver(config);
    (1..).zip(inputs).map(|(position, input)| step(&mut driver, position, *input, &mut NoProbe)).collect()
}

/// The example of the documentation: 175.00 at last.
#[test]
fn thirty_of_forty_sold_at_base_100_costs_175() {
    let outputs = run(&Config::default(), &[inventory(0, 40, 40, 10_000), purchase(0, 30)]);
    assert_eq!(
        outputs,
        [vec![price(0, 10_000, 0, PriceGuard::NONE)], vec![price(0, 17_500, 10_000, PriceGuard::NONE)]]
    );
}

#[test]
fn a_published_price_carries_all_that_made_it() {
    let config = Config { ceiling: Some("150.00".to_owned()), ..Config::default() };
    let mut driver = driver(&config);
    step(&mut driver, 1, inventory(3, 40, 40, 10_000), &mut NoProbe);
    step(&mut driver, 2, purchase(3, 30), &mut NoProbe);
    let record = driver.decisions().next().expect("a price");
    let expected = PricePublished {
        event_ns: EventNanos(2),
        price: Minor(15_000),
        previous: Minor(10_000),
        formula: Minor(17_500),
        initial: 40,
        stock: 10,
        sku: 3,
        source: FEED,
        guard: PriceGuard::CEILING,
    };
    assert_eq!(record.get::<PricePublished>(), Some(&expected));
    assert_eq!(record.header().source, STRATEGY);
    let (base, price, counted) = (Minor(10_000), Minor(15_000), EventNanos(1));
    let article = Article { base, initial: 40, stock: 10, price, counted };
    assert_eq!(driver.machine().article(FEED, 3), Some(&article));
    assert_eq!(driver.machine().article(FEED, 2), None);
    assert_eq!(driver.machine().article(SourceId(2), 3), None);
}

#[test]
fn the_largest_change_is_held_at_each_decision_and_caught_up_with_later() {
    let config = Config { max_change_bps: Some(Bps(2_000)), ..Config::default() };
    let outputs =
        run(&config, &[inventory(0, 40, 40, 10_000), purchase(0, 30), purchase(0, 1), purchase(0, 9)]);
    assert_eq!(
        outputs.concat(),
        [
            price(0, 10_000, 0, PriceGuard::NONE),
            price(0, 12_000, 10_000, PriceGuard::MAX_CHANGE),
            price(0, 14_400, 12_000, PriceGuard::MAX_CHANGE),
            price(0, 17_280, 14_400, PriceGuard::MAX_CHANGE),
        ]
    );
}

#[test]
fn an_inventory_starts_a_new_sale() {
    let config = Config { max_change_bps: Some(Bps(100)), ..Config::default() };
    let outputs = run(&config, &[inventory(0, 40, 40, 10_000), inventory(0, 10, 0, 500), purchase(0, 1)]);
    assert_eq!(outputs[1], [price(0, 1_000, 0, PriceGuard::NONE)]);
    assert_eq!(outputs[2], [refused(3, RejectReason::CONTRADICTION)], "sold out");
}

/// What is refused sells nothing: one mistaken line would sell a shop out.
#[test]
fn a_purchase_of_more_than_is_left_is_refused_and_sells_nothing() {
    let mut driver = driver(&Config::default());
    step(&mut driver, 1, inventory(0, 40, 5, 10_000), &mut NoProbe);
    let before = driver.state_hash().expect("a hash");
    for qty in [6, 500, i64::MAX] {
        let found = step(&mut driver, 1, purchase(0, qty), &mut NoProbe);
        assert_eq!(found, [refused(1, RejectReason::CONTRADICTION)], "{qty}");
        assert_eq!(driver.state_hash().expect("a hash"), before, "{qty}");
    }
    assert_eq!(
        step(&mut driver, 2, purchase(0, 5), &mut NoProbe),
        [price(0, 20_000, 18_750, PriceGuard::NONE)]
    );
}

fn counted(position: u64, at: i64, stock: i64) -> Inventory {
    let (event_ns, base) = (EventNanos(at), Minor(10_000));
    Inventory { event_ns, base, initial: 40, stock, sku: 0, source: FEED, spare: 0, position }
}

/// Lines that come late must not put an older count in the place of a newer one.
#[test]
fn an_inventory_older_than_the_one_it_would_replace_is_refused() {
    let mut driver = driver(&Config::default());
    let mut take = |event: Inventory| {
        driver.step(Nanos(1), EventRef::Inventory(&event), &mut NoProbe);
        (outputs(&driver), driver.machine().article(FEED, 0).expect("on sale").stock)
    };
    assert_eq!(take(counted(1, 1_000, 10)), (vec![price(0, 17_500, 0, PriceGuard::NONE)], 10));
    assert_eq!(take(counted(2, 999, 40)), (vec![refused(2, RejectReason::STALE)], 10));
    assert_eq!(
        take(counted(3, 1_000, 20)),
        (vec![price(0, 15_000, 0, PriceGuard::NONE)], 20),
        "the last of equals"
    );
    assert_eq!(take(counted(4, 1_001, 40)).1, 40);
}

fn operate(driver: &mut Driver<FlashSale>, now: i64, command: OperatorCommand) -> Vec<(Control, u8)> {
    driver.step(Nanos(now), EventRef::Operator(&Operator::says("ann", command, 0)), &mut NoProbe);
    let latch =
        |record: RecordRef<'_>| record.get::<KillLatched>().map(|latch| (latch.control, latch.released));
    driver.decisions().filter_map(latch).collect()
}

/// Fires the timers that are due, and gathers what they decide.
fn fire(driver: &mut Driver<FlashSale>, now: i64) -> Vec<Output> {
    let mut found = Vec::new();
    while let Some(timer) = driver.due(Nanos(now)) {
        driver.step(Nanos(now), EventRef::Timer(&timer), &mut NoProbe);
        found.extend(outputs(driver));
    }
    found
}

#[test]
fn a_kill_freezes_prices_and_a_rearm_brings_them_to_where_the_stock_is() {
    let config = Config { publish: Publish::Always, ..Config::default() };
    let mut driver = driver(&config);
    step(&mut driver, 1, inventory(0, 40, 40, 10_000), &mut NoProbe);
    step(&mut driver, 2, inventory(1, 40, 40, 10_000), &mut NoProbe);
    let (kill, rearm) = (OperatorCommand::KILL, OperatorCommand::REARM);
    assert_eq!(operate(&mut driver, 3, rearm), [], "nothing to release");
    assert_eq!(operate(&mut driver, 3, kill), [(Control::KILL_LATCH, 0)]);
    assert_eq!(operate(&mut driver, 3, kill), [], "it is frozen already");
    assert_eq!(step(&mut driver, 4, purchase(0, 30), &mut NoProbe), []);
    assert_eq!(step(&mut driver, 5, inventory(2, 4, 4, 100), &mut NoProbe), []);
    assert_eq!(
        step(&mut driver, 6, purchase(0, 30), &mut NoProbe),
        [refused(6, RejectReason::CONTRADICTION)]
    );
    // It stays frozen over a restart.
    let mut driver = Driver::restore(&config, &driver.snapshot().expect("a snapshot")).expect("it fits");
    assert_eq!(step(&mut driver, 7, purchase(0, 5), &mut NoProbe), []);
    assert_eq!(operate(&mut driver, 8, rearm), [(Control::KILL_LATCH, 1)]);
    let mut driver = Driver::restore(&config, &driver.snapshot().expect("a snapshot")).expect("it fits");
    assert_eq!(
        fire(&mut driver, 8),
        [price(0, 18_750, 10_000, PriceGuard::NONE), price(2, 100, 0, PriceGuard::NONE)],
        "what has another price by now, and no other"
    );
    assert_eq!(driver.next_deadline(), None, "the sweep has ended");
    assert_eq!(
        step(&mut driver, 9, purchase(0, 5), &mut NoProbe),
        [price(0, 20_000, 18_750, PriceGuard::NONE)]
    );
}

#[test]
fn a_rearm_prices_a_large_shop_in_slices_and_a_kill_stops_it() {
    let mut driver = driver(&Config::default());
    let articles = u32::try_from(SWEEP).expect("small") * 3;
    let mut line = 0;
    for sku in 0..articles {
        line += 1;
        step(&mut driver, line, inventory(sku, 40, 40, 10_000), &mut NoProbe);
    }
    operate(&mut driver, 10_000, OperatorCommand::KILL);
    for sku in 0..articles {
        line += 1;
        driver.step(
            Nanos(10_000),
            EventRef::Purchase(&Purchase {
                event_ns: EventNanos(1),
                qty: 40,
                sku,
                source: FEED,
                spare: 0,
                position: line,
            }),
            &mut NoProbe,
        );
    }
    operate(&mut driver, 10_000, OperatorCommand::REARM);
    let timer = driver.due(Nanos(10_000)).expect("a timer");
    driver.step(Nanos(10_000), EventRef::Timer(&timer), &mut NoProbe);
    assert_eq!(outputs(&driver).len(), SWEEP);
    operate(&mut driver, 10_000, OperatorCommand::KILL);
    assert_eq!(fire(&mut driver, 10_000), []);
    operate(&mut driver, 10_000, OperatorCommand::REARM);
    assert_eq!(fire(&mut driver, 10_000).len(), 2 * SWEEP);
}

/// Gives the machine a purchase of one piece that its sender has named.
fn named(driver: &mut Driver<FlashSale>, position: u64, id: &str, qty: i64) -> Vec<Output> {
    let id = LineId { position, source: FEED, spare: [0; 6], id: Text::excerpt(id) };
    driver.step(Nanos(1), EventRef::LineId(&id), &mut NoProbe);
    assert_eq!(outputs(driver), []);
    let event = Purchase { event_ns: EventNanos(1), qty, sku: 0, source: FEED, spare: 0, position };
    driver.step(Nanos(1), EventRef::Purchase(&event), &mut NoProbe);
    outputs(driver)
}

#[test]
fn an_id_that_was_taken_is_not_taken_again_within_the_window() {
    let config = Config { id_window: 2, ..Config::default() };
    let mut driver = driver(&config);
    step(&mut driver, 1, inventory(0, 100, 100, 10_000), &mut NoProbe);
    let duplicate = |position| [refused(position, RejectReason::DUPLICATE)];
    assert_eq!(named(&mut driver, 2, "a", 1), [price(0, 10_100, 10_000, PriceGuard::NONE)]);
    assert_eq!(named(&mut driver, 3, "a", 1), duplicate(3));
    assert_eq!(named(&mut driver, 4, "b", 500), [refused(4, RejectReason::CONTRADICTION)]);
    assert_eq!(named(&mut driver, 5, "b", 1).len(), 1, "what was refused keeps no identity");
    let mut driver = Driver::restore(&config, &driver.snapshot().expect("a snapshot")).expect("it fits");
    assert_eq!(named(&mut driver, 6, "a", 1), duplicate(6), "over a restart");
    assert_eq!(named(&mut driver, 7, "c", 1).len(), 1);
    assert_eq!(
        named(&mut driver, 8, "a", 1),
        [price(0, 10_400, 10_300, PriceGuard::NONE)],
        "out of the window"
    );
    assert_eq!(driver.machine().article(FEED, 0).expect("on sale").stock, 96);
}

/// A crash may come between an identity and its input: then it must not name another input at the same place.
#[test]
fn an_id_whose_input_did_not_come_names_no_other() {
    let mut driver = driver(&Config::default());
    step(&mut driver, 1, inventory(0, 100, 100, 10_000), &mut NoProbe);
    let id = LineId { position: 1, source: FEED, spare: [0; 6], id: Text::excerpt("a") };
    driver.step(Nanos(1), EventRef::LineId(&id), &mut NoProbe);
    let mark =
        Mark { first: 1, received: Nanos(1), count: 1, session: 0, line: 2, source: FEED, queued_ns: 0 };
    driver.step(Nanos(1), EventRef::Mark(&mark), &mut NoProbe);
    step(&mut driver, 1, purchase(0, 1), &mut NoProbe);
    assert_eq!(named(&mut driver, 1, "a", 1), [price(0, 10_200, 10_100, PriceGuard::NONE)]);
}

#[test]
fn only_capacities_may_be_raised_while_a_journal_goes_on() {
    let of = |config: Config| FlashSale::lasting(&config);
    let same = of(Config::default());
    assert_eq!(of(Config { max_skus: 7, max_sources: 9, ..Config::default() }), same);
    assert_ne!(of(Config { id_window: 7, ..Config::default() }), same);
    assert_ne!(of(Config { publish: Publish::Always, ..Config::default() }), same);
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    use RejectReason as R;
    let rails = Config {
        floor: Some("1.50".to_owned()),
        ceiling_bps_of_base: Some(Bps(15_000)),
        max_skus: 2,
        ..Config::default()
    };
    for (input, reason) in [
        (inventory(0, 0, 0, 200), R::OUT_OF_RANGE),
        (inventory(0, -1, -1, 200), R::OUT_OF_RANGE),
        (inventory(0, 4, -1, 200), R::OUT_OF_RANGE),
        (inventory(0, 4, 5, 200), R::CONTRADICTION),
        (inventory(0, 4, 4, 0), R::OUT_OF_RANGE),
        (inventory(0, 4, 4, -200), R::OUT_OF_RANGE),
        (inventory(0, 4, 4, i64::MAX), R::OUT_OF_RANGE),
        // Floor 1.50, ceiling 0.99 · 1.5.
        (inventory(0, 4, 4, 99), R::OUT_OF_RANGE),
        (inventory(2, 4, 4, 200), R::CAPACITY),
        (inventory(u32::MAX, 4, 4, 200), R::CAPACITY),
        (purchase(0, 0), R::OUT_OF_RANGE),
        (purchase(0, i64::MIN), R::OUT_OF_RANGE),
        (purchase(1, 1), R::UNKNOWN_KEY),
        (purchase(u32::MAX, 1), R::UNKNOWN_KEY),
        (Input::Purchase { source: SourceId(9), sku: 0, qty: 1 }, R::UNKNOWN_KEY),
        (Input::Inventory { source: SourceId(9), sku: 0, initial: 1, stock: 1, base: 200 }, R::CAPACITY),
    ] {
        let mut driver = driver(&rails);
        step(&mut driver, 1, inventory(0, 8, 7, 200), &mut NoProbe);
        let before = *driver.machine().article(FEED, 0).expect("on sale");
        let found = step(&mut driver, 2, input, &mut NoProbe);
        assert!(
            matches!(found[..], [Output::Refused { reason: found, .. }] if found == reason),
            "{input:?}: {found:?}"
        );
        assert_eq!(driver.machine().article(FEED, 0), Some(&before), "{input:?}");
    }
}

/// What is refused takes no place of those that are reserved, and leaves the state as it was.
#[test]
fn a_refused_input_of_a_new_source_takes_no_place() {
    let config = Config { max_skus: 3, max_sources: 1, ..Config::default() };
    let stranger = SourceId(9);
    for input in [
        Input::Purchase { source: stranger, sku: 0, qty: 1 },
        Input::Purchase { source: stranger, sku: 0, qty: 0 },
        Input::Inventory { source: stranger, sku: 3, initial: 1, stock: 1, base: 200 },
    ] {
        let mut driver = driver(&config);
        step(&mut driver, 1, input, &mut NoProbe);
        assert_eq!(driver.machine().sources.state(), [], "{input:?}");
        let found = step(&mut driver, 2, inventory(0, 4, 4, 100), &mut NoProbe);
        assert_eq!(found, [price(0, 100, 0, PriceGuard::NONE)], "{input:?}");
    }
}

#[test]
fn every_refusal_fits_its_place() {
    for refusal in [
        NO_SOURCE_LEFT,
        NO_SKU_LEFT,
        BAD_BASE,
        BAD_INITIAL,
        BAD_STOCK,
        STOCK_ABOVE_INITIAL,
        NO_PRICE,
        BAD_QTY,
        NOT_ON_SALE,
        OVERSOLD,
        STALE,
        TAKEN,
    ] {
        assert!(Text::<80>::new(refusal.text).is_some(), "{:?} is cut", refusal.text);
    }
}

fn malformed(position: u64) -> Malformed {
    let text = Text::excerpt("expected value at column 1: hello");
    Malformed { position, len: 5, reason: RejectReason::MALFORMED, source: FEED, text }
}

#[test]
fn malformed_input_becomes_a_dead_letter() {
    let mut driver = driver(&Config::default());
    let Malformed { position, len, reason, source, text } = malformed(7);
    driver.step(Nanos(1), EventRef::Malformed(&malformed(7)), &mut NoProbe);
    let record = driver.decisions().next().expect("a dead letter");
    assert_eq!(record.get::<Rejected>(), Some(&Rejected { position, len, reason, source, text }));
}

#[test]
fn other_events_are_ignored() {
    let mut driver = driver(&Config::default());
    let before = driver.state_hash().expect("a hash");
    let stop = Operator::says("", OperatorCommand::STOP, 0);
    driver.step(Nanos(0), EventRef::Operator(&stop), &mut NoProbe);
    assert_eq!(outputs(&driver), []);
    assert_eq!(driver.state_hash().expect("a hash"), before);
}

#[test]
fn prices_are_published_on_change_or_always() {
    // 1/1000 of 0.10 is less than half a cent.
    let inputs = [inventory(0, 1_000, 1_000, 10), purchase(0, 1)];
    assert_eq!(run(&Config::default(), &inputs)[1], []);
    let always = Config { publish: Publish::Always, ..Config::default() };
    assert_eq!(run(&always, &inputs)[1], [price(0, 10, 10, PriceGuard::NONE)]);
}

#[test]
fn sources_number_their_articles_apart() {
    let config = Config { max_sources: 2, ..Config::default() };
    let other = SourceId(2);
    let outputs = run(
        &config,
        &[
            inventory(0, 4, 4, 100),
            Input::Inventory { source: other, sku: 0, initial: 4, stock: 2, base: 1_000 },
            purchase(0, 1),
            Input::Purchase { source: other, sku: 0, qty: 1 },
        ],
    );
    assert_eq!(outputs[2], [price(0, 125, 100, PriceGuard::NONE)]);
    let expected =
        Output::Price { source: other, sku: 0, price: 1_750, previous: 1_500, guard: PriceGuard::NONE };
    assert_eq!(outputs[3], [expected]);
}

#[test]
fn an_explanation_names_every_number_and_guard() {
    let config = Config {
        floor: Some("0.50".to_owned()),
        ceiling_bps_of_base: Some(Bps(17_000)),
        max_change_bps: Some(Bps(2_000)),
        ..Config::default()
    };
    let mut driver = driver(&config);
    step(&mut driver, 1, inventory(0, 40, 40, 10_000), &mut NoProbe);
    let mut recorder = Recorder::default();
    step(&mut driver, 2, purchase(0, 35), &mut recorder);
    let value = |name, value, unit| (0, Note::Value { name, value, unit });
    let check = |control, value, relation, limit, passed| {
        (0, Note::Check { control, value, relation, limit, unit: "minor", passed })
    };
    let money = |value| Amount::integer(value, "minor");
    let formula = Note::Formula {
        name: "formula",
        expression: "base · (1 + (1 − stock / initial))",
        terms: vec![
            Term::new("base", money(10_000)),
            Term::new("stock", Amount::integer(5, "pieces")),
            Term::new("initial", Amount::integer(40, "pieces")),
        ],
        result: money(18_750),
    };
    assert_eq!(
        recorder.notes,
        [
            value("stock", 5, "pieces"),
            value("initial", 40, "pieces"),
            value("base", 10_000, "minor"),
            (0, formula),
            check("floor", 18_750, Relation::AtLeast, 50, true),
            check("ceiling", 18_750, Relation::AtMost, 17_000, false),
            value("previous", 10_000, "minor"),
            check("max_change", 7_000, Relation::AtMost, 2_000, false),
            value("price", 12_000, "minor"),
        ]
    );
    let mut recorder = Recorder::default();
    step(&mut driver, 3, purchase(0, 6), &mut recorder);
    assert_eq!(recorder.notes, [(0, Note::Step { text: OVERSOLD.text })]);
}

#[test]
fn a_bad_configuration_is_refused() {
    let error =
        FlashSale::new(&Config { floor: Some("x".to_owned()), ..Config::default() }).expect_err("an error");
    assert!(error.starts_with("floor is \"x\""), "{error}");
}

#[test]
fn a_snapshot_is_refused_where_it_does_not_fit() {
    let mut driver = driver(&Config::default());
    step(&mut driver, 1, inventory(5, 1, 1, 1), &mut NoProbe);
    let mut bytes = Vec::new();
    driver.machine().snapshot(&mut bytes).expect("a snapshot");
    let small = Config { max_skus: 5, ..Config::default() };
    assert!(matches!(FlashSale::restore(&small, &bytes), Err(SnapshotError::Mismatch(_))));
    for len in 0..bytes.len() {
        assert!(FlashSale::restore(&Config::default(), &bytes[..len]).is_err(), "cut at {len}");
    }
    bytes.push(0);
    assert!(FlashSale::restore(&Config::default(), &bytes).is_err(), "one byte too many");
}

/// 16,777,216 articles for each of 64 sources are 32 GiB: a check computes only.
#[test]
fn a_check_takes_no_memory_and_says_what_a_run_would_take() {
    let config = Config { max_skus: MAX_SKUS, max_sources: MAX_SOURCES, ..Config::default() };
    assert_eq!(FlashSale::check(&config), Ok(()));
    let parts = FlashSale::memory(&config);
    let articles = parts.first().expect("a part");
    assert!(articles.bytes >= 32 * MAX_SKUS as u64 * MAX_SOURCES as u64, "{parts:?}");
    assert_eq!(articles.settings, "[config] max_skus = 16777216 for each of max_sources = 64");
    let wrong = Config { floor: Some("x".to_owned()), ..config };
    assert_eq!(
        FlashSale::check(&wrong).err(),
        FlashSale::new(&Config { max_skus: 1, max_sources: 1, ..wrong }).err()
    );
}

/// The screen that a feed asks and the machine itself are of one mind, on what the machine alone could know left out.
#[test]
fn the_screen_refuses_what_the_machine_refuses() {
    let config = Config {
        floor: Some("50.00".to_owned()),
        ceiling_bps_of_base: Some(Bps(10_000)),
        ..Config::default()
    };
    let screen = FlashSale::screen(&config).expect("a good configuration");
    for (base, initial, stock) in
        [(100, 4, 4), (4_999, 4, 4), (5_000, 4, 4), (10_000, 4, 0), (10_000, 4, 5), (0, 4, 4), (10_000, 0, 0)]
    {
        let mut machine = driver(&config);
        let event = Inventory {
            event_ns: EventNanos(1),
            base: Minor(base),
            initial,
            stock,
            sku: 0,
            source: FEED,
            spare: 0,
            position: 1,
        };
        let said = step(&mut machine, 1, inventory(0, initial, stock, base), &mut NoProbe);
        match screen(&event) {
            Ok(()) => assert!(matches!(said[..], [Output::Price { .. }]), "{base} {initial} {stock}"),
            Err((reason, _)) => assert_eq!(said, [refused(1, reason)], "{base} {initial} {stock}"),
        }
    }
}
