//! One behaviour each, with the events written out.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::{Desk, DeskConfig, StrategyConfig};
use super::world::{FEED, GATEWAY, malformed, record, send_report, venue_executed};

const PRCW: InstrumentId = InstrumentId(0);
const LAST: u8 = market_flags::LAST_IN_BATCH;

/// A desk on a stage: events by hand, decisions and reasons to look at.
struct Stage {
    driver: Driver<Desk>,
    now: Nanos,
    decisions: RecordBuf,
    notes: Vec<(usize, Note)>,
}

impl Stage {
    fn new() -> Self {
        Self::with(&DeskConfig::example().expect("example"))
    }

    fn with(config: &DeskConfig) -> Self {
        let driver = Driver::new(config).expect("configuration");
        let (decisions, notes) = (RecordBuf::default(), Vec::new());
        Self { driver, now: Nanos::from_secs(1_000), decisions, notes }
    }

    /// A desk that quotes 9 999 and 10 001, both accepted: orders 1 (ask) and 2 (bid).
    fn quoting() -> Self {
        let mut stage = Self::new();
        stage.open();
        stage.book(9_999, 10_001);
        stage.accept(1, Side::Sell, 10_001);
        stage.accept(2, Side::Buy, 9_999);
        stage
    }

    fn open(&mut self) {
        self.operator(OperatorCommand::START);
        self.health(Health::VALID, HealthReason::START);
        self.mark(0);
        self.status(TradingState::TRADING);
        self.session(SessionPhase::READY, 1);
    }

    fn give<R: Record>(&mut self, event: &R) {
        let event = record(event);
        let lying = event.iter().next().expect("a record");
        let mut recorder = Recorder::default();
        let read = EventRef::of(&lying).expect("an event");
        assert_eq!(self.driver.step(self.now, read, &mut recorder), Step::Done);
        self.decisions.clear();
        for decision in self.driver.decisions() {
            self.decisions.push(decision).expect("a buffer grows");
        }
        self.notes = recorder.notes;
    }

    fn all<R: Record>(&self) -> Vec<R> {
        self.decisions.iter().filter_map(|decision| decision.get::<R>().copied()).collect()
    }

    fn only<R: Record>(&self) -> R {
        let all = self.all::<R>();
        assert_eq!(all.len(), 1, "one {} among {} decisions", R::SCHEMA.name, self.decisions.iter().count());
        all[0]
    }

    fn count(&self) -> usize {
        self.decisions.iter().count()
    }

    fn operator(&mut self, command: OperatorCommand) {
        let operator = Text::new("ada").expect("short");
        self.give(&Operator { argument: 0, command, spare: [0; 6], operator });
    }

    fn health(&mut self, health: Health, reason: HealthReason) {
        self.give(&FeedHealth {
            expected: 50,
            seen: 53,
            missing: 3,
            source: FEED,
            health,
            reason,
            session: 0,
        });
    }

    fn mark(&mut self, lag_ns: i64) {
        let received = Nanos(self.now.0 - lag_ns);
        self.give(&Mark { first: 1, received, count: 1, session: 0, line: 0, source: FEED, spare: 0 });
    }

    fn status(&mut self, state: TradingState) {
        let (event_ns, reason, spare) = (EventNanos(0), Text::default(), [0; 16]);
        self.give(&TradingStatus { event_ns, instrument: PRCW, state, flags: LAST, reason, spare });
    }

    fn session(&mut self, phase: SessionPhase, next_client: u64) {
        let (sequence, session, source) = (1, 0, GATEWAY);
        self.give(&SessionState { sequence, next_client, session, source, phase, reason: 0, spare: 0 });
    }

    fn add(&mut self, order: u64, side: Side, price: i64, flags: u8) {
        self.give(&OrderAdd {
            event_ns: EventNanos(0),
            order,
            price: Ticks(price),
            qty: 100,
            instrument: PRCW,
            side: side.into(),
            flags,
        });
    }

    fn delete(&mut self, order: u64, flags: u8) {
        let (event_ns, spare, spare2, side) = (EventNanos(0), 0, 0, SideCode::UNKNOWN);
        self.give(&OrderDeleted { event_ns, order, spare, spare2, instrument: PRCW, side, flags });
    }

