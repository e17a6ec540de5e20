//! Market data into books: batches, health, marks.
//!
//! A book is valid while every feed that spoke is valid, has spoken in this run, and no update contradicted the book. A
//! contradiction makes it stale until it starts anew ([`BookCleared`]): a book that is silently wrong is the worst
//! failure. A feed that knows of an instrument that it cannot be relied on says so in the same record.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::table::{
    ALL_INSTRUMENTS, BookCleared, BookTransition, Dropped, FeedHealth, Mark, OrderAdd, OrderDeleted,
    OrderExecuted, OrderExecutedAt, OrderReduced, OrderReplaced, Trade, TradingStatus, market_flags,
};
use pricewright_core::kernel::{
    Bps, Control, Health, HealthReason, InstrumentId, Lots, Nanos, Probe, RejectReason, Side, SourceId, Text,
    Ticks, TradingState,
};
use pricewright_core::market::book::{Bbo, Touched};
use pricewright_core::market::portfolio::{HalfTicks, in_range};
use pricewright_core::market::risk::is_within;

use super::desk::Desk;
use super::state::{Feed, MAX_FEEDS, SeenMarket, Turn};

/// How long a book may be locked or crossed while its instrument trades: messages that belong together come within less.
const CROSSED_MAX: Nanos = Nanos::from_millis(1_000);

impl Desk {
    pub(super) fn on_order_add<P: Probe>(&mut self, event: &OrderAdd, turn: &mut Turn<'_, P>) {
        let qty = Lots(i64::from(event.qty));
        let added = event.side.side().is_some_and(|side| {
            self.entered(event.instrument, event.order);
            self.memo.level_changed(event.instrument, side, event.price);
            self.state.books.add(event.instrument, event.order, side, event.price, qty).is_ok()
        });
        self.judge_price(event.instrument, event.price, turn);
        let touched = added.then_some(event.instrument);
        self.judge(event.order, touched, (event.instrument, event.flags), turn);
    }

    pub(super) fn on_order_executed<P: Probe>(&mut self, event: &OrderExecuted, turn: &mut Turn<'_, P>) {
        let touched = self.state.books.execute(event.order, Lots(i64::from(event.qty))).ok();
        if let Some(touched) = touched {
            self.traded(touched.instrument, touched.price, turn.now);
        }
        self.applied(event.order, touched, (event.instrument, event.flags), turn);
    }

    pub(super) fn on_order_executed_at<P: Probe>(&mut self, event: &OrderExecutedAt, turn: &mut Turn<'_, P>) {
        let touched = self.state.books.execute(event.order, Lots(i64::from(event.qty))).ok();
        self.traded(event.instrument, event.price, turn.now);
        self.applied(event.order, touched, (event.instrument, event.flags), turn);
    }

    pub(super) fn on_order_reduced<P: Probe>(&mut self, event: &OrderReduced, turn: &mut Turn<'_, P>) {
        let touched = self.state.books.reduce(event.order, Lots(i64::from(event.qty))).ok();
        self.applied(event.order, touched, (event.instrument, event.flags), turn);
    }

    pub(super) fn on_order_deleted<P: Probe>(&mut self, event: &OrderDeleted, turn: &mut Turn<'_, P>) {
        let touched = self.state.books.delete(event.order).ok();
        self.applied(event.order, touched, (event.instrument, event.flags), turn);
    }

    pub(super) fn on_order_replaced<P: Probe>(&mut self, event: &OrderReplaced, turn: &mut Turn<'_, P>) {
        let qty = Lots(i64::from(event.qty));
        let touched = self.state.books.replace(event.order, event.new_order, event.price, qty).ok();
        if let Some(touched) = touched {
            self.entered(touched.instrument, event.new_order);
            self.memo.level_changed(touched.instrument, touched.side, event.price);
        }
        self.judge_price(event.instrument, event.price, turn);
        self.applied(event.order, touched, (event.instrument, event.flags), turn);
    }

