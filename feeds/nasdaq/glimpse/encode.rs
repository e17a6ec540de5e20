//! The state of a market as messages: fed by everything that ITCH 5.0 says, in order, and told at any moment.

use std::collections::BTreeMap;

use zerocopy::IntoBytes;
use zerocopy::big_endian::{U32, U64};

use super::message::SnapshotEnd;
use crate::nasdaq::itch::{
    self, AddOrder, AddOrderAttributed, DecodeError, Header, Message, RegShoRestriction, StockDirectory,
    StockTradingAction, SystemEvent,
};
use crate::nasdaq::{Alpha, MessageLog, Symbol};

/// The last message of a snapshot: `next` is the sequence of the first ITCH message that is not in it.
pub fn snapshot_end(next: u64) -> [u8; size_of::<SnapshotEnd>()] {
    let mut bytes = [0; size_of::<SnapshotEnd>()];
    bytes.copy_from_slice(SnapshotEnd::new(next).as_bytes());
    bytes
}

/// Why a message cannot be carried out on the image. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is no ITCH message.
    #[error(transparent)]
    Message(#[from] DecodeError),
    /// It names an order that does not rest, one that rests already, or more shares than the order has.
    #[error("order {0}: the message contradicts the book")]
    Order(u64),
}

#[derive(Clone, Copy, Debug)]
struct Resting {
    header: Header,
    order: u64,
    side: u8,
    shares: u32,
    stock: Symbol,
    price: u32,
    attribution: Option<Alpha<4>>,
}

/// The present state of a market, by what its ITCH messages said. Carrying out a message costs O(log orders); memory is
/// O(stocks + displayed orders).
#[derive(Clone, Debug)]
pub struct BookImage {
    /// The sequence of the next message.
    next: u64,
    /// System events of the day, in order.
    events: Vec<SystemEvent>,
    /// By locate code.
    stocks: BTreeMap<u16, StockDirectory>,
    states: BTreeMap<u16, StockTradingAction>,
    restrictions: BTreeMap<u16, RegShoRestriction>,
    /// By arrival, so that orders of one price stand in the order in which they trade.
    orders: BTreeMap<u64, Resting>,
    arrivals: BTreeMap<u64, u64>,
    arrived: u64,
}

impl Default for BookImage {
    fn default() -> Self {
        Self {
            next: 1,
            events: Vec::new(),
            stocks: BTreeMap::new(),
            states: BTreeMap::new(),
            restrictions: BTreeMap::new(),
            orders: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            arrived: 0,
        }
    }
}

impl BookImage {
    /// The sequence of the first message that is not in the image.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Carries out the session's next message.
    ///
    /// # Errors
    /// [`ImageError`] where it cannot be; it counts all the same.
    pub fn apply(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.next += 1;
        match itch::decode(bytes)? {
            Message::SystemEvent(body) => self.events.push(*body),
            Message::StockDirectory(body) => drop(self.stocks.insert(body.header.locate.get(), *body)),
            Message::StockTradingAction(body) => drop(self.states.insert(body.header.locate.get(), *body)),
            Message::RegShoRestriction(body) => {
                self.restrictions.insert(body.header.locate.get(), *body);
            }
            Message::AddOrder(body) => {
                let AddOrder { header, order, side, shares, stock, price } = *body;
                let (order, shares, price) = (order.get(), shares.get(), price.get());
                return self.add(Resting { header, order, side, shares, stock, price, attribution: None });
            }
            Message::AddOrderAttributed(body) => {
                let AddOrderAttributed { header, order, side, shares, stock, price, attribution } = *body;
                let (order, shares, price) = (order.get(), shares.get(), price.get());
                let attribution = Some(attribution);
                return self.add(Resting { header, order, side, shares, stock, price, attribution });
            }
            Message::OrderExecuted(body) => return self.take(body.order.get(), body.shares.get()),
            Message::OrderExecutedWithPrice(body) => return self.take(body.order.get(), body.shares.get()),
            Message::OrderCancel(body) => return self.take(body.order.get(), body.shares.get()),
            Message::OrderDelete(body) => return self.remove(body.order.get()).map(drop),
            Message::OrderReplace(body) => {
                let (order, shares, price) = (body.new_order.get(), body.shares.get(), body.price.get());
                let replaced = self.remove(body.order.get())?;
                return self.add(Resting { header: body.header, order, shares, price, ..replaced });
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, new: Resting) -> Result<(), ImageError> {
        if self.arrivals.contains_key(&new.order) {
            return Err(ImageError::Order(new.order));
        }
        self.arrivals.insert(new.order, self.arrived);
        self.orders.insert(self.arrived, new);
        self.arrived += 1;
        Ok(())
    }

    fn take(&mut self, order: u64, shares: u32) -> Result<(), ImageError> {
        let contradiction = ImageError::Order(order);
        let arrival = *self.arrivals.get(&order).ok_or(contradiction)?;
        let resting = self.orders.get_mut(&arrival).ok_or(contradiction)?;
        resting.shares = resting.shares.checked_sub(shares).ok_or(contradiction)?;
        if resting.shares == 0 {
            self.remove(order)?;
        }
        Ok(())
    }

    fn remove(&mut self, order: u64) -> Result<Resting, ImageError> {
        let arrival = self.arrivals.remove(&order).ok_or(ImageError::Order(order))?;
        self.orders.remove(&arrival).ok_or(ImageError::Order(order))
    }

    /// Everything as a snapshot, its end included. O(stocks + displayed orders).
    pub fn tell(&self) -> MessageLog {
        let messages = self.events.len() + 3 * self.stocks.len() + self.orders.len() + 1;
        let mut log = MessageLog::with_capacity(messages, messages * size_of::<AddOrderAttributed>());
        self.events.iter().for_each(|event| add(&mut log, event.as_bytes()));
        self.stocks.values().for_each(|stock| add(&mut log, stock.as_bytes()));
        self.states.values().for_each(|state| add(&mut log, state.as_bytes()));
        self.restrictions.values().for_each(|restriction| add(&mut log, restriction.as_bytes()));
        self.orders.values().for_each(|resting| resting.tell(&mut log));
        add(&mut log, &snapshot_end(self.next));
        log
    }
}

fn add(log: &mut MessageLog, message: &[u8]) {
    log.push(message);
}

impl Resting {
    fn tell(&self, log: &mut MessageLog) {
        let Self { header, order, side, shares, stock, price, attribution } = *self;
        let (order, shares, price) = (U64::new(order), U32::new(shares), U32::new(price));
        match attribution {
            None => {
                let header = Header { message_type: b'A', ..header };
                add(log, AddOrder { header, order, side, shares, stock, price }.as_bytes());
            }
            Some(attribution) => {
                let header = Header { message_type: b'F', ..header };
                let message = AddOrderAttributed { header, order, side, shares, stock, price, attribution };
                add(log, message.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests;