    /// A market of one order a side, numbers 1 and 2.
    fn book(&mut self, bid: i64, ask: i64) {
        self.add(1, Side::Buy, bid, 0);
        self.add(2, Side::Sell, ask, LAST);
    }

    /// The market moves: its two orders are replaced by themselves at other prices.
    fn move_to(&mut self, bid: i64, ask: i64) {
        for (order, price, flags) in [(1, bid, 0), (2, ask, LAST)] {
            self.give(&OrderReplaced {
                event_ns: EventNanos(0),
                order,
                new_order: order,
                price: Ticks(price),
                qty: 100,
                instrument: PRCW,
                side: SideCode::UNKNOWN,
                flags,
            });
        }
    }

    fn accept(&mut self, client: u64, side: Side, price: i64) {
        self.give(&VenueAccepted {
            event_ns: EventNanos(0),
            client,
            venue_order: 1_000 + client,
            price: Ticks(price),
            qty: 100,
            instrument: PRCW,
            side: side.into(),
            live: Liveness::LIVE,
        });
    }

    fn fill(&mut self, client: u64, match_number: u64, price: i64, qty: u32) {
        self.give(&venue_executed(client, match_number, Ticks(price), qty));
    }

    fn wait(&mut self, millis: i64) {
        self.now += Nanos::from_millis(millis);
    }

    /// Lets the next timer fire at its deadline.
    fn timer(&mut self) {
        let timer = self.driver.outbox().timers().next().expect("armed");
        self.now = self.now.max(timer.deadline);
        self.give(&timer);
    }
}

impl Stage {
    /// Lets timers fire up to and with the next status.
    fn status_timer(&mut self) {
        self.timer();
        while self.all::<DeskStatus>().is_empty() {
            self.timer();
        }
    }
}

#[test]
fn both_sides_are_quoted_at_the_end_of_the_batch() {
    let mut stage = Stage::new();
    stage.open();
    stage.add(1, Side::Buy, 9_999, 0);
    assert_eq!(stage.count(), 0, "the batch has not ended");
    stage.add(2, Side::Sell, 10_001, LAST);
    let placed = stage.all::<PlaceOrder>();
    let seen: Vec<_> =
        placed.iter().map(|order| (order.client, order.side, order.price.0, order.qty)).collect();
    assert_eq!(seen, [(1, SideCode::SELL, 10_001, 100), (2, SideCode::BUY, 9_999, 100)]);
    for order in placed {
        assert_eq!(order.tif, TimeInForce::POST_ONLY);
        assert_eq!(order.expires, stage.now + Nanos::from_millis(50));
    }
}

#[test]
fn nothing_is_quoted_while_anything_needed_is_missing() {
    let openings: [fn(&mut Stage); 5] = [
        |stage| stage.operator(OperatorCommand::START),
        |stage| stage.health(Health::VALID, HealthReason::START),
        |stage| stage.mark(0),
        |stage| stage.status(TradingState::TRADING),
        |stage| stage.session(SessionPhase::READY, 1),
    ];
    for missing in 0..openings.len() {
        let mut stage = Stage::new();
        for (index, opening) in openings.iter().enumerate() {
            if index != missing {
                opening(&mut stage);
            }
        }
        stage.book(9_999, 10_001);
        assert_eq!(stage.count(), 0, "without number {missing}");
        openings[missing](&mut stage);
        assert_eq!(stage.all::<PlaceOrder>().len(), 2, "with number {missing}");
    }
}

