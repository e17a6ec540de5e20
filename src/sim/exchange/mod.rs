//! The exchange, without sockets: a market, the background flow, and participants who send OUCH requests.
//!
//! Everything that it tells the market lies on its tape ([`Exchange::tape`], ITCH 5.0, sequence from 1), everything that
//! it tells a participant on that account's ([`Exchange::answers`], OUCH 5.0). Whoever moves bytes reads the tapes.
//! Time enters only as `now`: the same configuration, times and requests give the same tapes, byte for byte.
//!
//! An account's live orders are cancelled when its connection drops; the cancellations are on its tape when it comes
//! back.

mod gateway;
mod market;
mod reports;

use std::collections::BTreeMap;

use pricewright_core::kernel::{InstrumentId, Lots, Nanos, Side, Ticks};
use pricewright_core::kernel::{TimeInForce, TimeZone};
use pricewright_core::market::book::Bbo;
use pricewright_core::market::matching::{
    MatchingEngine, NewOrder, OwnerToken, RemovalReason, Replacement, SelfMatch,
};
use pricewright_feeds::nasdaq::itch::PassedOver;
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, Symbol};

use super::SimError;
use super::account::{Account, Terms};
use super::flow::{Arrival, Command, Flow, FlowConfig};
use super::publisher::Publisher;
use super::replay::{Replay, Step};
use super::tape::Tape;
use market::Market;
use reports::{BACKGROUND, Reports};

/// Where the flow's prices begin and tend to: $100.00.
pub const ANCHOR: Ticks = Ticks(1_000_000);
/// One cent.
pub const INCREMENT: Ticks = Ticks(100);
/// Shares of a round lot.
pub const ROUND_LOT: Lots = Lots(100);
/// Live orders that the engine has room for before it grows, per instrument.
const ORDERS_PER_INSTRUMENT: usize = 1024;
const LEVELS_PER_SIDE: usize = 256;
/// Replayed messages that one call of [`Exchange::advance`] carries out at most, so that others get their turn.
const REPLAY_BUDGET: usize = 2000;
/// Background commands that are carried out later than this are stamped with when they are.
const LATE: Nanos = Nanos::from_millis(1);

/// What kind of market it is.
pub enum Source {
    /// Generated flow over a matching engine.
    Flow {
        /// Seed of the flow.
        seed: u64,
        /// Commands per second.
        rate: u32,
        /// What is traded.
        symbols: Vec<Symbol>,
    },
    /// A recorded ITCH file.
    Replay(Box<Replay>),
}

/// A participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountId(u32);

impl AccountId {
    fn owner(self) -> u32 {
        self.0
    }
}

/// What an exchange has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Background commands, or replayed messages.
    pub background: u64,
    /// Executions, all.
    pub executions: u64,
    /// Requests of participants, all.
    pub requests: u64,
    /// Of these: orders and replacements that were taken.
    pub orders: u64,
    /// Of these: orders that were refused.
    pub rejected: u64,
    /// Of these: ignored, because their number was used before.
    pub ignored: u64,
    /// Of these: no OUCH.
    pub malformed: u64,
    /// Executions of participants' orders; one for each side that is a participant's.
    pub outside_fills: u64,
    /// Replayed messages that contradict the book.
    pub contradictions: u64,
    /// Recorded messages of a type or a size that is not known; they were not published.
    pub passed_over: PassedOver,
}

/// A displayed order of the final book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOrder {
    /// Symbol.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Order reference number.
    pub order: u64,
    /// Price.
    pub price: Ticks,
    /// Open lots.
    pub qty: Lots,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Open,
    Closed,
}

/// The request that is being carried out.
#[derive(Clone, Copy, Debug)]
enum Request {
    Background,
    Enter(Terms),
    Replace(Terms),
    Cancel,
    Modify { side: u8 },
}

/// The exchange.
pub struct Exchange {
    market: Market,
    flow: Option<Flow>,
    publisher: Publisher,
    accounts: Vec<Account>,
    instruments: BTreeMap<Symbol, InstrumentId>,
    phase: Phase,
    /// Tokens of the background's orders.
    next_token: u64,
    never_displayed: u64,
    counters: Counters,
}

impl Exchange {
    /// An exchange in UTC that has not opened yet, at `now`.
    pub fn new(source: Source, now: Nanos) -> Self {
        Self::in_zone(source, now, &TimeZone::utc())
    }