    pub(super) fn on_trade<P: Probe>(&mut self, event: &Trade, turn: &mut Turn<'_, P>) {
        self.traded(event.instrument, event.price, turn.now);
        self.updated(event.instrument, true, event.flags, turn);
    }

    pub(super) fn on_trading_status<P: Probe>(&mut self, event: &TradingStatus, turn: &mut Turn<'_, P>) {
        let day_is_over = self.state.day.is_halted();
        if let Some(instrument) = self.state.instrument_mut(event.instrument) {
            match event.state {
                TradingState::MARKET_HALTED => instrument.market_halted = true,
                TradingState::MARKET_RESUMED => instrument.market_halted = false,
                TradingState::TRADING if day_is_over => {}
                state => instrument.trading = state,
            }
        }
        self.updated(event.instrument, true, event.flags, turn);
        self.act(event.instrument, turn);
    }

    /// An order with this number enters the book: it may be one of ours that left before the market data showed it.
    #[inline]
    fn entered(&mut self, id: InstrumentId, number: u64) {
        if self.state.is_gone(id, number) {
            self.memo.keep_gone_absent(id, false);
        }
    }

    fn traded(&mut self, id: InstrumentId, price: Ticks, now: Nanos) {
        if let Some(instrument) = self.state.instrument_mut(id).filter(|_| in_range(price)) {
            instrument.last_trade = Some((price, now));
        }
    }

    /// A price beyond what the desk computes with makes its book useless.
    fn judge_price<P: Probe>(&mut self, id: InstrumentId, price: Ticks, turn: &mut Turn<'_, P>) {
        if !in_range(price) {
            self.distrust(id, HealthReason::BAD_DATA, turn);
        }
    }

    /// After a command on an order that rested; `None` where it was refused.
    #[inline]
    fn applied<P: Probe>(
        &mut self,
        order: u64,
        touched: Option<Touched>,
        place: (InstrumentId, u8),
        turn: &mut Turn<'_, P>,
    ) {
        let touched = touched.map(|touched| {
            self.memo.order_changed(&touched);
            touched.instrument
        });
        self.judge(order, touched, place, turn);
    }

    /// `touched` is the instrument whose book changed, `None` where none did. Where that is another than the update says,
    /// or its order rests in another, neither book can be trusted.
    fn judge<P: Probe>(
        &mut self,
        order: u64,
        touched: Option<InstrumentId>,
        (id, flags): (InstrumentId, u8),
        turn: &mut Turn<'_, P>,
    ) {
        if touched != Some(id) {
            let resting = || self.state.books.order(order).map(|order| order.instrument);
            if let Some(other) = touched.or_else(resting).filter(|other| *other != id) {
                self.distrust(other, HealthReason::BAD_DATA, turn);
            }
        }
        self.updated(id, touched == Some(id), flags, turn);
    }

    /// After each update: the book is trusted no longer where it was contradicted; the batch may end here.
    fn updated<P: Probe>(&mut self, id: InstrumentId, sound: bool, flags: u8, turn: &mut Turn<'_, P>) {
        self.state.heard = Some(turn.now);
        match self.state.instrument_mut(id) {
            Some(instrument) if instrument.in_batch => {}
            Some(_) => self.state.join_batch(id),
            None => {
                let letter = (u64::from(id.0), RejectReason::UNKNOWN_KEY);
                self.dead_letter(letter, None, "market data of an instrument that is not configured", turn);
            }
        }
        if !sound {
            self.distrust(id, HealthReason::BAD_DATA, turn);
        }
        if flags & market_flags::LAST_IN_BATCH != 0 {
            self.end_batch(turn);
        }
    }

