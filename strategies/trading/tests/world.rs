//! A world around the desk: a background market, a venue behind queues, and everything that can go wrong. All of it is
//! drawn from a seed. It keeps its own account of what the desk may do, and checks every decision against it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pricewright_core::kernel::machine::Machine;
use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::{Desk, DeskConfig};
use super::records::{GATEWAY, malformed, record, send_report, venue_executed};

mod checks;
mod market;
mod venue;

#[derive(Clone, Copy, Debug)]
struct Resting {
    client: u64,
    instrument: InstrumentId,
    side: Side,
    price: Ticks,
    open: u32,
    /// Lots executed, under its own number and those that it replaced.
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
    pub(super) losses: u64,
    pub(super) dead_letters: u64,
    pub(super) statuses: u64,
    pub(super) timers: u64,
    pub(super) days: u64,
}

pub(super) struct World {
    pub(super) driver: Driver<Desk>,
    pub(super) config: DeskConfig,
    pub(super) random: Numbers,
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
    /// What the desk was told of: money of the fills in ticks, fees, lots of each order.
    cash: Vec<i64>,
    fees: Vec<i64>,
    filled: BTreeMap<u64, u32>,
    /// Which order each replacement was to replace.
    prior: BTreeMap<u64, u64>,
    /// What each position is worth in half ticks, by the last mid of a sound book or a print since then.
    worth: Vec<i64>,
    printed: Vec<Option<i64>>,
    /// The position as the venue knows it, fills on their way included.
    venue_position: Vec<i64>,
    running: bool,
    ready: bool,
    storage_low: bool,
    feed: Health,
    fault: Vec<bool>,
    trading: Vec<bool>,
    market_halted: Vec<bool>,
    late: bool,
    latched: bool,
    /// The venue is in its market hours, and the order session's day has not ended.
    open_market: bool,
    open_orders: bool,
}

impl World {
    pub(super) fn new(config: &DeskConfig, seed: u64) -> Self {
        let count = config.instruments.len();
        let mut world = Self {
            driver: Driver::new(config).expect("configuration"),
            config: config.clone(),
            random: Numbers::new(seed),
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
            cash: vec![0; count],
            fees: vec![0; count],
            filled: BTreeMap::new(),
            prior: BTreeMap::new(),
            worth: vec![0; count],
            printed: vec![None; count],
            venue_position: vec![0; count],
            running: false,
            ready: false,
            storage_low: false,
            feed: Health::UNKNOWN,
            fault: vec![false; count],
            trading: vec![false; count],
            market_halted: vec![false; count],
            late: true,
            latched: false,
            open_market: false,
            open_orders: true,
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
        self.phase(b'Q');
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
                // A replacement carries the total: what its whole chain has executed, and what shall be open.
                self.prior.insert(order.client, order.prior);
                let links = std::iter::successors(Some(order.prior), |link| self.prior.get(link).copied());
                let done: u32 = links.filter_map(|link| self.filled.get(&link)).sum();
                let open = order.qty.checked_sub(done).expect("more than was executed");
                self.check_new(order.client, order.instrument, order.side, order.price, open);
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
                self.cash[index] -= changed.fill.0 * changed.price.0;
                self.fees[index] = changed.fees.0;
                *self.filled.entry(changed.client).or_default() +=
                    u32::try_from(changed.fill.0.abs()).expect("lots");
                assert_eq!(changed.position.0, self.position[index], "position after a fill");
            }
            DecisionRef::KillLatched(kill) => {
                if kill.control == Control::DAILY_LOSS && kill.released == 0 {
                    assert_eq!((kill.value, kill.limit), (self.profit(), -self.config.risk.max_daily_loss.0));
                    assert!(kill.value <= kill.limit, "latched for a loss that is none");
                    self.counts.losses += 1;
                }
                self.latched = kill.released == 0;
                self.counts.latched += u64::from(self.latched);
            }
            DecisionRef::OrderRefused(refused) => {
                self.counts.refused += 1;
                self.refused_by.insert(refused.control.name());
            }
            DecisionRef::BookTransition(_) => self.counts.transitions += 1,
            DecisionRef::Rejected(_) => self.counts.dead_letters += 1,
            DecisionRef::DeskStatus(status) => {
                self.counts.statuses += 1;
                assert_eq!(status.realised.0 + status.unrealised.0, self.value(status.instrument), "profit");
            }
            DecisionRef::OrderInDoubt(_) | DecisionRef::LatchHeld(_) | DecisionRef::PositionBreak(_) => {
                panic!("this world's sessions go on where they stood: {decision:?}")
            }
            DecisionRef::DayEnded(_) => self.counts.days += 1,
            DecisionRef::PricePublished(_) => panic!("a desk publishes no prices"),
        }
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
            0..46 => self.market_batch(),
            46..48 => self.print(),
            48..50 => self.empty_side(),
            50..70 => self.venue_takes(),
            70..74 => self.venue_fills(),
            74..98 => self.deliver(),
            98 => self.mark(10_000),
            _ => self.mishap(),
        }
    }

    fn mishap(&mut self) {
        let id = self.some_instrument();
        match self.random.below(20) {
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
            13 => self.trading_status(id, TradingState::MARKET_HALTED),
            14 => self.begin_session(id),
            15 => self.contradiction(),
            16 => self.phase(b'M'),
            17 => self.market_halt(),
            18 => self.venue_day(b'E'),
            _ => self.give(&venue_executed(1 << 40, 1, Ticks(1), 1)),
        }
        if self.random.one_in(2) {
            self.mend();
        }
    }

    /// All that may be wrong is put right.
    pub(super) fn mend(&mut self) {
        self.operator(OperatorCommand::START);
        self.health(Health::VALID, HealthReason::FILLED);
        self.mark(10_000);
        self.operator(OperatorCommand::REARM);
        self.operator(OperatorCommand::STORAGE_OK);
        self.phase(b'Q');
        self.venue_day(b'S');
        for id in self.ids() {
            if self.fault[id.index()] {
                self.begin_session(id);
            }
            // What is not said anew after that does not hold.
            if self.random.one_in(8) {
                self.market_batch();
            }
            self.trading_status(id, TradingState::TRADING);
            self.trading_status(id, TradingState::MARKET_RESUMED);
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

    pub(super) fn deliver(&mut self) {
        if let Some(answer) = self.outbox.pop_front() {
            // How late answers are says nothing of the market data.
            let lag = self.random.below(200_000_000) as i64;
            self.mark_of(GATEWAY, lag);
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
}

/// That the desk is a machine at all, for the compiler.
pub(super) fn name_of<M: Machine>() -> &'static str {
    M::NAME
}
