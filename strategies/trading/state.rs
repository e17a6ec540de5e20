//! What the desk remembers from event to event; all of it is in the snapshot.

use serde::{Deserialize, Serialize};

use pricewright_core::kernel::{
    Health, HealthReason, InstrumentId, Lots, Minor, Nanos, Note, Outbox, Probe, Record, Reserved,
    SessionPhase, Side, SourceId, Ticks, TradingState,
};
use pricewright_core::market::book::{Bbo, Books, Level};
use pricewright_core::market::order::OrderTable;
use pricewright_core::market::portfolio::{HalfTicks, Holding};
use pricewright_core::market::risk::{Held, RiskGate};
use pricewright_core::models::features::Features;

use super::config::DeskConfig;
use super::day::TradingDay;
use super::gone::Gone;
use super::quoting::NEVER;
use super::reconcile::DropCopyBook;

/// The most feeds whose health is followed.
pub(super) const MAX_FEEDS: usize = 64;

/// Own orders of an instrument that are noted while its book is looked through; where there are more, each level asks anew.
const MAX_SHOWN: usize = 16;

/// Our orders in one book.
struct Shown {
    /// Only the first `count` mean anything.
    orders: [(Side, Ticks, Lots); MAX_SHOWN],
    count: usize,
    /// There are more of them than `orders` holds.
    more: bool,
}

impl Default for Shown {
    fn default() -> Self {
        Self { orders: [(Side::Buy, Ticks(0), Lots(0)); MAX_SHOWN], count: 0, more: false }
    }
}

impl Shown {
    fn push(&mut self, order: (Side, Ticks, Lots)) {
        match self.orders.get_mut(self.count) {
            Some(place) => {
                *place = order;
                self.count += 1;
            }
            None => self.more = true,
        }
    }

    /// Lots of ours at a price, as far as they were noted.
    fn at(&self, side: Side, price: Ticks) -> Lots {
        let orders = self.orders.get(..self.count).unwrap_or(&[]).iter();
        orders.filter(|order| (order.0, order.1) == (side, price)).fold(Lots(0), |sum, order| sum + order.2)
    }
}

/// Decisions of the desk carry this number: it hosts one strategy.
pub(super) const STRATEGY: SourceId = SourceId(0);

/// One event's turn: the time, where decisions go, and who listens to reasons.
pub(super) struct Turn<'a, P> {
    pub(super) now: Nanos,
    pub(super) out: &'a mut Outbox,
    pub(super) probe: &'a mut P,
}

impl<P: Probe> Turn<'_, P> {
    /// Notes a reason for the next decision.
    #[inline]
    pub(super) fn note(&mut self, note: impl FnOnce() -> Note) {
        self.probe.note(self.out.count(), note);
    }

    /// Notes an integer for the next decision.
    #[inline]
    pub(super) fn value(&mut self, name: &'static str, value: i64, unit: &'static str) {
        self.note(|| Note::Value { name, value, unit });
    }

    /// Notes a step of the reasoning for the next decision.
    #[inline]
    pub(super) fn step(&mut self, text: &'static str) {
        self.note(|| Note::Step { text });
    }

    #[inline]
    pub(super) fn emit<R: Record>(&mut self, decision: &R) {
        self.out.emit(STRATEGY, decision);
    }
}

/// A feed that spoke of its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Feed {
    pub(super) source: SourceId,
    pub(super) health: Health,
    /// The next position expected, as far as the desk was told.
    pub(super) position: u64,
    /// How late its last batch reached the machine; `None` before the first.
    pub(super) lag: Option<Nanos>,
}

/// What a book says of the market, without our own orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenMarket {
    /// The best of each side; none of either where they lie too far apart.
    pub(super) best: Bbo,
    /// They lie too far apart to say what the price is.
    pub(super) is_wide: bool,
}

