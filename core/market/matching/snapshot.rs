//! The serialised form of an engine: its books, and owner, token and chain of each order by number.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::engine::MatchingEngine;
use super::events::{Chain, OwnerToken, SelfMatch};
use crate::market::book::Books;

#[derive(Serialize)]
struct Content<'a> {
    books: &'a Books,
    owned: Vec<(u64, OwnerToken, Chain)>,
    self_match: SelfMatch,
    next_order: u64,
    next_match: u64,
}

#[derive(Deserialize)]
struct OwnedContent {
    books: Books,
    owned: Vec<(u64, OwnerToken, Chain)>,
    self_match: SelfMatch,
    next_order: u64,
    next_match: u64,
}

impl Serialize for MatchingEngine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut owned: Vec<_> = self.open_orders().map(|open| (open.order, open.key, open.chain)).collect();
        owned.sort_unstable_by_key(|(order, ..)| *order);
        let (books, self_match) = (&self.books, self.self_match);
        Content { books, owned, self_match, next_order: self.next_order, next_match: self.next_match }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MatchingEngine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = OwnedContent::deserialize(deserializer)?;
        if content.owned.len() != content.books.len() {
            return Err(D::Error::custom("the books' orders and their owners differ in number"));
        }
        // As for the books: taken is what the content needs, not what it claims.
        let room = content.books.len();
        let mut engine = Self::over(content.books, room, content.self_match);
        engine.next_order = content.next_order;
        engine.next_match = content.next_match;
        for (order, key, chain) in content.owned {
            let slot = engine.books.slot_of(order);
            let Some(slot) = slot.filter(|_| order < engine.next_order && engine.open_order(key).is_none())
            else {
                return Err(D::Error::custom(format_args!("order {order} does not belong to the books")));
            };
            engine.remember(slot, key, chain);
        }
        Ok(engine)
    }
}
