//! Durability beyond the process: what makes records survive the end of the machine, off the hot path.
//!
//! The hot thread stores records into a mapped file in every mode and never waits. What differs is where that file lies
//! and who carries the bytes to the disk:
//!
//! ```text
//! process  the segment itself is mapped; the kernel writes it back when it likes
//! async    the segment itself is mapped; a thread calls msync(MS_SYNC) on what is new, every few milliseconds
//! group    a file in RAM is mapped; a thread writes it with O_DIRECT|O_DSYNC into the segment in the journal's directory
//! sync     as group; gateways let a decision leave only when it is durable
//! ```
//!
//! `group` writes from RAM because msync of a mapping write-protects its pages, and the hot thread then faults on them.
//!
//! * [`DurableWriter`] carries the bytes and publishes the [`DurablePosition`].
//! * [`ram`] finds, makes and clears away the files in RAM, and takes from them what the disk did not get.
//! * [`mark`] is the durable position on disk, so that recovery can tell a loss from a torn tail.
//! * [`Device`] is where bytes become durable; a test puts a failing one in its place.
//!
//! An error of the disk is final: after it the kernel calls pages clean that never reached the disk, so that a second
//! try would succeed and prove nothing.

mod device;
pub(super) mod mark;
pub(super) mod ram;
pub(super) mod target;
mod thread;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

pub use device::{Device, SystemDevice};
pub use thread::DurableThread;
pub use writer::{DurableReport, DurableWriter};

pub(super) use writer::Parts;

/// How much a committed record survives; `docs/journal-format.md` has the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The end of the process, `kill -9` included.
    #[default]
    Process,
    /// And the machine's, but for the last few milliseconds.
    Async,
    /// And the machine's, but for what one write to the disk takes.
    Group,
    /// As `Group`, and nothing has left that is lost.
    Sync,
}

impl Durability {
    /// The word for it in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Async => "async",
            Self::Group => "group",
            Self::Sync => "sync",
        }
    }

    /// True where somebody makes records durable and says how far.
    pub fn has_position(self) -> bool {
        self != Self::Process
    }

    /// True where the live segment is a file in RAM.
    pub fn is_in_ram(self) -> bool {
        matches!(self, Self::Group | Self::Sync)
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far the journal is durable. Clones are the same position; reading it is one load.
#[derive(Clone, Debug, Default)]
pub struct DurablePosition {
    published: Arc<Published>,
}

#[derive(Debug, Default)]
struct Published {
    seq: AtomicU64,
    failed: AtomicBool,
}

impl DurablePosition {
    /// Every record up to this sequence is durable.
    #[inline]
    pub fn seq(&self) -> u64 {
        // Acquire: partner of the release in `publish`.
        self.published.seq.load(Ordering::Acquire)
    }

    /// True once the disk has failed: the position does not move any more.
    #[inline]
    pub fn has_failed(&self) -> bool {
        // Relaxed: a state to act on; it publishes nothing else.
        self.published.failed.load(Ordering::Relaxed)
    }

    pub(super) fn at(seq: u64) -> Self {
        let position = Self::default();
        position.publish(seq);
        position
    }

    fn publish(&self, seq: u64) {
        // Release: who sees the position may rely on the write that was waited for before.
        self.published.seq.store(seq, Ordering::Release);
    }

    fn fail(&self) {
        // Relaxed: see `has_failed`.
        self.published.failed.store(true, Ordering::Relaxed);
    }
}