#[test]
fn quotes_are_pulled_for_each_reason() {
    type Mishap = fn(&mut Stage);
    let reasons: [(Mishap, CancelReason); 8] = [
        (|stage| stage.health(Health::RECOVERING, HealthReason::GAP), CancelReason::STALE_BOOK),
        (|stage| stage.health(Health::STALE, HealthReason::SILENCE), CancelReason::STALE_BOOK),
        (|stage| stage.mark(50_000_001), CancelReason::INGRESS_LAG),
        (|stage| stage.status(TradingState::HALTED), CancelReason::HALT),
        (|stage| stage.operator(OperatorCommand::STOP), CancelReason::SHUTDOWN),
        (|stage| stage.operator(OperatorCommand::STORAGE_LOW), CancelReason::OPERATOR),
        (|stage| stage.operator(OperatorCommand::KILL), CancelReason::KILL),
        (|stage| stage.delete(99, 0), CancelReason::STALE_BOOK),
    ];
    for (bring_about, reason) in reasons {
        let mut stage = Stage::quoting();
        bring_about(&mut stage);
        let pulled = stage.all::<CancelOrder>();
        assert_eq!(pulled.len(), 2, "{}", reason.name());
        assert!(pulled.iter().all(|cancel| cancel.reason == reason), "{pulled:?}");
        stage.move_to(9_989, 9_991);
        assert_eq!(stage.count(), 0, "once is enough, and nothing new: {}", reason.name());
    }
}

#[test]
fn a_requote_waits_until_the_quote_is_old_enough() {
    let mut stage = Stage::quoting();
    stage.wait(10);
    stage.move_to(10_009, 10_011);
    assert_eq!(stage.count(), 0, "too young");
    stage.timer();
    assert_eq!(stage.now, Nanos::from_secs(1_000) + Nanos::from_millis(100));
    let ask = stage.only::<ReplaceOrder>();
    assert_eq!((ask.client, ask.prior, ask.price, ask.qty), (3, 1, Ticks(10_011), 100));
    let told = VenueReplaced {
        event_ns: EventNanos(0),
        client: 3,
        prior: 1,
        venue_order: 1_003,
        price: Ticks(10_011),
        qty: 100,
        instrument: PRCW,
        side: SideCode::SELL,
        live: Liveness::LIVE,
    };
    stage.give(&told);
    let bid = stage.only::<ReplaceOrder>();
    assert_eq!((bid.client, bid.prior, bid.price), (4, 2, Ticks(10_009)), "the ask has made room");
}

/// Our order of number 1 is 1 001 at the venue; the market data shows it as such.
#[test]
fn our_own_orders_in_the_book_are_not_the_market() {
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_990, 10_010);
    let bid = stage.all::<PlaceOrder>()[1];
    assert_eq!((bid.client, bid.price), (2, Ticks(9_999)));
    // The market data shows our bid before the venue's answer reaches us: it looks like somebody else's.
    stage.add(1_002, Side::Buy, 9_999, LAST);
    stage.accept(2, Side::Buy, 9_999);
    stage.accept(1, Side::Sell, 10_001);
    stage.add(1_001, Side::Sell, 10_001, LAST);
    stage.wait(1_000);
    stage.add(5, Side::Sell, 10_300, LAST);
    assert_eq!(stage.count(), 0, "alone inside the market, the quotes stay where they are");
    // We hear of our fill before the market data shows it: the order is still not the market.
    stage.fill(2, 1, 9_999, 100);
    let bid = stage.only::<PlaceOrder>();
    assert_eq!((bid.side, bid.price, bid.qty), (SideCode::BUY, Ticks(9_998), 90));
    let feature = stage.notes.iter().find_map(|(_, note)| match note {
        Note::Feature { name: "mid_ticks", value } => Some(*value),
        _ => None,
    });
    assert_eq!(feature, Some(10_000.0), "the mid of 9 990 and 10 010");
}

#[test]
fn a_fill_moves_position_fees_and_the_next_quotes() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    let changed = stage.only::<PositionChanged>();
    assert_eq!((changed.fill, changed.position), (Lots(40), Lots(40)));
    assert_eq!(changed.cost, Minor(399_960));
    // 40 lots at a rebate of 2 000 minor units for 10 000.
    assert_eq!(changed.fees, Minor(-8));
    stage.fill(2, 70, 9_999, 40);
    assert_eq!((stage.count(), stage.driver.machine().repeated_answers()), (0, 1), "the same fill again");
    stage.fill(1, 71, 10_001, 100);
    let sold = stage.all::<PositionChanged>();
    assert_eq!(sold[0].position, Lots(-60));
    assert_eq!(sold[0].realised, Minor(80), "40 lots, 2 ticks each");
    let ask = stage.only::<PlaceOrder>();
    assert_eq!((ask.side, ask.qty), (SideCode::SELL, 94), "100 less 60 of a limit of 1 000");
}

