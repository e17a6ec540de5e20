//! A world around the desk: a background market, a venue behind queues, and everything that can go wrong. All of it is
//! drawn from a seed. It keeps its own account of what the desk may do, and checks every decision against it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pricewright_core::kernel::machine::Machine;
use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::{Desk, DeskConfig};

pub(super) const FEED: SourceId = SourceId(0);
pub(super) const GATEWAY: SourceId = SourceId(1);

/// SplitMix64 (S. Vigna).
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A record by itself.
pub(super) fn record<R: Record>(record: &R) -> RecordBuf {
    let mut buffer = RecordBuf::default();
    buffer.put(record, FEED, 0).expect("a buffer grows");
    buffer
}

#[derive(Clone, Copy, Debug)]
struct Resting {
    client: u64,
    instrument: InstrumentId,
    side: Side,
    price: Ticks,
    open: u32,
    executed: u32,
}

#[derive(Clone, Copy, Debug)]
enum Request {
    Place(PlaceOrder),
    Replace(ReplaceOrder),
    Cancel(u64),
}

/// What was sent, for the checks over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) placed: u64,
    pub(super) replaced: u64,
    pub(super) canceled: u64,
    pub(super) refused: u64,
    pub(super) fills: u64,
    pub(super) partial_fills: u64,
    pub(super) venue_rejects: u64,
    pub(super) failed_sends: u64,
    pub(super) transitions: u64,
    pub(super) latched: u64,
    pub(super) dead_letters: u64,
    pub(super) statuses: u64,
    pub(super) timers: u64,
}

pub(super) struct World {
    pub(super) driver: Driver<Desk>,
    pub(super) config: DeskConfig,
    pub(super) random: Random,
    pub(super) now: Nanos,
    pub(super) counts: Counts,
    /// Every event that the desk saw, with its stamp, and the decisions that came of it.
    pub(super) script: Vec<(Nanos, RecordBuf)>,
    pub(super) decisions: Vec<Vec<Cell>>,
    /// Controls that refused something.
    pub(super) refused_by: BTreeSet<&'static str>,
    market: BTreeMap<u64, (InstrumentId, Side, i64, u32)>,
    centre: Vec<i64>,
    next_order: u64,
    resting: Vec<Resting>,
    inbox: VecDeque<Request>,
    outbox: VecDeque<RecordBuf>,
    matches: u64,
    last_client: u64,
    /// Highest number that the venue has seen.
    seen: u64,
    sent_at: VecDeque<Nanos>,
    position: Vec<i64>,
    /// The position as the venue knows it, fills on their way included.
    venue_position: Vec<i64>,
    running: bool,
    ready: bool,
    storage_low: bool,
    feed: Health,
    fault: Vec<bool>,
    trading: Vec<bool>,
    late: bool,
    latched: bool,
}

impl World {
    pub(super) fn new(config: &DeskConfig, seed: u64) -> Self {
        let count = config.instruments.len();
        let mut world = Self {
            driver: Driver::new(config).expect("configuration"),
            config: config.clone(),
            random: Random(seed),
            now: Nanos::from_secs(1_700_000_000),
            counts: Counts::default(),
            script: Vec::new(),
            decisions: Vec::new(),
            refused_by: BTreeSet::new(),
            market: BTreeMap::new(),
            centre: vec![10_000; count],
            next_order: 1,
            resting: Vec::new(),
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            matches: 0,
            last_client: 0,
            seen: 0,
            sent_at: VecDeque::new(),
            position: vec![0; count],
            venue_position: vec![0; count],
            running: false,
            ready: false,
            storage_low: false,
            feed: Health::UNKNOWN,
            fault: vec![false; count],
            trading: vec![false; count],
            late: true,
            latched: false,
        };
        world.open();
        world
    }

