//! The desk behind its feed and its gateway, with a market and a venue that say anything. Every order and replacement is held
//! against an account of its own: numbers rise; size and money within the limits, of replacements too; none under the latch,
//! without a session, while stopped or short of storage, in a halt, on a book that is not valid or an instrument that is
//! frozen. Positions are the sums of fills, each dialogue ends, a snapshot restores itself, and a replay decides the same.

use std::collections::{BTreeMap, BTreeSet};

use pricewright_core::kernel::table::{DecisionRef, EventRef, Operator};
use pricewright_core::kernel::{
    Cell, Control, Driver, Health, InstrumentId, Lots, Minor, Nanos, NoProbe, OperatorCommand, RecordBuf,
    RecordSink as _, SessionPhase, Side, SideCode, SourceId, Step, Ticks, TradingState, flags, record,
};
use pricewright_core::market::risk::RiskConfig;
use pricewright_feeds::nasdaq::order_entry::OrderEntry;
use pricewright_strategies::trading::{Desk, DeskConfig, StrategyConfig};

use super::wire;
use crate::input::Input;
use outside::Outside;

mod outside;

/// Steps of an input at most.
const STEPS: usize = 400;

fn config(choice: u8) -> DeskConfig {
    let mut config = DeskConfig::example().expect("an example");
    (config.book_orders, config.book_levels, config.own_orders, config.own_fills) = (8, 4, 24, 4);
    config.refusal_pause_ms = 1;
    let bit = |bit: u8| choice >> bit & 1 > 0;
    config.risk = RiskConfig {
        max_open_orders: 6,
        message_rate_per_s: 50,
        message_burst: if bit(0) { 4 } else { 100 },
        max_daily_loss: Minor(if bit(1) { 50 } else { 500_000 }),
        max_position_lots: Lots(300),
        duplicate_window_ms: 1,
        ..RiskConfig::example()
    };
    if bit(2) {
        let most = Minor(i64::MAX - 1);
        let lots = Lots(i64::from(u32::MAX));
        config.risk = RiskConfig {
            max_notional: most,
            max_open_notional: most,
            max_daily_loss: most,
            max_order_lots: lots,
            max_position_lots: Lots(1 << 40),
            ..config.risk
        };
    }
    let StrategyConfig::MarketMaker(maker) = &mut config.strategy;
    maker.min_quote_age_ms = 0;
    maker.max_inventory_lots = Lots(config.risk.max_position_lots.0.min(1_000));
    if bit(3) {
        maker.order_lots = Lots(100);
    }
    if bit(4) {
        config.instruments.iter_mut().for_each(|instrument| instrument.tick_value = Minor(1_000_000));
    }
    config.checked().expect("a good configuration")
}

/// The account that orders are held against.
struct Account {
    config: DeskConfig,
    last_client: u64,
    running: bool,
    storage_low: bool,
    latched: bool,
    phase: SessionPhase,
    trading: [TradingState; 2],
    health: [Health; 2],
    position: [i64; 2],
    /// Lots executed by order, and which order each replaced.
    filled: BTreeMap<u64, i64>,
    prior: BTreeMap<u64, u64>,
    /// Orders of which the venue said more than fills: what of them is open is not for this account to know.
    obscure: BTreeSet<u64>,
    /// Side and price that each order was sent with.
    limits: BTreeMap<u64, (SideCode, Ticks)>,
    /// A fill was booked that no order of ours allows.
    contradicted: bool,
}

impl Account {
    fn new(config: &DeskConfig) -> Self {
        Self {
            config: config.clone(),
            last_client: 0,
            running: false,
            storage_low: false,
            latched: false,
            phase: SessionPhase::DOWN,
            trading: [TradingState::UNKNOWN; 2],
            health: [Health::UNKNOWN; 2],
            position: [0; 2],
            filled: BTreeMap::new(),
            prior: BTreeMap::new(),
            obscure: BTreeSet::new(),
            limits: BTreeMap::new(),
            contradicted: false,
        }
    }

    /// The price that an order was sent with.
    fn limit(&self, client: u64) -> Option<u64> {
        self.limits.get(&client).and_then(|(_, price)| u64::try_from(price.0).ok())
    }