/// The desk's view of one instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct InstrumentState {
    pub(super) features: Features,
    pub(super) holding: Holding,
    /// What the venue last said for all markets; see [`Self::trading`].
    pub(super) trading: TradingState,
    /// Halted on this market alone, whatever holds for all.
    pub(super) market_halted: bool,
    pub(super) health: Health,
    /// What is wrong with this book whatever its feed says; mended when the book starts anew.
    pub(super) fault: Option<HealthReason>,
    pub(super) last_trade: Option<(Ticks, Nanos)>,
    /// What the position is valued at: the last mid of a valid book, or a trade since then.
    pub(super) mark: HalfTicks,
    /// As of when the market said so; `None` where it never did, and the mark is the price of our own fill.
    pub(super) marked: Option<Nanos>,
    /// Profit at the mark less fees, as last counted into the desk's.
    pub(super) profit: Minor,
    /// What the position is worth at the mark, as last counted into the desk's.
    pub(super) value: Minor,
    /// Orders of a side in series that the venue refused or our gateway could not send: buy, sell.
    pub(super) rejects: [u16; 2],
    /// After a refusal, no intents of a side until then: buy, sell.
    pub(super) paused_until: [Nanos; 2],
    /// The time that the requote timer is armed for.
    pub(super) wake: Option<Nanos>,
    /// The venue's numbers of own orders that left lately.
    pub(super) gone: Gone,
    /// Updates of a batch were applied whose end has not come.
    pub(super) in_batch: bool,
    /// Fills may be missing since the order session began anew: the position is not known.
    pub(super) doubtful: bool,
    /// The drop copy and our own book differ: nothing is quoted.
    pub(super) frozen: bool,
    /// The best prices of the others lie too far apart to say what the price is.
    pub(super) is_wide: bool,
    /// Since when the book has been locked or crossed while the instrument trades.
    pub(super) crossed: Option<Nanos>,
}

impl InstrumentState {
    /// True where the strategy is woken at `at` or before, or need not be.
    #[inline]
    pub(super) fn wakes_by(&self, at: Nanos) -> bool {
        at == NEVER || self.wake.is_some_and(|wake| wake <= at)
    }

    /// The pause of a side.
    pub(super) fn pause_of(&mut self, side: Side) -> &mut Nanos {
        let [buy, sell] = &mut self.paused_until;
        match side {
            Side::Buy => buy,
            Side::Sell => sell,
        }
    }

    /// The refusals in series of a side.
    pub(super) fn rejects_of(&mut self, side: Side) -> &mut u16 {
        let [buy, sell] = &mut self.rejects;
        match side {
            Side::Buy => buy,
            Side::Sell => sell,
        }
    }

    /// Whether it may be traded: both the state for all markets and this market's own must allow it.
    pub(super) fn trading(&self) -> TradingState {
        if self.market_halted { TradingState::MARKET_HALTED } else { self.trading }
    }

    /// Takes the mark from the market: the mid where there is one, else a trade since the last mid.
    pub(super) fn take_mark(&mut self, now: Nanos) {
        if let Some(touch) = self.features.touch {
            (self.mark, self.marked) = (touch.half_ticks(), Some(now));
        } else if let Some((price, at)) = self.last_trade
            && self.marked.is_none_or(|marked| at > marked)
        {
            (self.mark, self.marked) = (price.into(), Some(at));
        }
    }

    /// Takes what the book says of the market after a batch.
    #[inline]
    pub(super) fn see_market(&mut self, now: Nanos, market: &SeenMarket) {
        self.is_wide = market.is_wide;
        self.features.update(now, &market.best);
    }

    /// Takes it between batches: what is known of the book changed, not the market.
    pub(super) fn look_again(&mut self, market: &SeenMarket) {
        self.is_wide = market.is_wide;
        self.features.look_again(&market.best);
    }

    /// What the book said of the market is no longer so. It is judged anew when it is seen again.
    pub(super) fn forget_market(&mut self) {
        self.features.clear();
        (self.is_wide, self.crossed) = (false, None);
    }

    /// Nobody knows what the book holds. What the venue said of the instrument besides stays, but for its state if that
    /// comes anew with a snapshot.
    pub(super) fn lose_book(&mut self, reason: HealthReason) {
        self.fault = Some(reason);
        self.forget_market();
        if reason == HealthReason::SNAPSHOT {
            self.trading = TradingState::UNKNOWN;
        }
    }

