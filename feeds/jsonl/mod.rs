//! JSON lines: one JSON object per line, for shops, scripts and people.
//!
//! In come facts about stock, each line one event:
//!
//! ```text
//! {"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}
//! {"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01.5+01:00","qty":30}
//! ```
//!
//! Out go prices and dead letters, each decision one line ([`encode`]):
//!
//! ```text
//! {"sku":"A","price":"175.00","previous":"100.00","formula":"175.00","stock":10,"initial":40,"guard":"none","ts":"…","seq":5}
//! {"line":7,"reason":"malformed","detail":"expected value at column 1: hello","source":0,"len":5,"seq":9}
//! ```
//!
//! * Lines end in LF or CRLF; the last one may end with the input. Blank lines are skipped, and byte-order marks. A line has a
//!   bounded length ([`session`]).
//! * Money is a decimal string, never a JSON number, and is read exactly ([`message`]).
//! * SKUs are interned: the [`Define`] of a SKU precedes its first use in the same sink ([`dictionary`]). Only what a valid
//!   inventory names is interned.
//! * A line may carry an `id`: it stands before the line's event as a [`LineId`].
//! * What cannot be read becomes a [`Malformed`] that says why; the lines after it are read as ever ([`decode`]).
//! * Positions are line numbers from 1. Each batch begins with a [`Mark`]: the nth [`Inventory`], [`Purchase`] or
//!   [`Malformed`] of the source after it, from 0, stands on line `first + n`. To keep that true another mark follows
//!   blank lines. Definitions are not counted.
//!
//! [`generator`] makes such lines from a seed: the sales of a shop, for demonstrations and tests.
//!
//! [`Define`]: pricewright_core::kernel::table::Define
//! [`Inventory`]: pricewright_core::kernel::table::Inventory
//! [`LineId`]: pricewright_core::kernel::table::LineId
//! [`Malformed`]: pricewright_core::kernel::table::Malformed
//! [`Mark`]: pricewright_core::kernel::table::Mark
//! [`Purchase`]: pricewright_core::kernel::table::Purchase

pub mod decode;
pub mod dictionary;
pub mod encode;
pub mod generator;
pub mod message;
pub mod session;
pub mod timestamp;

pub use decode::{Config, Decoder};
pub use dictionary::{Dictionary, DictionaryError};
pub use encode::{EncodeError, Encoder, Written};
pub use generator::Generator;
pub use session::{Line, LineSplitter, Session};