    /// An exchange in this time zone that has not opened yet, at `now`.
    pub fn in_zone(source: Source, now: Nanos, zone: &TimeZone) -> Self {
        let (market, flow, symbols) = match source {
            Source::Replay(replay) => (Market::Replayed(replay), None, Vec::new()),
            Source::Flow { seed, rate, symbols } => {
                let instruments = u16::try_from(symbols.len()).unwrap_or(u16::MAX);
                let (anchor, increment, round_lot) = (ANCHOR, INCREMENT, ROUND_LOT);
                let config = FlowConfig { seed, instruments, rate, anchor, increment, round_lot };
                let room = symbols.len() * ORDERS_PER_INSTRUMENT;
                let engine =
                    MatchingEngine::with_capacity(symbols.len(), room, LEVELS_PER_SIDE, SelfMatch::Allow);
                (Market::Matched(Box::new(engine)), Some(Flow::new(config, now)), symbols)
            }
        };
        let ids = (0..=u16::MAX).map(InstrumentId);
        Self {
            market,
            flow,
            instruments: symbols.iter().copied().zip(ids).collect(),
            publisher: Publisher::new(symbols, zone.day(now).begin),
            accounts: Vec::new(),
            phase: Phase::Before,
            next_token: 1,
            never_displayed: 0,
            counters: Counters::default(),
        }
    }

    /// What happens when a participant's order meets another of its own; they trade unless said. Without effect on a
    /// recorded market, where participants never meet.
    pub fn set_self_match(&mut self, rule: SelfMatch) {
        if let Market::Matched(engine) = &mut self.market {
            engine.set_self_match(rule);
        }
    }

    /// Opens the market: start of messages, directory, opening book, market hours. A replayed market says all that itself.
    pub fn open(&mut self, now: Nanos) {
        self.publisher.set_time(now);
        self.phase = Phase::Open;
        if self.flow.is_none() {
            return;
        }
        self.publisher.system_event(b'O');
        self.publisher.directory(ROUND_LOT);
        self.publisher.system_event(b'S');
        for command in self.flow.as_mut().map(Flow::opening).unwrap_or_default() {
            self.background(command);
        }
        self.publisher.system_event(b'Q');
    }

    /// Ends the day: end of market hours, of system hours, of messages; participants are told. The book stays as it is.
    pub fn close(&mut self, now: Nanos) {
        if self.phase == Phase::Closed {
            return;
        }
        self.publisher.set_time(now);
        self.phase = Phase::Closed;
        if self.flow.is_some() {
            for event in *b"MEC" {
                self.publisher.system_event(event);
            }
        }
        let stamp = self.publisher.stamp();
        for account in &mut self.accounts {
            account.set_stamp(stamp);
            account.system_event(b'E');
        }
    }

    /// When [`Self::advance`] has something to do next; `None` where it never will.
    pub fn next_due(&self) -> Option<Nanos> {
        match (&self.flow, &self.market) {
            (Some(flow), _) => flow.next_due(),
            (None, Market::Replayed(replay)) => replay.next_due(),
            (None, Market::Matched(_)) => None,
        }
        .filter(|_| self.phase == Phase::Open)
    }

    /// True where the background has come to its end: a replayed file is over.
    pub fn is_over(&self) -> bool {
        matches!(&self.market, Market::Replayed(replay) if replay.is_over())
    }

    /// Carries out what the background does up to `now`. For a replayed file perhaps only a part: ask again when
    /// [`Self::next_due`] says so.
    ///
    /// # Errors
    /// Where a replayed file cannot be read on.
    pub fn advance(&mut self, now: Nanos) -> Result<(), SimError> {
        if self.phase != Phase::Open {
            return Ok(());
        }
        self.advance_flow(now);
        self.advance_replay(now)?;
        self.publisher.set_time(now);
        Ok(())
    }

    fn advance_flow(&mut self, now: Nanos) {
        while let Some(Arrival { at, command }) = self.next_arrival(now) {
            // A thread that was held up must not publish stamps of long ago.
            self.publisher.set_time(at.max(now - LATE));
            self.background(command);
        }
    }

    fn next_arrival(&mut self, now: Nanos) -> Option<Arrival> {
        let market = &self.market;
        self.flow.as_mut()?.next(now, |instrument| market.best(instrument))
    }

    fn advance_replay(&mut self, now: Nanos) -> Result<(), SimError> {
        let Market::Replayed(replay) = &mut self.market else { return Ok(()) };
        for _ in 0..REPLAY_BUDGET {
            let publisher = &mut self.publisher;
            let mut reports = Reports {
                stamp: publisher.stamp(),
                publisher: None,
                accounts: &mut self.accounts,
                flow: None,
                counters: &mut self.counters,
                request: Request::Background,
            };
            match replay.step(now, &mut reports, |message| publisher.verbatim(message))? {
                Step::Message => self.counters.background += 1,
                Step::Listed(symbol, instrument) => {
                    self.counters.background += 1;
                    self.instruments.insert(symbol, instrument);
                }
                Step::Passed => {}
                Step::Nothing => break,
            }
        }
        self.counters.contradictions = replay.contradictions();
        self.counters.passed_over = replay.passed_over();
        Ok(())
    }

