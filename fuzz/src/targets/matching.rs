//! The matching engine: the same events and the same open orders as its naive twin, never a crossed book, and a state that
//! is written and read is the same.

use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::{InstrumentId, Lots, Side, Ticks, TimeInForce};
use pricewright_core::market::matching::naive::NaiveEngine;
use pricewright_core::market::matching::{
    MatchEvent, MatchingEngine, NewOrder, OpenOrder, OwnerToken, RemovalReason, Replacement, SelfMatch,
};

use super::wire;
use crate::input::Input;

const RULES: [SelfMatch; 4] =
    [SelfMatch::Allow, SelfMatch::CancelResting, SelfMatch::CancelIncoming, SelfMatch::Decrement];

struct Twins {
    fast: MatchingEngine,
    naive: NaiveEngine,
    left: Vec<MatchEvent>,
    right: Vec<MatchEvent>,
}

impl Twins {
    fn step(&mut self, input: &mut Input<'_>) {
        let key = OwnerToken { owner: input.below(3) as u32, token: input.below(24) as u64 };
        let price = Ticks(match input.byte() {
            0 => i64::MIN,
            1 => i64::MAX,
            price => i64::from(price % 9) - 4,
        });
        let qty = Lots(match input.byte() {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => i64::MAX / 3,
            qty => i64::from(qty % 14) - 1,
        });
        let tif = match input.byte() {
            0 => TimeInForce(9),
            1..40 => TimeInForce::IOC,
            40..80 => TimeInForce::POST_ONLY,
            _ => TimeInForce::DAY,
        };
        let overflows = self.overflows(qty);
        let (left, right) = (&mut self.left, &mut self.right);
        match input.below(8) {
            0..=4 => {
                let side = if input.one_in(2) { Side::Buy } else { Side::Sell };
                let instrument = InstrumentId(input.below(3) as u16);
                let new = NewOrder { key, instrument, side, price, qty, tif };
                if overflows {
                    // The twin counts a level in 64 bits and refuses nothing: the engine alone must not panic.
                    return self.fast.clone().enter(&new, left);
                }
                self.fast.enter(&new, left);
                self.naive.enter(&new, right);
            }
            5 => {
                self.fast.cancel(key, qty, left);
                self.naive.cancel(key, qty, right);
            }
            6 => {
                let with = Replacement { token: input.below(24) as u64, price, qty, tif };
                if overflows {
                    return self.fast.clone().replace(key, &with, left);
                }
                self.fast.replace(key, &with, left);
                self.naive.replace(key, &with, right);
            }
            _ => {
                self.fast.cancel_owner(key.owner, RemovalReason::Disconnect, left);
                self.naive.cancel_owner(key.owner, RemovalReason::Disconnect, right);
            }
        }
        assert_eq!(self.left, self.right, "the events of the engine and of its twin");
    }

    /// Whether the lots of all open orders and `qty` may exceed 64 bits.
    fn overflows(&self, qty: Lots) -> bool {
        let open: i128 = self.naive.live().iter().map(|order| i128::from(order.qty.0)).sum();
        open + i128::from(qty.0.max(0)) > i128::from(i64::MAX)
    }

    fn check(&mut self) {
        self.left.clear();
        self.right.clear();
        let mut open: Vec<OpenOrder> = self.fast.open_orders().collect();
        let mut expected = self.naive.live().to_vec();
        open.sort_unstable_by_key(|order| order.order);
        expected.sort_unstable_by_key(|order| order.order);
        assert_eq!(open, expected);
        for book in (0..2).filter_map(|id| self.fast.book(InstrumentId(id))) {
            let best = book.bbo();
            assert!(best.bid.zip(best.ask).is_none_or(|(bid, ask)| bid.price < ask.price), "a crossed book");
        }
    }
}

/// See the module.
pub fn matching(data: &[u8]) {
    let mut input = Input::new(data);
    let rule = input.pick(&RULES);
    let fast = MatchingEngine::with_capacity(2, 4, 2, rule);
    let mut twins = Twins { fast, naive: NaiveEngine::new(2, rule), left: vec![], right: vec![] };
    while !input.is_empty() {
        twins.step(&mut input);
        twins.check();
    }
    let (mut state, mut again) = (Vec::new(), Vec::new());
    write_state(&twins.fast, &mut state).expect("a state can be written");
    let read: MatchingEngine = read_state(&state).expect("and read");
    write_state(&read, &mut again).expect("a state can be written");
    assert_eq!(state, again);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