    /// Another session gives everything anew: numbers of orders, whether the instrument trades, trades. What is held, and
    /// at what it was valued last, stays.
    pub(super) fn begin_session(&mut self) {
        self.fault = None;
        self.forget_market();
        (self.trading, self.market_halted) = (TradingState::UNKNOWN, false);
        self.last_trade = None;
        self.gone.clear();
    }
}

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) books: Books,
    pub(super) orders: OrderTable,
    pub(super) gate: RiskGate,
    pub(super) instruments: Vec<InstrumentState>,
    pub(super) feeds: Vec<Feed>,
    /// Instruments touched by the batch at hand, in the order of touching.
    pub(super) batch: Vec<InstrumentId>,
    pub(super) phase: SessionPhase,
    /// The gateway whose session it is, once it spoke.
    pub(super) gateway: Option<SourceId>,
    pub(super) running: bool,
    pub(super) storage_low: bool,
    /// The venue said that its order session is over.
    pub(super) session_ended: bool,
    /// The run before was stopped, and nothing of ours was left then.
    pub(super) left_nothing: bool,
    /// The order session began anew, and what became of orders in the old one is not known.
    pub(super) session_doubt: bool,
    /// When the first order of the session was placed, of the lost one where it began anew.
    pub(super) ordered_from: Option<Nanos>,
    /// A latch was set again, by something else, while it was set.
    pub(super) latched_twice: bool,
    pub(super) copy: DropCopyBook,
    /// The time that the timer of overdue answers is armed for.
    pub(super) answers_due: Option<Nanos>,
    /// When the market was last heard.
    pub(super) heard: Option<Nanos>,
    pub(super) gaps: u32,
    /// Inputs refused.
    pub(super) dead_letters: u64,
    /// Venue answers that said again what was known.
    pub(super) repeats: u64,
    /// Profit of all instruments at their marks, less fees.
    pub(super) profit: i128,
    /// What all positions are worth at their marks.
    pub(super) held: Held,
    /// Where the venue's day stands.
    pub(super) day: TradingDay,
}

impl State {
    /// The first state; everything that the hot path needs is reserved. `config` was checked.
    pub(super) fn new(config: &DeskConfig) -> Result<Self, String> {
        let count = config.instruments.len();
        let size =
            |number: u32| usize::try_from(number).map_err(|_| format!("{number} is beyond this machine"));
        let tick_values: Vec<Minor> =
            config.instruments.iter().map(|instrument| instrument.tick_value).collect();
        let mut instruments = Vec::with_capacity(count);
        for tick_value in &tick_values {
            instruments.push(InstrumentState {
                features: Features::new(config.features.volatility()),
                holding: Holding::new(*tick_value).map_err(|error| error.to_string())?,
                trading: TradingState::UNKNOWN,
                market_halted: false,
                health: Health::UNKNOWN,
                fault: None,
                last_trade: None,
                mark: HalfTicks(0),
                marked: None,
                profit: Minor(0),
                value: Minor(0),
                rejects: [0; 2],
                paused_until: [Nanos::ZERO; 2],
                wake: None,
                gone: Gone::new(),
                in_batch: false,
                doubtful: false,
                frozen: false,
                is_wide: false,
                crossed: None,
            });
        }
        Ok(Self {
            books: Books::with_capacity(count, size(config.book_orders)?, size(config.book_levels)?),
            orders: OrderTable::new(&tick_values, size(config.own_orders)?, size(config.own_fills)?)?,
            gate: RiskGate::new(&config.risk)?,
            instruments,
            feeds: Vec::with_capacity(MAX_FEEDS),
            batch: Vec::with_capacity(count),
            phase: SessionPhase::DOWN,
            gateway: None,
            running: false,
            storage_low: false,
            session_ended: false,
            left_nothing: false,
            session_doubt: false,
            ordered_from: None,
            latched_twice: false,
            copy: DropCopyBook::new(),
            answers_due: None,
            heard: None,
            gaps: 0,
            dead_letters: 0,
            repeats: 0,
            profit: 0,
            held: Held::default(),
            day: TradingDay::default(),
        })
    }

