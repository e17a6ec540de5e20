//! Outside orders over a recorded book.

use pricewright_core::kernel::{InstrumentId, Lots, Side, Ticks, TimeInForce};
use pricewright_core::market::book::{Books, OrderView, Touched};
use pricewright_core::market::matching::{
    Accepted, Chain, Deleted, Executed, Lapsed, MatchSink, NewOrder, OpenOrder, OwnerToken, Reduced, Refusal,
    Rejected, RemovalReason, Replaced, Replacement,
};

/// Numbers of outside orders and matches begin here, far above those of any recorded day.
const FIRST_NUMBER: u64 = 1 << 61;
/// Whose the recorded orders are.
const NO_ONE: OwnerToken = OwnerToken { owner: 0, token: 0 };

/// What happened in the recorded market.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// An order joined the book.
    Added(OrderView),
    /// A displayed order was executed.
    Executed { order: u64, touched: Touched, qty: Lots },
    /// A displayed order lost lots without a trade; 0 left where it is gone.
    Reduced { order: u64, touched: Touched },
    /// A trade with a hidden order.
    Printed { instrument: InstrumentId, price: Ticks, qty: Lots },
}

/// A resting outside order.
#[derive(Clone, Debug)]
struct Resting {
    open: OpenOrder,
    /// The recorded orders before it at its price that are still there.
    ahead: Vec<u64>,
}

/// All resting outside orders, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside {
    resting: Vec<Resting>,
    numbers: u64,
    matches: u64,
}

/// True where an order of this side and price trades with one at `other`.
pub(super) fn meets(side: Side, price: Ticks, other: Ticks) -> bool {
    if side == Side::Buy { price >= other } else { price <= other }
}

/// True where an order of this side at `price` has precedence by price over one at `other`.
fn is_better(side: Side, price: Ticks, other: Ticks) -> bool {
    if side == Side::Buy { price > other } else { price < other }
}

impl Outside {
    pub(super) fn enter<S: MatchSink>(&mut self, new: &NewOrder, books: &Books, sink: &mut S) {
        if let Some(reason) = self.refusal(new, books) {
            return sink.rejected(&Rejected { key: new.key, reason });
        }
        let order = self.number();
        let live = new.tif != TimeInForce::IOC || crosses(new, books);
        sink.accepted(&Accepted { order, new: *new, live });
        if live {
            self.run(order, new, Chain::default(), books, sink);
        }
    }

    pub(super) fn cancel<S: MatchSink>(&mut self, key: OwnerToken, keep: Lots, sink: &mut S) {
        let Some(at) = self.position(key) else {
            return sink.rejected(&Rejected { key, reason: Refusal::UnknownOrder });
        };
        let Some(Resting { open, .. }) = self.resting.get_mut(at) else { return };
        if keep.0 < 0 || keep >= open.qty {
            let reason = if keep.0 < 0 { Refusal::BadQuantity } else { Refusal::NothingToCancel };
            sink.rejected(&Rejected { key, reason });
        } else if keep.0 == 0 {
            self.delete(at, RemovalReason::User, sink);
        } else {
            let OpenOrder { order, instrument, .. } = *open;
            let qty = open.qty - keep;
            open.qty = keep;
            sink.reduced(&Reduced { order, key, instrument, qty, left: keep });
        }
    }

    pub(super) fn replace<S: MatchSink>(
        &mut self,
        key: OwnerToken,
        with: &Replacement,
        books: &Books,
        sink: &mut S,
    ) {
        let new_key = OwnerToken { owner: key.owner, token: with.token };
        let Some(at) = self.position(key) else {
            return sink.rejected(&Rejected { key: new_key, reason: Refusal::UnknownOrder });
        };
        let Some(open) = self.resting.get(at).map(|resting| resting.open) else { return };
        let OpenOrder { instrument, side, .. } = open;
        let (price, qty, tif) = (with.price, with.qty, with.tif);
        let new = NewOrder { key: new_key, instrument, side, price, qty, tif };
        match self.refusal(&new, books) {
            Some(reason @ Refusal::DuplicateToken) => sink.rejected(&Rejected { key: new_key, reason }),
            Some(Refusal::WouldTake) => self.delete(at, RemovalReason::WouldTake, sink),
            Some(_) => self.delete(at, RemovalReason::BadReplacement, sink),
            None => {
                self.resting.remove(at);
                let order = self.number();
                let live = tif != TimeInForce::IOC || crosses(&new, books);
                let (old_order, old_token, old_qty) = (open.order, key.token, open.qty);
                // It is never displayed, resting or not: the recorded book stays as it is.
                sink.replaced(&Replaced {
                    old_order,
                    old_token,
                    old_qty,
                    order,
                    new,
                    displayed: false,
                    live,
                });
                if live {
                    self.run(order, &new, open.chain, books, sink);
                }
            }
        }
    }

    pub(super) fn cancel_owner<S: MatchSink>(&mut self, owner: u32, reason: RemovalReason, sink: &mut S) {
        while let Some(at) = self.resting.iter().position(|resting| resting.open.key.owner == owner) {
            self.delete(at, reason, sink);
        }
    }

    pub(super) fn open_order(&self, key: OwnerToken) -> Option<OpenOrder> {
        self.resting.get(self.position(key)?).map(|resting| resting.open)
    }

