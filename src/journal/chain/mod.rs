//! The BLAKE3 hash chain over a journal's bytes, in side files, one for each segment.
//!
//! A checksum finds what went wrong by chance. The chain finds what somebody changed: every block of about 64 KiB of a
//! segment is hashed together with the link before it, so that a link vouches for everything up to it, and a signature
//! over one link (see [`super::seal`]) for the whole journal. Beside each link stand a truncated hash of each record of the
//! block, so that an alteration is not only found but the record is named.
//!
//! A link is a function of the segments' bytes alone. It is made by a tailer on the helper's thread ([`Chainer`]), never by
//! the writer; a file that a crash left unfinished is made whole from the segment at the next opening, and held against
//! what it already says. `docs/journal-format.md` has every byte.
//!
//! * `link`: the construction. `build`: from a segment's bytes to entries. `file`: the side file.
//! * `tailer`: a journal that is being written. `settle`: what an opening makes of the files that it finds.
//! * `compare`, `name`: a journal held against its chain, and the first record that is not the one that was chained.

mod build;
mod compare;
mod file;
mod link;
mod name;
mod settle;
mod tailer;

pub use compare::ChainReach;
pub(super) use compare::{Wanted, audit};
pub use file::chain_path;
pub(super) use file::{chain_indices, chained};
pub use link::Digest;
pub(super) use settle::{Mend, settle};
pub use tailer::Chainer;
