//! Books by level (L2): a fixed-size copy of the top of a book, and a book that is fed by level updates.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ladder::{ChunkPool, Found, Ladder, key_of, price_of};
use super::types::{Bbo, BookError, Level};
use super::view::BookView;
use crate::kernel::{Lots, Side, Ticks};

/// The best `N` levels of each side, copied out of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopLevels<const N: usize> {
    bids: [Level; N],
    asks: [Level; N],
    bid_count: usize,
    ask_count: usize,
}

impl<const N: usize> Default for TopLevels<N> {
    fn default() -> Self {
        Self { bids: [Level::default(); N], asks: [Level::default(); N], bid_count: 0, ask_count: 0 }
    }
}

impl<const N: usize> TopLevels<N> {
    /// The top of `book` now.
    pub fn of(book: &BookView<'_>) -> Self {
        Self::from_levels(book.levels(Side::Buy), book.levels(Side::Sell))
    }

    /// The first `N` of each side; both best first.
    pub fn from_levels(bids: impl Iterator<Item = Level>, asks: impl Iterator<Item = Level>) -> Self {
        let mut top = Self::default();
        top.bid_count = fill(&mut top.bids, bids);
        top.ask_count = fill(&mut top.asks, asks);
        top
    }

    /// The levels of a side, best first; at most `N`.
    pub fn side(&self, side: Side) -> &[Level] {
        let (levels, count) = match side {
            Side::Buy => (&self.bids, self.bid_count),
            Side::Sell => (&self.asks, self.ask_count),
        };
        levels.get(..count).unwrap_or(&[])
    }

    /// The best level of each side.
    pub fn bbo(&self) -> Bbo {
        Bbo { bid: self.side(Side::Buy).first().copied(), ask: self.side(Side::Sell).first().copied() }
    }
}

fn fill(places: &mut [Level], levels: impl Iterator<Item = Level>) -> usize {
    places.iter_mut().zip(levels).map(|(place, level)| *place = level).count()
}

/// What a level update did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelChange {
    /// A level appeared.
    Added,
    /// A level's lots changed, from these.
    Changed(Lots),
    /// A level went, with these lots.
    Removed(Lots),
    /// Removing a level that is not there: some venues send that, and it means nothing.
    Absent,
}

/// One instrument's book by level, fed by updates of the form (side, price, lots; 0 removes), as L2 feeds send them.
/// [`Level::orders`] is 0: such feeds do not count orders.
#[derive(Clone, Debug)]
pub struct DepthBook {
    pool: ChunkPool<Lots>,
    bids: Ladder<Lots>,
    asks: Ladder<Lots>,
    levels_per_side: usize,
}

impl DepthBook {
    /// An empty book with room for `levels_per_side` levels on each side before it grows.
    pub fn with_capacity(levels_per_side: usize) -> Self {
        Self {
            pool: ChunkPool::with_capacity(2, levels_per_side.saturating_mul(2), Lots(0)),
            bids: Ladder::with_capacity(levels_per_side, Lots(0)),
            asks: Ladder::with_capacity(levels_per_side, Lots(0)),
            levels_per_side,
        }
    }

    /// Sets the lots at a price; 0 removes the level.
    ///
    /// # Errors
    /// [`BookError::BadQuantity`] for fewer than 0 lots; nothing is changed then.
    #[inline]
    pub fn set(&mut self, side: Side, price: Ticks, qty: Lots) -> Result<LevelChange, BookError> {
        let key = key_of(side, price);
        let (ladder, pool) = self.side_mut(side);
        if qty.0 < 0 {
            return Err(BookError::BadQuantity);
        }
        if qty.0 == 0 {
            return Ok(ladder.remove(pool, key).map_or(LevelChange::Absent, LevelChange::Removed));
        }
        Ok(match ladder.find_or_insert(pool, key, || qty) {
            Found::New(_) => LevelChange::Added,
            Found::Old(old) => {
                ladder.set(pool, key, qty);
                LevelChange::Changed(old)
            }
        })
    }

    /// Drops all but the best `levels` levels of a side, as venues ask of subscribers to a limited depth.
    pub fn truncate(&mut self, side: Side, levels: usize) {
        let (ladder, pool) = self.side_mut(side);
        while ladder.len() > levels {
            let Some((worst, _)) = ladder.worst(pool) else { return };
            ladder.remove(pool, worst);
        }
    }

    /// Forgets all levels.
    pub fn clear(&mut self) {
        self.bids.clear(&mut self.pool);
        self.asks.clear(&mut self.pool);
    }

    /// The best bid and ask. O(1).
    #[inline]
    pub fn bbo(&self) -> Bbo {
        Bbo { bid: self.best(Side::Buy), ask: self.best(Side::Sell) }
    }

    /// The best level of a side. O(1).
    #[inline]
    pub fn best(&self, side: Side) -> Option<Level> {
        self.side(side).best().map(|(key, qty)| level_of(side, key, qty))
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        self.side(side).iter(&self.pool).map(move |(key, qty)| level_of(side, key, qty))
    }

    /// The level at a price. O(log levels).
    pub fn level(&self, side: Side, price: Ticks) -> Option<Level> {
        let key = key_of(side, price);
        self.side(side).get(&self.pool, key).map(|qty| level_of(side, key, qty))
    }

    /// How many levels a side has.
    pub fn depth(&self, side: Side) -> usize {
        self.side(side).len()
    }

    /// True where the best bid is above the best ask.
    pub fn is_crossed(&self) -> bool {
        matches!(self.bbo(), Bbo { bid: Some(bid), ask: Some(ask) } if bid.price > ask.price)
    }

    /// How often it outgrew its capacity and allocated.
    pub fn growths(&self) -> u64 {
        self.pool.growths()
    }

    fn side(&self, side: Side) -> &Ladder<Lots> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    #[inline]
    fn side_mut(&mut self, side: Side) -> (&mut Ladder<Lots>, &mut ChunkPool<Lots>) {
        match side {
            Side::Buy => (&mut self.bids, &mut self.pool),
            Side::Sell => (&mut self.asks, &mut self.pool),
        }
    }
}

fn level_of(side: Side, key: i64, qty: Lots) -> Level {
    Level { price: price_of(side, key), qty, orders: 0 }
}

#[derive(Serialize, Deserialize)]
struct Content {
    levels_per_side: usize,
    bids: Vec<(Ticks, Lots)>,
    asks: Vec<(Ticks, Lots)>,
}

impl Serialize for DepthBook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let levels = |side| self.levels(side).map(|level| (level.price, level.qty)).collect();
        let (bids, asks) = (levels(Side::Buy), levels(Side::Sell));
        Content { levels_per_side: self.levels_per_side, bids, asks }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DepthBook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = Content::deserialize(deserializer)?;
        if content.levels_per_side > 1 << 31 {
            return Err(D::Error::custom("the capacity of the book is beyond all bounds"));
        }
        // Taken is what the content needs, not what it claims.
        let mut book = Self::with_capacity(content.bids.len().max(content.asks.len()));
        book.levels_per_side = content.levels_per_side;
        for (side, levels) in [(Side::Buy, &content.bids), (Side::Sell, &content.asks)] {
            for (price, qty) in levels {
                book.set(side, *price, *qty).map_err(|error| D::Error::custom(format_args!("{error}")))?;
            }
        }
        Ok(book)
    }
}

#[cfg(test)]
mod tests;