    /// Logs a participant in: the account of this name, made where there is none yet. `None` where the password is not
    /// that of the account's first login.
    pub fn log_in(&mut self, username: Alpha<6>, password: Password) -> Option<AccountId> {
        let known = self.accounts.iter().position(|account| same(&account.username.0, &username.0));
        let index = match known {
            Some(index) => {
                let account = self.accounts.get(index)?;
                return same(&account.password.0.0, &password.0.0).then(|| account_id(index));
            }
            None => self.accounts.len(),
        };
        let mut account = Account::new(username, password);
        account.set_stamp(self.publisher.stamp());
        account.system_event(b'S');
        self.accounts.push(account);
        Some(account_id(index))
    }

    /// The connection of a participant is gone: its live orders are cancelled, unless the day is over.
    pub fn disconnect(&mut self, account: AccountId) {
        if self.phase == Phase::Open {
            let owner = account.owner();
            self.carry_out(Request::Cancel, |market, reports| {
                market.cancel_owner(owner, RemovalReason::Disconnect, reports);
            });
        }
    }

    /// The market's tape.
    pub fn tape(&self) -> &Tape {
        self.publisher.tape()
    }

    /// A participant's tape.
    pub fn answers(&self, account: AccountId) -> Option<&Tape> {
        Some(self.accounts.get(reports::account_of(account.owner())?)?.answers())
    }

    /// A participant's drop copy of the day.
    pub fn copies(&self, account: AccountId) -> Option<&Tape> {
        Some(self.accounts.get(reports::account_of(account.owner())?)?.copies())
    }

    /// The flow, where the market is a generated one.
    pub fn flow(&self) -> Option<&Flow> {
        self.flow.as_ref()
    }

    /// The best bid and ask.
    pub fn best(&self, instrument: InstrumentId) -> Bbo {
        self.market.best(instrument)
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Every displayed order: by instrument, bids before asks, in the order in which they would trade.
    pub fn book(&self) -> Vec<BookOrder> {
        let symbols: BTreeMap<InstrumentId, Symbol> =
            self.instruments.iter().map(|(symbol, instrument)| (*instrument, *symbol)).collect();
        let orders = self.market.orders().into_iter();
        orders
            .map(|order| BookOrder {
                symbol: symbols.get(&order.instrument).copied().unwrap_or(Symbol::BLANK),
                side: order.side,
                order: order.order,
                price: order.price,
                qty: order.qty,
            })
            .collect()
    }

    fn instrument(&self, symbol: Symbol) -> Option<InstrumentId> {
        self.instruments.get(&symbol).copied()
    }

    fn account_mut(&mut self, account: AccountId) -> Option<&mut Account> {
        let stamp = self.publisher.stamp();
        let account = self.accounts.get_mut(reports::account_of(account.owner())?)?;
        account.set_stamp(stamp);
        Some(account)
    }

    /// Carries out one command and tells everybody.
    fn carry_out(&mut self, request: Request, command: impl FnOnce(&mut Market, &mut Reports<'_>)) {
        let stamp = self.publisher.stamp();
        let is_replay = matches!(self.market, Market::Replayed(_));
        let mut reports = Reports {
            publisher: (!is_replay).then_some(&mut self.publisher),
            accounts: &mut self.accounts,
            flow: self.flow.as_mut(),
            counters: &mut self.counters,
            stamp,
            request,
        };
        command(&mut self.market, &mut reports);
    }

    fn background(&mut self, command: Command) {
        self.counters.background += 1;
        let token = self.next_token;
        let key = |token| OwnerToken { owner: BACKGROUND, token };
        let order = |instrument, side, price, qty, tif| NewOrder {
            key: key(token),
            instrument,
            side,
            price,
            qty,
            tif,
        };
        self.next_token += 1;
        self.carry_out(Request::Background, |market, reports| match command {
            Command::Limit { instrument, side, price, qty } => {
                market.enter(&order(instrument, side, price, qty, TimeInForce::DAY), reports);
            }
            Command::Take { instrument, side, price, qty } => {
                market.enter(&order(instrument, side, price, qty, TimeInForce::IOC), reports);
            }
            Command::Cancel { order } => market.cancel(key(order), Lots(0), reports),
            Command::Reduce { order, by } => {
                if let Some(open) = market.open_order(key(order)) {
                    market.cancel(key(order), open.qty - by, reports);
                }
            }
            Command::Replace { order, price, qty } => {
                let with = Replacement { token, price, qty, tif: TimeInForce::DAY };
                market.replace(key(order), &with, reports);
            }
        });
    }
}

fn account_id(index: usize) -> AccountId {
    // Owners count from 1; 0 is the background. Accounts are opened one by one over TCP: 32 bits are never used up.
    AccountId(u32::try_from(index + 1).unwrap_or(u32::MAX))
}

/// Logins do not distinguish capitals (SoupBinTCP 3.00).
fn same(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests;