#[test]
fn a_broken_fill_is_taken_back() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    let broken =
        VenueBroken { event_ns: EventNanos(0), client: 2, match_number: 70, reason: b'E', spare: [0; 7] };
    stage.give(&broken);
    let changed = stage.only::<PositionChanged>();
    assert_eq!((changed.fill, changed.position, changed.fees), (Lots(-40), Lots(0), Minor(0)));
    stage.give(&VenueBroken { match_number: 71, ..broken });
    assert_eq!(stage.only::<Rejected>().reason, RejectReason::UNKNOWN_KEY);
    assert_eq!(stage.only::<KillLatched>().control, Control::POSITION);
}

#[test]
fn a_daily_loss_sets_the_latch_and_an_operator_releases_it() {
    let mut config = DeskConfig::example().expect("example");
    config.risk.max_daily_loss = Minor(1_000);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    stage.fill(2, 70, 9_999, 100);
    // 100 lots bought at 9 999 and a rebate of 20: at a mid of 9 989 the loss is 980, at 9 988.5 it is 1 030.
    stage.move_to(9_988, 9_990);
    assert!(stage.all::<KillLatched>().is_empty());
    stage.move_to(9_987, 9_990);
    let kill = stage.only::<KillLatched>();
    assert_eq!(
        (kill.control, kill.value, kill.limit, kill.released),
        (Control::DAILY_LOSS, -1_030, -1_000, 0)
    );
    assert!(stage.all::<CancelOrder>().iter().all(|cancel| cancel.reason == CancelReason::DAILY_LOSS));
    assert_eq!(stage.driver.machine().latched_by(), Control::DAILY_LOSS);
    // Released while the loss stands: the gate refuses, and the next batch sets it again.
    stage.operator(OperatorCommand::REARM);
    let released = stage.only::<KillLatched>();
    assert_eq!((released.released, released.operator.as_str()), (1, "ada"));
    stage.move_to(9_987, 9_990);
    assert_eq!(stage.only::<KillLatched>().released, 0);
    // The next UTC day begins anew.
    stage.now = Nanos::from_secs(86_400);
    stage.mark(0);
    stage.operator(OperatorCommand::REARM);
    stage.move_to(9_987, 9_989);
    assert!(stage.all::<KillLatched>().is_empty());
}

#[test]
fn a_fill_of_an_unknown_order_sets_the_latch() {
    let mut stage = Stage::quoting();
    stage.fill(77, 1, 10_000, 5);
    let letter = stage.only::<Rejected>();
    assert_eq!((letter.position, letter.reason, letter.source), (77, RejectReason::UNKNOWN_KEY, GATEWAY));
    assert_eq!(stage.only::<KillLatched>().control, Control::POSITION);
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
}

#[test]
fn a_fill_beyond_the_order_is_booked_and_sets_the_latch() {
    let mut stage = Stage::quoting();
    stage.fill(2, 1, 9_999, 101);
    assert_eq!(stage.only::<PositionChanged>().position, Lots(101));
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value, kill.limit), (Control::POSITION, 1, 0));
}

#[test]
fn malformed_input_becomes_a_dead_letter() {
    let mut stage = Stage::quoting();
    let event = malformed();
    stage.give(&event);
    let letter = stage.only::<Rejected>();
    let expected = (event.position, event.len, event.reason, event.source, event.text);
    assert_eq!((letter.position, letter.len, letter.reason, letter.source, letter.text), expected);
    assert_eq!(stage.driver.machine().dead_letters(), 1);
}