    /// The books are complete up to here: features, marks, then strategies.
    pub(super) fn end_batch<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        let mut batch = core::mem::take(&mut self.state.batch);
        for id in &batch {
            if let Some(instrument) = self.state.instrument_mut(*id) {
                instrument.in_batch = false;
            }
            let market = self.market(*id);
            let mut is_clear = true;
            if let Some(instrument) = self.state.valid_mut(*id) {
                instrument.see_market(turn.now, &market);
                is_clear = instrument.features.touch.is_some() && instrument.crossed.is_none();
            }
            if !is_clear {
                self.watch_cross(*id, turn);
            }
            self.mark(*id, turn.now);
        }
        self.check_loss(turn);
        for id in &batch {
            self.act(*id, turn);
        }
        batch.clear();
        self.state.batch = batch;
    }

    /// The best of each side without our own orders.
    #[inline]
    fn others(&mut self, id: InstrumentId) -> Bbo {
        let changes = self.state.orders.changes();
        if let Some(bbo) = self.memo.others(id, changes) {
            return bbo;
        }
        let (bbo, gone_shown) = self.state.others(id, self.memo.gone_absent(id));
        self.memo.keep_gone_absent(id, !gone_shown);
        self.memo.keep_others(id, changes, bbo);
        bbo
    }

    /// The best of each side without our own orders, as far as they say what the price is; and whether they lie too far apart
    /// for that. An order at either of them would be refused by the band around their middle: a stub quote behind one that
    /// left is no price to quote around, nor to value a position at.
    #[inline]
    fn market(&mut self, id: InstrumentId) -> SeenMarket {
        let best = self.others(id);
        match is_wide(&best, self.config.risk.band_bps) {
            true => SeenMarket { best: Bbo::default(), is_wide: true },
            false => SeenMarket { best, is_wide: false },
        }
    }

    /// A venue does not leave its own book locked or crossed while it trades: some message was wrong.
    #[cold]
    pub(super) fn watch_cross<P: Probe>(&mut self, id: InstrumentId, turn: &mut Turn<'_, P>) {
        let crossed = self.state.books.book(id).is_some_and(|book| {
            let best = (book.best(Side::Buy), book.best(Side::Sell));
            matches!(best, (Some(bid), Some(ask)) if bid.price >= ask.price)
        });
        let Some(instrument) = self.state.valid_mut(id) else { return };
        if !crossed || instrument.trading() != TradingState::TRADING {
            instrument.crossed = None;
            return;
        }
        let since = *instrument.crossed.get_or_insert(turn.now);
        if turn.now.0.saturating_sub(since.0) >= CROSSED_MAX.0 {
            turn.step(
                "the book has been crossed for a second while the instrument trades: a message was wrong",
            );
            self.distrust(id, HealthReason::BAD_DATA, turn);
        }
    }

    /// Between batches: an order in the book may be known as ours only now.
    pub(super) fn look_again(&mut self, id: InstrumentId, now: Nanos) {
        let market = self.market(id);
        if let Some(instrument) = self.state.valid_mut(id).filter(|instrument| !instrument.in_batch) {
            instrument.look_again(&market);
            self.mark(id, now);
        }
    }

    /// Values the position anew, at what the market says where its book is valid.
    pub(super) fn mark(&mut self, id: InstrumentId, now: Nanos) {
        if let Some(instrument) = self.state.valid_mut(id) {
            instrument.take_mark(now);
        }
        self.state.revalue(id);
    }

    /// Sets the kill latch where today's loss reached its limit.
    pub(super) fn check_loss<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        if let Some(breach) = self.state.gate.check_loss(self.state.daily_profit()) {
            self.tell_latch(breach.control, breach.value, breach.limit, Text::default(), turn);
            self.act_on_all(turn);
        }
    }

    fn distrust<P: Probe>(&mut self, id: InstrumentId, reason: HealthReason, turn: &mut Turn<'_, P>) {
        let position = self.state.feeds.first().map_or(0, |feed| feed.position);
        if let Some(instrument) = self.state.instrument_mut(id) {
            // A book that is being filled and contradicts itself is not whole when its feed says so.
            let filling = instrument.fault == Some(HealthReason::SNAPSHOT);
            if filling {
                instrument.fault = Some(reason);
                self.tell_transition(id, (Health::STALE, Health::STALE), reason, (position, 0), turn);
            } else {
                instrument.fault.get_or_insert(reason);
            }
            self.refresh_health(id, reason, (position, 0), turn);
            self.act(id, turn);
        }
    }

    /// Tells where an instrument's health changed. `position` is the source's next one, and how many are missing.
    fn refresh_health<P: Probe>(
        &mut self,
        id: InstrumentId,
        reason: HealthReason,
        position: (u64, u64),
        turn: &mut Turn<'_, P>,
    ) {
        let feed = self.state.feed_health();
        let Some(instrument) = self.state.instrument_mut(id) else { return };
        let to = if instrument.fault.is_some() { Health::STALE } else { feed };
        let from = core::mem::replace(&mut instrument.health, to);
        if from == to {
            return;
        }
        if from == Health::VALID {
            instrument.forget_market();
        }
        if to == Health::VALID {
            self.see_again(id, turn.now);
        }
        turn.step("the book's health changed");
        self.tell_transition(id, (from, to), reason, position, turn);
    }

    fn tell_transition<P: Probe>(
        &mut self,
        id: InstrumentId,
        (from, to): (Health, Health),
        reason: HealthReason,
        (position, missing): (u64, u64),
        turn: &mut Turn<'_, P>,
    ) {
        turn.emit(&BookTransition {
            position,
            missing,
            orders: self.orders_in_book(id),
            instrument: id,
            from,
            to,
            reason,
            spare: [0; 3],
        });
    }

    /// The book is valid again; one in the middle of a batch is looked at when that ends.
    fn see_again(&mut self, id: InstrumentId, now: Nanos) {
        let market = self.market(id);
        if let Some(instrument) = self.state.valid_mut(id).filter(|instrument| !instrument.in_batch) {
            instrument.see_market(now, &market);
            self.mark(id, now);
        }
    }

    fn orders_in_book(&self, id: InstrumentId) -> u64 {
        let Some(book) = self.state.books.book(id) else { return 0 };
        let levels = book.levels(Side::Buy).chain(book.levels(Side::Sell));
        levels.map(|level| u64::from(level.orders)).sum()
    }

    pub(super) fn on_feed_health<P: Probe>(&mut self, event: &FeedHealth, turn: &mut Turn<'_, P>) {
        let (source, position) = (event.source, event.expected);
        let Some(feed) = self.feed(source, turn) else { return };
        (feed.health, feed.position) = (event.health, position);
        if event.reason == HealthReason::GAP && event.health != Health::VALID {
            self.state.gaps = self.state.gaps.saturating_add(1);
        }
        // What made a book wrong does not heal by hearing on: a feed that was restarted has forgotten it, a book has not.
        let lasting = matches!(
            event.reason,
            HealthReason::BAD_DATA
                | HealthReason::OVERRUN
                | HealthReason::WENT_BACK
                | HealthReason::SNAPSHOT_AWAITED
        );
        for id in self.state.ids() {
            if let Some(instrument) = self.state.instrument_mut(id) {
                match instrument.fault {
                    None if lasting => instrument.fault = Some(event.reason),
                    // Whole again: all of the snapshot and all that was kept behind it is in the book.
                    Some(HealthReason::SNAPSHOT) if event.reason == HealthReason::RESTORED => {
                        instrument.fault = None;
                    }
                    _ => {}
                }
            }
            self.refresh_health(id, event.reason, (position, event.missing), turn);
        }
        self.check_loss(turn);
        self.act_on_all(turn);
    }

    /// A run begins: what an earlier one was told of its feeds is not what they are now. No book is believed, and no quote
    /// stands, until each of them has spoken.
    pub(super) fn doubt_feeds<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        let position = self.state.feeds.first().map_or(0, |feed| feed.position);
        self.state.feeds.iter_mut().for_each(|feed| feed.health = Health::UNKNOWN);
        for id in self.state.ids() {
            self.refresh_health(id, HealthReason::RESTART, (position, 0), turn);
        }
    }

    pub(super) fn on_book_cleared<P: Probe>(&mut self, event: &BookCleared, turn: &mut Turn<'_, P>) {
        if let Some(feed) = self.state.feeds.iter_mut().find(|feed| feed.source == event.source) {
            feed.position = event.position;
        }
        if event.instrument == ALL_INSTRUMENTS {
            self.state.day.begin_session();
        }
        for id in self.state.ids().filter(|id| event.instrument == ALL_INSTRUMENTS || event.instrument == *id)
        {
            self.state.books.clear(id);
            self.memo.forget_others(id);
            if let Some(instrument) = self.state.instrument_mut(id) {
                match event.health {
                    Health::STALE => instrument.lose_book(event.reason),
                    _ => instrument.begin_session(),
                }
            }
            self.refresh_health(id, event.reason, (event.position, 0), turn);
            self.act(id, turn);
        }
        self.state.heard = Some(turn.now);
        if event.flags & market_flags::LAST_IN_BATCH != 0 {
            self.end_batch(turn);
        }
    }

    /// Records were lost on their way. Market data: no book can be trusted. Answers of the venue: neither can our orders.
    pub(super) fn on_dropped<P: Probe>(&mut self, event: &Dropped, turn: &mut Turn<'_, P>) {
        if self.state.is_venue(event.source) {
            let lost = i64::try_from(event.count).unwrap_or(i64::MAX);
            self.latch(Control::SESSION, lost, 0, Text::default(), turn);
            self.act_on_all(turn);
            return;
        }
        self.state.gaps = self.state.gaps.saturating_add(1);
        for id in self.state.ids() {
            self.distrust(id, HealthReason::OVERRUN, turn);
        }
    }

    /// How late the market data is, counted from the kernel's stamp where there is one. The gateway's marks say how late its answers are, which is another matter.
    pub(super) fn on_mark<P: Probe>(&mut self, event: &Mark, turn: &mut Turn<'_, P>) {
        if self.state.is_venue(event.source) {
            return;
        }
        let (was_late, known) = (self.is_late(), self.state.feeds.len());
        let position = event.first.saturating_add(u64::from(event.count));
        let Some(feed) = self.feed(event.source, turn) else { return };
        feed.position = position;
        feed.lag = Some(Nanos(turn.now.0.saturating_sub(event.arrived().0).max(0)));
        let is_new = self.state.feeds.len() > known;
        if is_new {
            for id in self.state.ids() {
                self.refresh_health(id, HealthReason::START, (position, 0), turn);
            }
        }
        if is_new || was_late != self.is_late() {
            self.act_on_all(turn);
        }
    }

    /// What is known of a feed, from its first word on. One too many makes every book stale: nobody follows its health.
    fn feed<P: Probe>(&mut self, source: SourceId, turn: &mut Turn<'_, P>) -> Option<&mut Feed> {
        let known = self.state.feeds.iter().position(|feed| feed.source == source);
        let index = known.unwrap_or(self.state.feeds.len());
        if known.is_none() && index < MAX_FEEDS {
            self.state.feeds.push(Feed { source, health: Health::UNKNOWN, position: 0, lag: None });
        } else if known.is_none() {
            let letter = (u64::from(source.0), RejectReason::CAPACITY);
            self.dead_letter(letter, Some(source), "more feeds than the desk can follow", turn);
            for id in self.state.ids() {
                self.distrust(id, HealthReason::OVERRUN, turn);
            }
        }
        self.state.feeds.get_mut(index)
    }
}

/// Whether the sides of `bbo` lie beyond `band` from their middle, both equally far.
#[inline]
fn is_wide(bbo: &Bbo, band: Bps) -> bool {
    let (Some(bid), Some(ask)) = (bbo.bid, bbo.ask) else { return false };
    let middle = HalfTicks(bid.price.0.saturating_add(ask.price.0));
    bid.price < ask.price && !is_within(ask.price, middle, band)
}