    /// What brings a desk to quote.
    fn open(&mut self) {
        self.operator(OperatorCommand::START);
        self.health(Health::VALID, HealthReason::START);
        self.mark(10_000);
        for id in self.ids() {
            self.trading_status(id, TradingState::TRADING);
        }
        self.session(SessionPhase::READY);
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = InstrumentId> + use<> {
        (0..u16::try_from(self.centre.len()).expect("few")).map(InstrumentId)
    }

    /// Gives the desk an event, the timers that are due before it first.
    pub(super) fn give<R: Record>(&mut self, event: &R) {
        self.give_record(record(event));
    }

    fn give_record(&mut self, event: RecordBuf) {
        self.run_timers();
        self.step(event);
    }

    /// What is due comes before what happens now.
    fn run_timers(&mut self) {
        while let Some(timer) = self.driver.due(self.now) {
            self.counts.timers += 1;
            self.step(record(&timer));
        }
    }

    fn step(&mut self, event: RecordBuf) {
        let lying = event.iter().next().expect("a record");
        let read = EventRef::of(&lying).expect("an event");
        assert_eq!(self.driver.step(self.now, read, &mut NoProbe), Step::Done);
        self.decisions.push(self.driver.outbox().cells().to_vec());
        let cells = self.driver.outbox().cells().to_vec();
        self.script.push((self.now, event));
        for decision in record::records_in(&cells) {
            self.observe(DecisionRef::of(&decision).expect("a decision"));
        }
        self.check_exposure();
    }

    fn observe(&mut self, decision: DecisionRef<'_>) {
        match decision {
            DecisionRef::PlaceOrder(order) => {
                self.counts.placed += 1;
                self.check_new(order.client, order.instrument, order.side, order.price, order.qty);
                self.leave(Request::Place(*order), order.client);
            }
            DecisionRef::ReplaceOrder(order) => {
                self.counts.replaced += 1;
                self.check_new(order.client, order.instrument, order.side, order.price, 1);
                self.leave(Request::Replace(*order), order.client);
            }
            DecisionRef::CancelOrder(order) => {
                self.counts.canceled += 1;
                assert!(self.ready, "a cancel leaves only by a session");
                self.leave(Request::Cancel(order.client), order.client);
            }
            DecisionRef::PositionChanged(changed) => {
                self.counts.fills += 1;
                let index = changed.instrument.index();
                self.position[index] += changed.fill.0;
                assert_eq!(changed.position.0, self.position[index], "position after a fill");
            }
            DecisionRef::KillLatched(kill) => {
                self.latched = kill.released == 0;
                self.counts.latched += u64::from(self.latched);
            }
            DecisionRef::OrderRefused(refused) => {
                self.counts.refused += 1;
                self.refused_by.insert(refused.control.name());
            }
            DecisionRef::BookTransition(_) => self.counts.transitions += 1,
            DecisionRef::Rejected(_) => self.counts.dead_letters += 1,
            DecisionRef::DeskStatus(_) => self.counts.statuses += 1,
            DecisionRef::PricePublished(_) => panic!("a desk publishes no prices"),
        }
    }

    /// Every order and replacement against the limits, by the world's own account.
    fn check_new(&mut self, client: u64, id: InstrumentId, side: SideCode, price: Ticks, qty: u32) {
        let index = id.index();
        assert!(client > self.last_client, "numbers rise");
        self.last_client = client;
        assert!(self.may_trade(id), "an order while none may be sent: {}", self.standing(id));
        assert!(i64::from(qty) <= self.config.risk.max_order_lots.0);
        let (bid, ask) = (self.best(id, Side::Buy), self.best(id, Side::Sell));
        let (bid, ask) = (bid.expect("a bid"), ask.expect("an ask"));
        let away = (2 * price.0 - bid - ask) * side.side().expect("side").sign() * 10_000;
        assert!(away <= self.config.risk.collar_bps.0 * (bid + ask), "collar at {index}");
        match side.side() {
            Some(Side::Buy) => assert!(price.0 < ask, "a bid takes nothing"),
            _ => assert!(price.0 > bid, "an ask takes nothing"),
        }
        let limits = &self.config.risk;
        self.sent_at.push_back(self.now);
        let second_ago = Nanos(self.now.0 - 1_000_000_000);
        while self.sent_at.front().is_some_and(|at| *at <= second_ago) {
            self.sent_at.pop_front();
        }
        let allowed = limits.message_rate_per_s + limits.message_burst;
        assert!(i64::try_from(self.sent_at.len()).expect("few") <= allowed, "messages in a second");
    }

    /// The limits hold for what the venue could execute, by the venue's own account.
    fn check_exposure(&self) {
        let desk = self.driver.machine();
        for id in self.ids() {
            let exposure = desk.orders().exposure(id);
            let limit = self.config.risk.max_position_lots.0;
            let held = desk.holding(id).expect("instrument").position().0;
            assert!(held + exposure.buy_lots <= limit, "long at worst");
            assert!(held - exposure.sell_lots >= -limit, "short at worst");
            let resting = |side| -> i64 {
                let here = |order: &&Resting| order.instrument == id && order.side == side;
                self.resting.iter().filter(here).map(|order| i64::from(order.open)).sum()
            };
            let true_position = self.venue_position[id.index()];
            assert!(true_position + resting(Side::Buy) <= held + exposure.buy_lots, "covered, long");
            assert!(true_position - resting(Side::Sell) >= held - exposure.sell_lots, "covered, short");
            for side in [Side::Buy, Side::Sell] {
                let quotes = self.resting.iter().filter(|order| order.instrument == id && order.side == side);
                assert!(quotes.count() <= 1, "one live quote a side");
            }
        }
        let total = desk.orders().total();
        assert!(i64::from(total.orders) <= self.config.risk.max_open_orders);
        assert!(total.notional <= i128::from(self.config.risk.max_open_notional.0));
    }

    fn may_trade(&self, id: InstrumentId) -> bool {
        let index = id.index();
        let calm = !self.latched && !self.late && !self.storage_low;
        let sound = self.feed == Health::VALID && !self.fault[index] && self.trading[index];
        self.running && self.ready && calm && sound
    }

    fn standing(&self, id: InstrumentId) -> String {
        format!(
            "running {} ready {} latched {} late {} storage {} feed {} fault {} trading {}",
            self.running,
            self.ready,
            self.latched,
            self.late,
            self.storage_low,
            self.feed.name(),
            self.fault[id.index()],
            self.trading[id.index()]
        )
    }

    fn leave(&mut self, request: Request, client: u64) {
        if self.random.one_in(40) {
            self.counts.failed_sends += 1;
            let outcome = [SendOutcome::EXPIRED, SendOutcome::FAILED, SendOutcome::KILLED, SendOutcome::LOST]
                [self.random.below(4) as usize];
            self.outbox.push_back(record(&send_report(client, outcome)));
        } else {
            self.outbox.push_back(record(&send_report(client, SendOutcome::SENT)));
            self.inbox.push_back(request);
        }
    }

    /// Something happens.
    pub(super) fn turn(&mut self) {
        self.now = Nanos(self.now.0 + 1 + self.random.below(40_000_000) as i64);
        match self.random.below(100) {
            0..50 => self.market_batch(),
            50..70 => self.venue_takes(),
            70..74 => self.venue_fills(),
            74..98 => self.deliver(),
            98 => self.mark(10_000),
            _ => self.mishap(),
        }
    }

    fn mishap(&mut self) {
        let id = InstrumentId(u16::try_from(self.random.below(self.centre.len() as u64)).expect("few"));
        match self.random.below(14) {
            0 => self.health(Health::RECOVERING, HealthReason::GAP),
            1 => self.health(Health::STALE, HealthReason::SILENCE),
            2..5 => self.health(Health::VALID, HealthReason::FILLED),
            5 => self.mark(90_000_000),
            6 => self.trading_status(id, TradingState::HALTED),
            7 => self.trading_status(id, TradingState::TRADING),
            8 => self.operator(OperatorCommand::KILL),
            9 => self.session(SessionPhase::DOWN),
            10 => self.bad_data(id),
            11 => self.operator(OperatorCommand::STORAGE_LOW),
            12 => self.give(&malformed()),
            _ => self.give(&venue_executed(1 << 40, 1, Ticks(1), 1)),
        }
        if self.random.one_in(2) {
            self.mend();
        }
    }

    /// All that may be wrong is put right.
    pub(super) fn mend(&mut self) {
        self.health(Health::VALID, HealthReason::FILLED);
        self.mark(10_000);
        self.operator(OperatorCommand::REARM);
        self.operator(OperatorCommand::STORAGE_OK);
        self.operator(OperatorCommand::START);
        for id in self.ids() {
            self.trading_status(id, TradingState::TRADING);
            if self.fault[id.index()] {
                self.market.retain(|_, order| order.0 != id);
                self.fault[id.index()] = false;
                self.give(&BookCleared {
                    position: 1,
                    instrument: id,
                    source: FEED,
                    reason: HealthReason::SESSION_CHANGE,
                    flags: market_flags::LAST_IN_BATCH,
                    spare: [0; 18],
                });
            }
        }
        if !self.ready {
            // The session catches up: what was under way arrives or is lost, then it is ready.
            while !self.outbox.is_empty() {
                self.deliver();
            }
            self.inbox.clear();
            self.session(SessionPhase::READY);
        }
    }

    pub(super) fn operator(&mut self, command: OperatorCommand) {
        self.run_timers();
        match command {
            OperatorCommand::START => self.running = true,
            OperatorCommand::STOP => self.running = false,
            OperatorCommand::STORAGE_LOW => self.storage_low = true,
            OperatorCommand::STORAGE_OK => self.storage_low = false,
            _ => {}
        }
        let operator = Text::new("test").expect("short");
        self.give(&Operator { argument: 0, command, spare: [0; 6], operator });
    }

    pub(super) fn health(&mut self, health: Health, reason: HealthReason) {
        self.run_timers();
        self.feed = health;
        self.give(&FeedHealth { expected: 9, seen: 9, missing: 0, source: FEED, health, reason, session: 0 });
    }

    pub(super) fn mark(&mut self, lag_ns: i64) {
        self.run_timers();
        self.late = lag_ns > self.config.risk.ingress_lag_max_us * 1_000;
        let received = Nanos(self.now.0 - lag_ns);
        self.give(&Mark { first: 1, received, count: 1, session: 0, line: 0, source: FEED, spare: 0 });
    }

    pub(super) fn trading_status(&mut self, instrument: InstrumentId, state: TradingState) {
        self.run_timers();
        self.trading[instrument.index()] = state == TradingState::TRADING;
        let event_ns = EventNanos(self.now.0);
        let (flags, reason, spare) = (market_flags::LAST_IN_BATCH, Text::default(), [0; 16]);
        self.give(&TradingStatus { event_ns, instrument, state, flags, reason, spare });
    }

    pub(super) fn session(&mut self, phase: SessionPhase) {
        self.run_timers();
        self.ready = phase == SessionPhase::READY;
        let next_client = if self.ready { self.seen + 1 } else { 0 };
        let (sequence, session, source) = (1, 0, GATEWAY);
        self.give(&SessionState { sequence, next_client, session, source, phase, reason: 0, spare: 0 });
    }

    fn bad_data(&mut self, instrument: InstrumentId) {
        self.run_timers();
        self.fault[instrument.index()] = true;
        self.give(&OrderDeleted {
            event_ns: EventNanos(self.now.0),
            order: u64::MAX,
            spare: 0,
            spare2: 0,
            instrument,
            side: SideCode::UNKNOWN,
            flags: market_flags::LAST_IN_BATCH,
        });
    }

    pub(super) fn best(&self, id: InstrumentId, side: Side) -> Option<i64> {
        let prices =
            self.market.values().filter(|order| order.0 == id && order.1 == side).map(|order| order.2);
        match side {
            Side::Buy => prices.max(),
            Side::Sell => prices.min(),
        }
    }

    /// A few updates of one instrument; nothing is acted upon before the last.
    pub(super) fn market_batch(&mut self) {
        self.run_timers();
        let id = InstrumentId(u16::try_from(self.random.below(self.centre.len() as u64)).expect("few"));
        if self.fault[id.index()] {
            return;
        }
        let index = id.index();
        self.centre[index] = (self.centre[index] + self.random.below(3) as i64 - 1).clamp(9_000, 11_000);
        let centre = self.centre[index];
        let stale = self.market.iter().filter(|(_, order)| {
            let wrong_side = match order.1 {
                Side::Buy => order.2 >= centre,
                Side::Sell => order.2 <= centre,
            };
            order.0 == id && (wrong_side || (order.2 - centre).abs() > 12)
        });
        let stale: Vec<u64> = stale.map(|(order, _)| *order).collect();
        for order in stale {
            self.market.remove(&order);
            self.give(&OrderDeleted {
                event_ns: EventNanos(self.now.0),
                order,
                spare: 0,
                spare2: 0,
                instrument: id,
                side: SideCode::UNKNOWN,
                flags: 0,
            });
        }
        for side in [Side::Buy, Side::Sell] {
            self.add(id, side, 1 + self.random.0 as i64 % 5, side == Side::Sell);
        }
    }

    fn add(&mut self, instrument: InstrumentId, side: Side, distance: i64, last: bool) {
        let price = self.centre[instrument.index()] - side.sign() * distance.abs().max(1);
        let (order, qty) = (self.next_order, 1 + self.random.below(300) as u32);
        self.next_order += 1;
        self.market.insert(order, (instrument, side, price, qty));
        self.give(&OrderAdd {
            event_ns: EventNanos(self.now.0),
            order,
            price: Ticks(price),
            qty,
            instrument,
            side: side.into(),
            flags: if last { market_flags::LAST_IN_BATCH } else { 0 },
        });
    }

    fn venue_takes(&mut self) {
        match self.inbox.pop_front() {
            Some(Request::Place(order)) => self.venue_places(&order),
            Some(Request::Replace(order)) => self.venue_replaces(&order),
            Some(Request::Cancel(client)) => {
                let Some(at) = self.resting.iter().position(|order| order.client == client) else { return };
                if self.random.one_in(10) {
                    let answer = if self.random.one_in(2) { b'I' } else { b'P' };
                    let event_ns = EventNanos(self.now.0);
                    self.outbox.push_back(record(&VenueCancelHeld {
                        event_ns,
                        client,
                        answer,
                        spare: [0; 15],
                    }));
                    if answer == b'I' {
                        return;
                    }
                }
                let gone = self.resting.remove(at);
                self.say_canceled(gone.client, gone.open);
            }
            None => {}
        }
    }

    fn say_canceled(&mut self, client: u64, qty: u32) {
        let event_ns = EventNanos(self.now.0 + self.next_order as i64);
        self.outbox.push_back(record(&VenueCanceled { event_ns, client, qty, reason: b'U', spare: [0; 11] }));
    }

    fn venue_places(&mut self, order: &PlaceOrder) {
        self.seen = self.seen.max(order.client);
        if self.venue_rejects(order.client) {
            return;
        }
        self.resting.push(Resting {
            client: order.client,
            instrument: order.instrument,
            side: order.side.side().expect("side"),
            price: order.price,
            open: order.qty,
            executed: 0,
        });
        self.outbox.push_back(record(&VenueAccepted {
            event_ns: EventNanos(self.now.0),
            client: order.client,
            venue_order: 1 << 32 | order.client,
            price: order.price,
            qty: order.qty,
            instrument: order.instrument,
            side: order.side,
            live: Liveness::LIVE,
        }));
    }

    fn venue_replaces(&mut self, order: &ReplaceOrder) {
        self.seen = self.seen.max(order.client);
        let Some(at) = self.resting.iter().position(|resting| resting.client == order.prior) else { return };
        if self.venue_rejects(order.client) {
            return;
        }
        let prior = self.resting.remove(at);
        let open = order.qty.saturating_sub(prior.executed);
        if open > 0 {
            self.resting.push(Resting {
                client: order.client,
                price: order.price,
                open,
                executed: 0,
                ..prior
            });
        }
        self.outbox.push_back(record(&VenueReplaced {
            event_ns: EventNanos(self.now.0),
            client: order.client,
            prior: order.prior,
            venue_order: 1 << 32 | order.client,
            price: order.price,
            qty: open,
            instrument: order.instrument,
            side: order.side,
            live: if open > 0 { Liveness::LIVE } else { Liveness::DEAD },
        }));
    }

    fn venue_rejects(&mut self, client: u64) -> bool {
        let rejects = self.random.one_in(25);
        if rejects {
            self.counts.venue_rejects += 1;
            let event_ns = EventNanos(self.now.0);
            self.outbox.push_back(record(&VenueRejected { event_ns, client, reason: 5, spare: [0; 14] }));
        }
        rejects
    }

    fn venue_fills(&mut self) {
        if self.resting.is_empty() {
            return;
        }
        let at = self.random.below(self.resting.len() as u64) as usize;
        let whole = self.random.one_in(2);
        let part = 1 + self.random.below(u64::from(self.resting[at].open)) as u32;
        let order = &mut self.resting[at];
        let qty = if whole { order.open } else { part };
        order.open -= qty;
        order.executed += qty;
        let order = *order;
        self.counts.partial_fills += u64::from(order.open > 0);
        self.venue_position[order.instrument.index()] += i64::from(qty) * order.side.sign();
        self.matches += 1;
        let fill = record(&venue_executed(order.client, self.matches, order.price, qty));
        if self.random.one_in(20) {
            self.outbox.push_back(fill.clone());
        }
        self.outbox.push_back(fill);
        if order.open == 0 {
            self.resting.remove(at);
        }
    }

    pub(super) fn deliver(&mut self) {
        if let Some(answer) = self.outbox.pop_front() {
            self.give_record(answer);
        }
    }

    /// Lets requests and answers run out.
    pub(super) fn settle(&mut self) {
        while !self.inbox.is_empty() || !self.outbox.is_empty() {
            self.venue_takes();
            self.deliver();
        }
    }

    /// After everything arrived, desk and venue agree.
    pub(super) fn check_agreement(&self) {
        let desk = self.driver.machine();
        for id in self.ids() {
            assert_eq!(desk.holding(id).expect("instrument").position().0, self.venue_position[id.index()]);
            let mut known: Vec<(u64, u32)> =
                desk.orders().alive(id).map(|order| (order.client, order.open)).collect();
            let here = self.resting.iter().filter(|order| order.instrument == id);
            let mut there: Vec<(u64, u32)> = here.map(|order| (order.client, order.open)).collect();
            known.sort_unstable();
            there.sort_unstable();
            assert_eq!(known, there, "open orders of {id}");
            for side in [Side::Buy, Side::Sell] {
                if !self.fault[id.index()] {
                    let best = desk.books().book(id).and_then(|book| book.best(side));
                    assert_eq!(best.map(|level| level.price.0), self.best(id, side), "best {side:?}");
                }
            }
        }
    }
}

pub(super) fn send_report(client: u64, outcome: SendOutcome) -> SendReport {
    SendReport { client, decision: 0, sent: Nanos::ZERO, outcome, spare: 0, source: GATEWAY, spare2: 0 }
}

pub(super) fn venue_executed(client: u64, match_number: u64, price: Ticks, qty: u32) -> VenueExecuted {
    let (event_ns, liquidity) = (EventNanos(0), Liquidity::ADDED);
    VenueExecuted { event_ns, client, match_number, price, qty, liquidity, spare: [0; 3] }
}

pub(super) fn malformed() -> Malformed {
    let (position, len, reason) = (77, 3, RejectReason::UNKNOWN_TYPE);
    Malformed { position, len, reason, source: FEED, text: Text::excerpt("what is this") }
}

/// The desk's decisions for a script of events, event by event.
pub(super) fn replay(driver: &mut Driver<Desk>, script: &[(Nanos, RecordBuf)]) -> Vec<Vec<Cell>> {
    let mut decisions = Vec::with_capacity(script.len());
    for (now, event) in script {
        let lying = event.iter().next().expect("a record");
        let event = EventRef::of(&lying).expect("an event");
        assert_eq!(driver.step(*now, event, &mut NoProbe), Step::Done);
        decisions.push(driver.outbox().cells().to_vec());
    }
    decisions
}

/// That the desk is a machine at all, for the compiler.
pub(super) fn name_of<M: Machine>() -> &'static str {
    M::NAME
}