#[test]
fn a_contradicted_book_is_stale_until_it_starts_anew() {
    let mut stage = Stage::quoting();
    stage.delete(99, LAST);
    let stale = stage.only::<BookTransition>();
    assert_eq!((stale.from, stale.to, stale.reason), (Health::VALID, Health::STALE, HealthReason::BAD_DATA));
    assert_eq!((stale.orders, stale.instrument), (2, PRCW));
    stage.health(Health::VALID, HealthReason::HEARD);
    assert!(stage.all::<BookTransition>().is_empty(), "the feed's word does not mend the book");
    stage.give(&BookCleared {
        position: 90,
        instrument: ALL_INSTRUMENTS,
        source: FEED,
        reason: HealthReason::SESSION_CHANGE,
        flags: LAST,
        spare: [0; 18],
    });
    let valid = stage.only::<BookTransition>();
    assert_eq!((valid.to, valid.position, valid.orders), (Health::VALID, 90, 0));
}

#[test]
fn a_book_that_the_feed_called_bad_stays_so_when_a_restarted_feed_has_forgotten_it() {
    let mut stage = Stage::quoting();
    stage.health(Health::STALE, HealthReason::BAD_DATA);
    assert!(stage.all::<BookTransition>().iter().all(|change| change.to == Health::STALE));
    for (health, reason) in [(Health::RECOVERING, HealthReason::GAP), (Health::VALID, HealthReason::FILLED)] {
        stage.health(health, reason);
        assert!(stage.all::<BookTransition>().is_empty(), "only an empty book is a sound one");
    }
    stage.give(&BookCleared {
        position: 1,
        instrument: ALL_INSTRUMENTS,
        source: FEED,
        reason: HealthReason::START,
        flags: LAST,
        spare: [0; 18],
    });
    assert!(stage.all::<BookTransition>().iter().all(|change| change.to == Health::VALID));
}

#[test]
fn a_gap_is_told_for_every_instrument_and_counted() {
    let mut stage = Stage::quoting();
    stage.health(Health::RECOVERING, HealthReason::GAP);
    let told = stage.all::<BookTransition>();
    let seen: Vec<_> =
        told.iter().map(|told| (told.instrument.0, told.to, told.position, told.missing)).collect();
    assert_eq!(seen, [(0, Health::RECOVERING, 50, 3), (1, Health::RECOVERING, 50, 3)]);
    stage.timer();
    let status = stage.all::<DeskStatus>();
    assert_eq!((status.len(), status[0].gaps, status[0].health), (2, 1, Health::RECOVERING));
}

#[test]
fn dropped_market_data_and_dropped_answers_are_different_harm() {
    let dropped = |source| Dropped { count: 4, first: 1, source, spare: [0; 14] };
    let mut stage = Stage::quoting();
    stage.give(&dropped(FEED));
    assert_eq!(stage.all::<BookTransition>()[0].reason, HealthReason::OVERRUN);
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    let mut stage = Stage::quoting();
    stage.give(&dropped(GATEWAY));
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value), (Control::SESSION, 4));
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
}

#[test]
fn the_status_tells_where_the_desk_stands() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    stage.status_timer();
    assert_eq!(stage.now, Nanos::from_secs(1_001));
    let status = stage.all::<DeskStatus>()[0];
    assert_eq!((status.bid, status.ask, status.position), (Ticks(9_999), Ticks(10_001), Lots(40)));
    assert_eq!((status.realised, status.unrealised, status.fees), (Minor(0), Minor(40), Minor(-8)));
    assert_eq!((status.fills, status.open_orders, status.phase), (1, 2, SessionPhase::READY));
    assert_eq!((status.latch, status.health, status.gaps), (Control::NONE, Health::VALID, 0));
    stage.wait(2_500);
    stage.status_timer();
    let next = stage.driver.outbox().timers().next().expect("armed");
    assert_eq!(next.deadline, Nanos::from_secs(1_004), "missed ones are left out, the rhythm is kept");
}

#[test]
fn a_refused_order_is_explained_and_its_side_rests() {
    let mut config = DeskConfig::example().expect("example");
    config.risk.max_notional = Minor(1_000);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    let refused = stage.all::<OrderRefused>();
    assert_eq!(refused.len(), 2);
    assert_eq!((refused[1].control, refused[1].value, refused[1].limit), (Control::NOTIONAL, 999_900, 1_000));
    assert_eq!((refused[1].price, refused[1].qty, refused[1].prior), (Ticks(9_999), 100, 0));
    stage.wait(10);
    stage.move_to(9_998, 10_000);
    assert_eq!(stage.count(), 0, "both sides rest");
    stage.timer();
    assert_eq!(stage.now, Nanos::from_secs(1_000) + Nanos::from_millis(250));
    assert_eq!(stage.all::<OrderRefused>().len(), 2);
}