    /// Lets resting orders trade because of what happened in the recorded market.
    pub(super) fn on_event<S: MatchSink>(&mut self, event: &Event, sink: &mut S) {
        if self.resting.is_empty() {
            return;
        }
        match *event {
            Event::Added(added) => {
                let crossed = |open: &OpenOrder| {
                    open.instrument == added.instrument
                        && open.side != added.side
                        && meets(added.side, added.price, open.price)
                };
                self.fill(added.qty, |resting| crossed(&resting.open), sink);
            }
            Event::Executed { order, touched, qty } => {
                let passed = |resting: &Resting| {
                    let open = &resting.open;
                    let same = (open.instrument, open.side) == (touched.instrument, touched.side);
                    let level = open.price == touched.price && !resting.is_behind(order);
                    same && (level || is_better(open.side, open.price, touched.price))
                };
                self.fill(qty, passed, sink);
                self.bring_forward(order, touched.left);
            }
            Event::Reduced { order, touched } => self.bring_forward(order, touched.left),
            Event::Printed { instrument, price, qty } => {
                let passed = |open: &OpenOrder| {
                    open.instrument == instrument && is_better(open.side, open.price, price)
                };
                self.fill(qty, |resting| passed(&resting.open), sink);
            }
        }
    }

    /// Fills the orders that `is_hit` names, best price first, then earliest, with at most `qty` lots in all.
    fn fill<S: MatchSink>(&mut self, qty: Lots, is_hit: impl Fn(&Resting) -> bool, sink: &mut S) {
        let mut left = qty;
        while left.0 > 0 {
            let hit = self.resting.iter().enumerate().filter(|(_, resting)| is_hit(resting));
            // Of equals, `min_by_key` gives the first.
            let best = hit.min_by_key(|(_, Resting { open, .. })| -open.side.sign() * open.price.0);
            let Some(at) = best.map(|(at, _)| at) else { return };
            left -= self.fill_one(at, left, sink);
        }
    }

    fn fill_one<S: MatchSink>(&mut self, at: usize, most: Lots, sink: &mut S) -> Lots {
        let match_number = self.next_match();
        let Some(Resting { open, .. }) = self.resting.get_mut(at) else { return most };
        let qty = open.qty.min(most);
        open.qty -= qty;
        open.chain.executed += qty;
        let OpenOrder { order, key, instrument, side, price, qty: left, .. } = *open;
        if left.0 == 0 {
            self.resting.remove(at);
        }
        sink.executed(&Executed {
            match_number,
            instrument,
            price,
            qty,
            order,
            key,
            side,
            left,
            incoming: 0,
            incoming_key: NO_ONE,
            incoming_left: Lots(0),
        });
        qty
    }

    /// An order of the recorded book has `left` lots now.
    fn bring_forward(&mut self, order: u64, left: Lots) {
        if left.0 == 0 {
            self.resting.iter_mut().for_each(|resting| resting.ahead.retain(|ahead| *ahead != order));
        }
    }

    /// Trades an accepted order with the displayed book, then rests or lapses what is left.
    fn run<S: MatchSink>(&mut self, order: u64, new: &NewOrder, before: Chain, books: &Books, sink: &mut S) {
        let NewOrder { key, instrument, side, price, .. } = *new;
        let mut qty = new.qty;
        let book = books.book(instrument);
        let levels = book.iter().flat_map(|book| book.levels(side.opposite()));
        for level in levels.take_while(|level| meets(side, price, level.price)) {
            let front = book.and_then(|book| book.orders(side.opposite(), level.price).next());
            let traded = qty.min(level.qty);
            qty -= traded;
            let match_number = self.next_match();
            sink.executed(&Executed {
                match_number,
                instrument,
                price: level.price,
                qty: traded,
                order: front.map_or(0, |front| front.order),
                key: NO_ONE,
                side: side.opposite(),
                left: level.qty,
                incoming: order,
                incoming_key: key,
                incoming_left: qty,
            });
            if qty.0 == 0 {
                return;
            }
        }
        if new.tif == TimeInForce::IOC {
            let reason = RemovalReason::ImmediateOrCancel;
            return sink.lapsed(&Lapsed { order, key, instrument, qty, reason });
        }
        let queue = book.iter().flat_map(|book| book.orders(side, price));
        let ahead = queue.map(|ahead| ahead.order).collect();
        let chain = Chain { executed: before.executed + (new.qty - qty), ..before };
        let open = OpenOrder { order, key, instrument, side, price, qty, chain };
        self.resting.push(Resting { open, ahead });
    }

    fn refusal(&self, new: &NewOrder, books: &Books) -> Option<Refusal> {
        if new.qty.0 <= 0 {
            Some(Refusal::BadQuantity)
        } else if self.position(new.key).is_some() {
            Some(Refusal::DuplicateToken)
        } else if new.tif == TimeInForce::POST_ONLY && crosses(new, books) {
            Some(Refusal::WouldTake)
        } else {
            None
        }
    }

    fn delete<S: MatchSink>(&mut self, at: usize, reason: RemovalReason, sink: &mut S) {
        let OpenOrder { order, key, instrument, qty, .. } = self.resting.remove(at).open;
        sink.deleted(&Deleted { order, key, instrument, qty, reason });
    }

    fn position(&self, key: OwnerToken) -> Option<usize> {
        self.resting.iter().position(|resting| resting.open.key == key)
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        FIRST_NUMBER + self.numbers
    }

    fn next_match(&mut self) -> u64 {
        self.matches += 1;
        FIRST_NUMBER + self.matches
    }
}

impl Resting {
    fn is_behind(&self, order: u64) -> bool {
        self.ahead.contains(&order)
    }
}

fn crosses(new: &NewOrder, books: &Books) -> bool {
    let best = books.book(new.instrument).and_then(|book| book.best(new.side.opposite()));
    best.is_some_and(|best| meets(new.side, new.price, best.price))
}
