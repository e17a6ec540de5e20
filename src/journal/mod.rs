//! The journal: the memory-mapped, append-only log of every event and every decision.
//!
//! A directory of segment files, described byte by byte in `docs/journal-format.md`. One [`Writer`] appends, held to that
//! by a lock on the directory; any number of [`Reader`]s, in this process or others, read what is committed and can
//! neither slow it down nor see half a record. What was appended survives the end of the process, however it ends
//! (`kill -9` too); what more it survives is a setting, [`Durability`].
//!
//! * [`Writer`], [`Preallocator`]: the hot thread's and the helper's part of writing; [`open`] joins them.
//! * [`DurableWriter`], [`DurablePosition`]: what carries records to the disk, and how far it is.
//! * [`Reader`]: iterating and tailing; every record verified.
//! * [`recovery`]: the torn tail of a crash, and the refusal of anything worse.
//! * [`verify`], [`stats`]: a whole directory judged, and counted.
//! * [`archive`], [`retention`]: sealed segments compressed, put elsewhere, removed.
//! * [`export`]: records for other programs, as tables or JSON lines.
//! * [`Catalogue`], [`to_text`], [`to_json`]: any record shown by what its segment says about it.
//!
//! Unsafe code is in `map` (mapped memory), `crc` (one instruction) and two system calls.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod archive;
mod audit;
mod catalogue;
mod chain;
mod check;
mod compressed;
mod crc;
mod durable;
mod error;
pub mod export;
mod extent;
mod growth;
mod head;
mod keys;
mod list;
mod lock;
mod map;
mod open;
mod preallocator;
mod reader;
pub mod recovery;
mod render;
pub mod repairs;
pub mod retention;
mod seal;
mod seal_check;
mod segment;
mod writer;

pub use audit::{KindCount, MissingFront, Outcome, Stats, Tail, Verification, stats, verify, verify_by};
pub use catalogue::{Catalogue, FieldLayout, KindSchema};
pub use chain::{ChainReach, Chainer, Digest, chain_path};
pub use compressed::compressed_path;
pub use crc::Crc32c;
pub use durable::{
    Device, Durability, DurablePosition, DurableReport, DurableThread, DurableWriter, SystemDevice,
};
pub(crate) use error::help_of;
pub use error::{Damage, Damaged, JournalError};
pub use extent::{Extent, segments};
pub use growth::{ENOUGH, Growth, growth};
pub(crate) use head::MAX_NUMBER;
pub use head::{FORMAT_VERSION, SegmentHead};
pub use keys::{PublicKey, SigningKey, make_key_pair};
pub(crate) use lock::{is_locked, lock};
pub use open::{JournalConfig, MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE, RunIdentity, boot_id};
pub(crate) use preallocator::free_bytes;
pub use preallocator::{Preallocator, Storage, StorageWatch};
pub use reader::Reader;
pub use recovery::{Left, RecoveryReport};
pub use render::{Words, to_json, to_text, to_words};
pub use seal::{Seal, Sealed, seal};
pub(crate) use seal_check::sealed_beyond;
pub use seal_check::{SealFound, SealVerdict};
pub use segment::{segment_indices, segment_path};
pub use writer::Writer;

#[cfg(test)]
mod tests;