#[test]
fn a_quote_that_may_not_be_moved_is_pulled() {
    let mut config = DeskConfig::example().expect("example");
    (config.risk.message_rate_per_s, config.risk.message_burst) = (1, 2);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    stage.wait(200);
    stage.move_to(9_989, 9_991);
    let refused = stage.only::<OrderRefused>();
    assert_eq!((refused.control, refused.prior), (Control::MESSAGE_RATE, 2));
    let pulled = stage.only::<CancelOrder>();
    assert_eq!((pulled.client, pulled.reason), (2, CancelReason::STRATEGY));
}

#[test]
fn what_the_venue_refuses_or_takes_away_is_not_asked_for_again_at_once() {
    let rejected = VenueRejected { event_ns: EventNanos(0), client: 1, reason: 5, spare: [0; 14] };
    let canceled =
        VenueCanceled { event_ns: EventNanos(0), client: 1, qty: 100, reason: b'G', spare: [0; 11] };
    for kind in 0..3 {
        let mut stage = Stage::new();
        stage.open();
        stage.book(9_999, 10_001);
        match kind {
            0 => stage.give(&rejected),
            1 => stage.give(&canceled),
            _ => stage.give(&send_report(1, SendOutcome::EXPIRED)),
        }
        assert_eq!(stage.count(), 0, "kind {kind}");
        stage.timer();
        let again = stage.only::<PlaceOrder>();
        assert_eq!((again.client, again.side), (3, SideCode::SELL), "kind {kind}");
    }
}

#[test]
fn orders_that_the_venue_never_saw_are_dead_when_the_session_is_back() {
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.session(SessionPhase::DOWN, 0);
    stage.operator(OperatorCommand::KILL);
    assert!(stage.all::<CancelOrder>().is_empty(), "nothing can leave");
    stage.session(SessionPhase::READY, 2);
    let pulled = stage.only::<CancelOrder>();
    assert_eq!((pulled.client, pulled.reason), (1, CancelReason::KILL), "number 2 never arrived");
    assert_eq!(stage.driver.machine().orders().exposure(PRCW).orders, 1);
}

#[test]
fn every_decision_to_send_has_its_whole_trail() {
    let mut stage = Stage::new();
    stage.open();
    stage.add(3, Side::Buy, 9_998, 0);
    stage.add(4, Side::Buy, 9_997, 0);
    stage.add(5, Side::Buy, 9_996, 0);
    stage.book(9_999, 10_001);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
    for slot in 0..2 {
        let notes: Vec<&Note> =
            stage.notes.iter().filter(|(at, _)| *at == slot).map(|(_, note)| note).collect();
        let levels: Vec<_> = notes
            .iter()
            .filter_map(|note| match note {
                Note::Level { side, level, price, qty } => Some((*side, *level, price.0, qty.0)),
                _ => None,
            })
            .collect();
        let bids = [("bid", 0, 9_999, 100), ("bid", 1, 9_998, 100), ("bid", 2, 9_997, 100)];
        assert_eq!(levels[..3], bids);
        assert_eq!(levels[3..], [("ask", 0, 10_001, 100)]);
        let feature = |wanted: &str| {
            notes.iter().find_map(|note| match note {
                Note::Feature { name, value } if *name == wanted => Some(*value),
                _ => None,
            })
        };
        assert_eq!(feature("microprice_ticks"), Some(10_000.0));
        assert_eq!(feature("half_spread_ticks"), Some(1.0));
        assert_eq!(feature("skew_ticks"), Some(0.0));
        let value = |wanted: &str| {
            notes.iter().find_map(|note| match note {
                Note::Value { name, value, .. } if *name == wanted => Some(*value),
                _ => None,
            })
        };
        assert_eq!((value("position"), value("target_bid")), (Some(0), Some(9_999)));
        assert!(notes.iter().any(|note| matches!(note, Note::Parameter { name: "skew_factor", .. })));
        for code in 1..=17 {
            let control = Control(code).name();
            let seen = |note: &&&Note| matches!(note, Note::Check { control: name, passed: true, .. } if *name == control);
            assert!(notes.iter().any(|note| seen(&note)), "{control} in slot {slot}");
        }
    }
}

