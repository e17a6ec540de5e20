//! Order books.
//!
//! [`Books`] holds the books of all instruments, order by order (L3), in price-time priority, over one store of orders:
//! a venue's order numbers are global, so executions, cancels and replaces name an order and no instrument. [`BookView`]
//! reads one instrument's book. [`depth`] is the view by level (L2): a fixed top of a book, and a book fed by level
//! updates. [`naive`] is the same store in the plainest form, the judge of this one in tests.
//!
//! Any `i64` price is a price; levels are sparse. A book may be locked or crossed, as feeds can make it: the two sides
//! never touch one another. Bad commands are refused with a [`BookError`] and change nothing.

pub mod depth;
mod index;
mod ladder;
pub mod naive;
mod slab;
mod snapshot;
mod store;
mod twin;
mod types;
mod view;
mod warm;

pub(crate) use index::{Probe, SlotIndex, hash_of};
pub use store::Books;
pub(crate) use store::Resting;
pub use twin::BookStore;
pub use types::{Bbo, BookError, Level, OrderView, Touched};
pub use view::BookView;
pub use warm::Coming;

#[cfg(test)]
mod tests;