    /// The memory that [`Self::new`] takes for sizes that are settings.
    pub(super) fn memory(config: &DeskConfig) -> Vec<Reserved> {
        let count = config.instruments.len();
        let (orders, levels) = (config.book_orders as usize, config.book_levels as usize);
        let books =
            format!("[config] book_orders = {orders}, book_levels = {levels} for {count} instruments");
        let (own, fills) = (config.own_orders, config.own_fills);
        vec![
            Reserved { settings: books, bytes: Books::bytes(count, orders, levels) },
            Reserved {
                settings: format!("[config] own_orders = {own}, own_fills = {fills}"),
                bytes: OrderTable::bytes(own as usize, fills as usize),
            },
            Reserved {
                settings: "[config.risk] message_rate_per_s, message_burst, duplicate_window_ms".to_owned(),
                bytes: RiskGate::bytes(&config.risk),
            },
        ]
    }

    /// Makes a state that was read from a snapshot ready to go on: limits and reserved memory are not in it.
    pub(super) fn resume(&mut self, config: &DeskConfig) -> Result<(), String> {
        let mut fresh = Self::new(config)?;
        if self.orders.sizes() != fresh.orders.sizes() || self.instruments.len() != fresh.instruments.len() {
            return Err("instruments, own_orders or own_fills differ".to_owned());
        }
        if self.books.instruments() != fresh.books.instruments() {
            return Err("the books' instruments differ".to_owned());
        }
        if !self.instruments.iter().all(|instrument| instrument.holding.is_sound()) {
            return Err("a position's numbers are none that trades lead to".to_owned());
        }
        fresh.books.refill(&self.books).map_err(|error| format!("the books: {error}"))?;
        self.books = fresh.books;
        self.gate.reconfigure(&config.risk)?;
        self.copy.reserve();
        self.instruments.iter_mut().for_each(|instrument| instrument.gone.reserve());
        let (feeds, batch) = (self.feeds.len(), self.batch.len());
        self.feeds.reserve(MAX_FEEDS.saturating_sub(feeds));
        self.batch.reserve(fresh.instruments.len().saturating_sub(batch));
        Ok(())
    }

    /// True where `source` is the order session or the drop copy: what it says is no market data.
    pub(super) fn is_venue(&self, source: SourceId) -> bool {
        self.gateway == Some(source) || self.copy.source == Some(source)
    }

    pub(super) fn instrument(&self, id: InstrumentId) -> Option<&InstrumentState> {
        self.instruments.get(id.index())
    }

    pub(super) fn instrument_mut(&mut self, id: InstrumentId) -> Option<&mut InstrumentState> {
        self.instruments.get_mut(id.index())
    }

    /// The batch at hand touches the instrument.
    #[inline]
    pub(super) fn join_batch(&mut self, id: InstrumentId) {
        if let Some(instrument) =
            self.instruments.get_mut(id.index()).filter(|instrument| !instrument.in_batch)
        {
            instrument.in_batch = true;
            self.batch.push(id);
        }
    }

    /// The instrument where its book is valid.
    pub(super) fn valid_mut(&mut self, id: InstrumentId) -> Option<&mut InstrumentState> {
        self.instrument_mut(id).filter(|instrument| instrument.health == Health::VALID)
    }

    /// All instruments' numbers.
    pub(super) fn ids(&self) -> impl Iterator<Item = InstrumentId> + use<> {
        (0..u16::try_from(self.instruments.len()).unwrap_or(u16::MAX)).map(InstrumentId)
    }

    /// Today's profit of the desk.
    pub(super) fn daily_profit(&self) -> Minor {
        pricewright_core::market::portfolio::minor(self.profit - self.day.start_profit())
    }

    /// The worst health of the feeds that spoke; unknown where none did.
    pub(super) fn feed_health(&self) -> Health {
        let worst = self.feeds.iter().map(|feed| feed.health).max_by_key(|health| health.severity());
        worst.unwrap_or(Health::UNKNOWN)
    }