#[test]
fn events_of_other_machines_change_nothing() {
    let mut stage = Stage::quoting();
    let before = stage.driver.state_hash().expect("hash");
    stage.give(&Inventory {
        event_ns: EventNanos(0),
        base: Minor(1),
        initial: 1,
        stock: 1,
        sku: 1,
        source: FEED,
        spare: 0,
        position: 0,
    });
    stage.give(&Purchase { event_ns: EventNanos(0), qty: 1, sku: 1, source: FEED, spare: 0, position: 0 });
    stage.give(&Define { id: 0, column: Column::SKU, source: FEED, text: Text::default() });
    assert_eq!(stage.count(), 0);
    assert_eq!(stage.driver.state_hash().expect("hash"), before);
}

#[test]
fn market_data_of_an_unknown_instrument_is_a_dead_letter() {
    let mut stage = Stage::quoting();
    stage.give(&Trade {
        event_ns: EventNanos(0),
        match_number: 1,
        price: Ticks(10_000),
        qty: 1,
        instrument: InstrumentId(9),
        side: SideCode::BUY,
        flags: LAST,
    });
    assert_eq!(stage.only::<Rejected>().reason, RejectReason::UNKNOWN_KEY);
}

#[test]
fn wrong_configurations_name_their_key() {
    let good = DeskConfig::example().expect("example");
    type Spoil = fn(&mut DeskConfig);
    let wrong: [(Spoil, &str); 10] = [
        (|config| config.status_interval_ms = 0, "status_interval_ms"),
        (|config| config.order_time_to_send_us = 0, "order_time_to_send_us"),
        (|config| config.refusal_pause_ms = 0, "refusal_pause_ms"),
        (|config| config.book_orders = 0, "book_orders"),
        (|config| config.own_orders = 63, "own_orders"),
        (|config| config.own_fills = 0, "own_fills"),
        (|config| config.features.volatility_tau_ms = 0, "features.volatility_tau_ms"),
        (|config| config.risk.max_order_lots = Lots(99), "strategy.order_lots"),
        (|config| config.instruments.clear(), "instruments"),
        (|config| config.instruments[0].tick_value = Minor(1 << 40), "instruments.PRCW.tick_value"),
    ];
    for (spoil, key) in wrong {
        let mut config = good.clone();
        spoil(&mut config);
        let error = Driver::<Desk>::new(&config).expect_err(key);
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn the_configuration_is_read_as_it_is_written_and_unknown_keys_are_refused() {
    let good = DeskConfig::example().expect("example");
    let text = serde_json::to_string(&good).expect("written");
    assert_eq!(serde_json::from_str::<DeskConfig>(&text).expect("read"), good);
    for (from, to) in [
        ("\"collar_bps\"", "\"collar_pct\""),
        ("\"order_lots\"", "\"order_shares\""),
        ("\"refusal_pause_ms\"", "\"refusal_pause\""),
        ("market_maker", "market_taker"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(serde_json::from_str::<DeskConfig>(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
    let StrategyConfig::MarketMaker(maker) = good.strategy;
    assert_eq!(maker.min_quote_age_ms, 100);
}

#[test]
fn a_snapshot_of_other_instruments_is_refused() {
    let stage = Stage::quoting();
    let bytes = stage.driver.snapshot().expect("snapshot");
    let mut config = DeskConfig::example().expect("example");
    config.instruments.pop();
    assert!(Driver::<Desk>::restore(&config, &bytes).is_err());
    let mut config = DeskConfig::example().expect("example");
    config.own_orders *= 2;
    assert!(Driver::<Desk>::restore(&config, &bytes).is_err());
    assert!(Driver::<Desk>::restore(&config, &bytes[..bytes.len() / 2]).is_err());
}