    fn on_event(&mut self, event: EventRef<'_>) {
        match event {
            EventRef::SessionState(state) => self.phase = state.phase,
            EventRef::TradingStatus(status) => {
                let all_markets = matches!(status.state, TradingState::TRADING | TradingState::HALTED);
                if let Some(known) = self.trading.get_mut(status.instrument.index()).filter(|_| all_markets) {
                    *known = status.state;
                }
            }
            EventRef::Operator(told) => match told.command {
                OperatorCommand::START => self.running = true,
                OperatorCommand::STOP => self.running = false,
                OperatorCommand::STORAGE_LOW => self.storage_low = true,
                OperatorCommand::STORAGE_OK => self.storage_low = false,
                _ => {}
            },
            EventRef::VenueCanceled(said) => drop(self.obscure.insert(said.client)),
            EventRef::VenueRestated(said) => drop(self.obscure.insert(said.client)),
            EventRef::VenueBroken(said) => drop(self.obscure.insert(said.client)),
            EventRef::VenueAccepted(said) => drop(self.obscure.insert(said.client)),
            EventRef::VenueReplaced(said) => drop(self.obscure.insert(said.client)),
            _ => {}
        }
    }

    fn on_decision(&mut self, decision: DecisionRef<'_>, desk: &Desk) {
        match decision {
            DecisionRef::KillLatched(latch) => self.latched = latch.released == 0,
            DecisionRef::BookTransition(change) => self.health[change.instrument.index()] = change.to,
            DecisionRef::PositionChanged(changed) => {
                let position = &mut self.position[changed.instrument.index()];
                *position += changed.fill.0;
                assert_eq!(*position, changed.position.0, "a position is the sum of its fills");
                *self.filled.entry(changed.client).or_default() += changed.fill.0.abs();
                // A break moves the position the other way.
                self.contradicted |= self.limits.get(&changed.client).is_some_and(|(side, limit)| {
                    let beyond = match side.side() {
                        Some(Side::Buy) => changed.fill.0 > 0 && changed.price > *limit,
                        _ => changed.fill.0 < 0 && changed.price < *limit,
                    };
                    beyond || (changed.price.0 <= 0 && changed.fill.0 * side.side().map_or(0, Side::sign) > 0)
                });
            }
            DecisionRef::PlaceOrder(order) => {
                let lots = i64::from(order.qty);
                self.check(order.client, order.instrument, (order.side, order.price, lots), desk);
            }
            DecisionRef::ReplaceOrder(order) => {
                self.prior.insert(order.client, order.prior);
                // The total counts what the chain executed: what is left is what shall be open.
                let links: Vec<u64> =
                    std::iter::successors(Some(order.prior), |link| self.prior.get(link).copied()).collect();
                let done: i64 = links.iter().filter_map(|link| self.filled.get(link)).sum();
                let known = !links.iter().any(|link| self.obscure.contains(link));
                let lots = if known { i64::from(order.qty) - done } else { 1 };
                self.check(order.client, order.instrument, (order.side, order.price, lots), desk);
            }
            _ => {}
        }
    }

    fn check(
        &mut self,
        client: u64,
        id: InstrumentId,
        (side, price, lots): (SideCode, Ticks, i64),
        desk: &Desk,
    ) {
        assert!(client > self.last_client, "order numbers rise");
        self.last_client = client;
        self.limits.insert(client, (side, price));
        assert!(!self.latched, "an order under the latch");
        assert_eq!(self.phase, SessionPhase::READY, "an order without a session");
        assert!(self.running && !self.storage_low, "an order of a desk that is stopped or short of storage");
        assert_eq!(self.trading[id.index()], TradingState::TRADING, "an order in a halt");
        assert_eq!(self.health[id.index()], Health::VALID, "an order on a book that is not valid");
        assert!(!desk.is_frozen(id), "an order in a frozen instrument");
        assert!(side.side().is_some() && lots > 0 && price.0 > 0, "{side:?} {price:?} {lots}");
        let limits = &self.config.risk;
        assert!(lots <= limits.max_order_lots.0, "{lots} lots");
        let value = i128::from(price.0)
            * i128::from(lots)
            * i128::from(self.config.instruments[id.index()].tick_value.0);
        assert!(value <= i128::from(limits.max_notional.0), "{value} minor units");
    }
}

/// The desk, its gateway and its account.
struct World {
    driver: Driver<Desk>,
    gateway: OrderEntry,
    account: Account,
    now: Nanos,
    seq: u64,
    script: Vec<(Nanos, RecordBuf, Vec<Cell>)>,
    /// What the gateway said to the desk's orders.
    reports: RecordBuf,
}