    /// How late the last batch of the latest feed was; `None` where none came.
    pub(super) fn lag(&self) -> Option<Nanos> {
        self.feeds.iter().filter_map(|feed| feed.lag).max()
    }

    /// Remembers the venue's number of an own order that can no longer be executed. Returns its instrument.
    pub(super) fn note_gone(&mut self, client: u64) -> Option<InstrumentId> {
        let order = self.orders.get(client).filter(|order| !order.is_alive() && order.venue_order != 0)?;
        let (id, number) = (order.instrument, order.venue_order);
        let open = self.orders.exposure(id).orders;
        if let Some(instrument) = self.instruments.get_mut(id.index()) {
            instrument.gone.note(number, open);
        }
        Some(id)
    }

    /// The best of each side without our own orders, so that no quote is computed from itself. Says too whether the book
    /// shows one of those that left lately; where `gone_absent` says that it does not, they are not looked for.
    pub(super) fn others(&self, id: InstrumentId, gone_absent: bool) -> (Bbo, bool) {
        let Some(book) = self.books.book(id) else { return (Bbo::default(), false) };
        let (own, gone_shown) = self.own_shown(id, gone_absent);
        if own.count == 0 {
            return (book.bbo(), gone_shown);
        }
        let best = |side| {
            let of_others = |level: Level| {
                let ours = match own.more {
                    false => own.at(side, level.price),
                    true => self.own_at(id, side, level.price),
                };
                let qty = level.qty - ours;
                (qty.0 > 0).then_some(Level { qty, ..level })
            };
            let first = book.best(side)?;
            // Mostly others stand at the best price too.
            of_others(first).or_else(|| book.levels(side).skip(1).find_map(of_others))
        };
        (Bbo { bid: best(Side::Buy), ask: best(Side::Sell) }, gone_shown)
    }

    /// Our orders that the book shows: as the venue names them in the market data and in its answers to us alike, as
    /// Nasdaq does (OUCH 5.0, order reference number). Where a venue does not, there are none.
    fn own_shown(&self, id: InstrumentId, gone_absent: bool) -> (Shown, bool) {
        let mut shown = Shown::default();
        let mut show = |number: u64| {
            let order = if number == 0 { None } else { self.books.order(number) };
            let Some(order) = order.filter(|order| order.instrument == id) else { return false };
            shown.push((order.side, order.price, order.qty));
            true
        };
        for order in self.orders.alive(id) {
            show(order.venue_order);
        }
        let mut gone_shown = false;
        if !gone_absent && let Some(instrument) = self.instrument(id) {
            for number in instrument.gone.numbers() {
                gone_shown |= show(number);
            }
        }
        (shown, gone_shown)
    }

    /// Lots of ours that the book shows at a price, however many orders they are. O(own orders of the instrument).
    fn own_at(&self, id: InstrumentId, side: Side, price: Ticks) -> Lots {
        let gone = self.instrument(id).into_iter().flat_map(|instrument| instrument.gone.numbers());
        let numbers = self.orders.alive(id).map(|order| order.venue_order).chain(gone);
        let shown = numbers.filter(|number| *number != 0).filter_map(|number| self.books.order(number));
        let here = shown.filter(|order| (order.instrument, order.side, order.price) == (id, side, price));
        here.fold(Lots(0), |sum, order| sum + order.qty)
    }

    /// True where `number` is an own order's that left lately.
    #[inline]
    pub(super) fn is_gone(&self, id: InstrumentId, number: u64) -> bool {
        self.instrument(id).is_some_and(|instrument| instrument.gone.contains(number))
    }

    /// Counts an instrument's profit at its mark into the desk's.
    pub(super) fn revalue(&mut self, id: InstrumentId) {
        let Some(instrument) = self.instruments.get_mut(id.index()) else { return };
        let (value, profit) = instrument.holding.value_and_profit(instrument.mark);
        self.profit += i128::from(profit.0) - i128::from(instrument.profit.0);
        instrument.profit = profit;
        self.held.change(core::mem::replace(&mut instrument.value, value), value);
    }
}