impl World {
    fn step(&mut self, one: RecordBuf) {
        let record = one.iter().next().expect("one record");
        let event = EventRef::of(&record).expect("feeds and gateways put events only");
        self.seq += 1;
        self.account.on_event(event);
        assert_eq!(self.driver.step(self.now, event, &mut NoProbe), Step::Done);
        let cells = self.driver.outbox().cells().to_vec();
        for decision in record::records_in(&cells) {
            let decision = DecisionRef::of(&decision).expect("a decision");
            self.seq += 1;
            self.account.on_decision(decision, self.driver.machine());
            // What is refused is reported as failed.
            let _ = self.gateway.on_decision(self.now, self.seq, decision, &mut self.reports);
        }
        if std::mem::take(&mut self.account.contradicted) {
            let latch = self.driver.machine().latched_by();
            assert_ne!(latch, Control::NONE, "a fill that its order excludes was booked in silence");
        }
        self.script.push((self.now, one, cells));
    }

    /// Gives events to the desk, what is due before them and what they lead to behind them.
    fn give(&mut self, records: &RecordBuf) {
        for record in records.iter() {
            self.timers();
            self.step(alone(record));
            self.answers();
        }
    }

    fn answers(&mut self) {
        for turns in 0.. {
            if self.reports.is_empty() {
                break;
            }
            assert!(turns < 100, "a dialogue of desk and gateway without end");
            for record in std::mem::take(&mut self.reports).iter() {
                self.step(alone(record));
            }
        }
    }

    fn timers(&mut self) {
        for turns in 0.. {
            let Some(timer) = self.driver.due(self.now) else { break };
            assert!(turns < 1_000, "timers without end");
            let mut one = RecordBuf::default();
            one.put(&timer, SourceId(0), flags::RESPONSE).expect("room");
            self.step(one);
            self.answers();
        }
    }

    fn operator(&mut self, command: OperatorCommand) {
        let mut one = RecordBuf::default();
        one.put(&Operator::says("fuzz", command, 0), SourceId(0), 0).expect("room");
        self.give(&one);
    }

    fn restart(&mut self) {
        let state = self.driver.snapshot().expect("a state can be written");
        let again = Driver::<Desk>::restore(&self.account.config, &state).expect("and read");
        assert_eq!(again.snapshot().expect("a state can be written"), state, "a snapshot restores itself");
        self.driver = again;
    }

    fn replay(&self) {
        let mut driver = Driver::<Desk>::new(&self.account.config).expect("a good configuration");
        for (index, (now, event, cells)) in self.script.iter().enumerate() {
            let record = event.iter().next().expect("one record");
            let event = EventRef::of(&record).expect("an event");
            assert_eq!(driver.step(*now, event, &mut NoProbe), Step::Done);
            assert!(driver.outbox().cells() == cells.as_slice(), "the replay differs at event {index}");
        }
        let hashes = (driver.state_hash().expect("a hash"), self.driver.state_hash().expect("a hash"));
        assert_eq!(hashes.0, hashes.1, "the state after the replay");
    }
}

fn alone(record: record::RecordRef<'_>) -> RecordBuf {
    let mut one = RecordBuf::default();
    one.push(record).expect("room");
    one
}

/// See the module.
pub fn desk(data: &[u8]) {
    run(data);
}

/// The world after the input.
fn run(data: &[u8]) -> World {
    let mut input = Input::new(data);
    let config = config(input.byte());
    let mut world = World {
        driver: Driver::new(&config).expect("a good configuration"),
        gateway: outside::gateway(),
        account: Account::new(&config),
        now: Nanos(1_700_000_000_000_000_000),
        seq: 0,
        script: Vec::new(),
        reports: RecordBuf::default(),
    };
    let mut outside = Outside::new();
    world.operator(OperatorCommand::START);
    if !input.one_in(8) {
        outside.open(&mut world);
    }
    for step in 0..STEPS {
        if input.is_empty() {
            break;
        }
        outside.step(&mut world, &mut input);
        world.timers();
        if step == 12 {
            world.restart();
        }
    }
    world.replay();
    world
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::drive;

    /// A target that reaches nothing finds nothing.
    #[test]
    fn inputs_reach_orders_fills_and_latches() {
        let seeds = seeds();
        let mut reached: BTreeMap<String, u64> = BTreeMap::new();
        for round in 0..600 {
            for (_, _, cells) in run(&drive::input(&seeds, 1, round)).script {
                for decision in record::records_in(&cells) {
                    let text = format!("{:?}", DecisionRef::of(&decision).expect("a decision"));
                    let kind = text.split(['(', ' ']).next().unwrap_or_default().to_owned();
                    *reached.entry(kind).or_default() += 1;
                }
            }
        }
        for kind in
            ["PlaceOrder", "ReplaceOrder", "CancelOrder", "PositionChanged", "KillLatched", "OrderRefused"]
        {
            assert!(reached.get(kind).is_some_and(|count| *count > 20), "{kind}: {reached:?}");
        }
    }
}
