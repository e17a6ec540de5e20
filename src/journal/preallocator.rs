//! The helper's part: the next segment is made at a quarter of the present one, pages are faulted in ahead of the writer, and
//! full segments are cut and unmapped, all off the hot thread.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};

use super::error::JournalError;
use super::map::Prefault;
use super::segment::{Segment, Template, segment_path};

/// How much is faulted in by one poll.
const PREFAULT_CHUNK: usize = 2 << 20;
/// The stretch before the writer that is faulted in again and again: the kernel protects pages anew when it has
/// written them back, some 30 s after they were dirtied.
const PREFAULT_NEAR: usize = 512 << 10;
/// How often at least.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked at whether the segment that is written still lies in its place.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the helper waits before it tries again to make a segment.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Whether the storage can take what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// There is room.
    Ok,
    /// The next segment could not be made, or little room is left behind it: take no new risk. The present segment can
    /// still be written to its end.
    Low,
}

/// What the writer gives to the helper.
#[derive(Debug)]
pub(super) enum ToHelper {
    /// A sealed segment, to be cut behind `end` and unmapped.
    Full { segment: Box<Segment>, end: usize },
    /// A segment that the writer had to make itself, to be faulted in.
    Made(Prefault),
}

/// What writer and helper share besides the rings.
#[derive(Debug)]
pub(super) struct Shared {
    /// `segment number << 32 | offset` of the writer.
    progress: AtomicU64,
    low: AtomicBool,
    making: Mutex<Making>,
}

/// Who makes segments holds this; never taken by an append while the helper is in time.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) last_made: u64,
    closed: bool,
    noted: Option<JournalError>,
}

impl Shared {
    pub(super) fn new(first: u64) -> Self {
        let making = Mutex::new(Making { last_made: first, closed: false, noted: None });
        Self { progress: AtomicU64::new(first << 32), low: AtomicBool::new(false), making }
    }

    #[inline]
    pub(super) fn report(&self, segment: u64, offset: usize) {
        // Relaxed: a hint for the helper; nothing is read on the strength of it.
        self.progress.store(segment << 32 | offset as u64, Ordering::Relaxed);
    }

    fn progress(&self) -> (u64, usize) {
        // Relaxed: see `report`.
        let word = self.progress.load(Ordering::Relaxed);
        (word >> 32, (word & 0xffff_ffff) as usize)
    }

    #[inline]
    pub(super) fn storage(&self) -> Storage {
        // Relaxed: a state to act on at leisure, it publishes nothing else.
        if self.low.load(Ordering::Relaxed) { Storage::Low } else { Storage::Ok }
    }

    fn set_storage(&self, storage: Storage) {
        // Relaxed: see `storage`.
        self.low.store(storage == Storage::Low, Ordering::Relaxed);
    }

    pub(super) fn making(&self) -> MutexGuard<'_, Making> {
        // A helper that panicked in between left at most an unfinished file, which recovery removes.
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True where somebody makes a segment now.
    pub(super) fn is_making(&self) -> bool {
        matches!(self.making.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Keeps an error that changes nothing for the writer, for [`Preallocator::take_error`].
    pub(super) fn note(&self, error: JournalError) -> Result<(), JournalError> {
        self.making().noted = Some(error);
        Ok(())
    }

    /// Notes that there is no room for another segment.
    pub(super) fn run_low(&self, error: JournalError) {
        self.set_storage(Storage::Low);
        self.making().noted = Some(error);
    }

    /// Lets no more segments be made, and takes back the one that was never used.
    pub(super) fn close(&self, prepared: &mut Consumer<Box<Segment>>) -> Option<Box<Segment>> {
        let mut making = self.making();
        making.closed = true;
        prepared.pop().ok()
    }
}

/// Whether the storage can take what comes, for other threads to see. Clones show the same.
#[derive(Clone, Debug)]
pub struct StorageWatch(Arc<Shared>);

impl StorageWatch {
    /// As [`Preallocator::storage`].
    pub fn storage(&self) -> Storage {
        self.0.storage()
    }
}

/// Polled by the helper; see the module's text.
#[derive(Debug)]
pub struct Preallocator {
    template: Template,
    shared: Arc<Shared>,
    prepared: Producer<Box<Segment>>,
    from_writer: Consumer<ToHelper>,
    /// The present segment's pages, and the next one's where it is made.
    present: Option<Pages>,
    next: Option<Pages>,
    ahead: usize,
    min_free: u64,
    /// False where the kernel cannot populate: segments are then touched whole before they are handed over.
    can_populate: bool,
    retry_at: Option<Instant>,
    refresh_at: Option<Instant>,
    look_at: Option<Instant>,
    /// The segment that is written, as it was first seen in its place.
    placed: Option<Placed>,
    /// It is not in its place any more: no new risk until it is back.
    is_lost: bool,
    error: Option<JournalError>,
}

/// A segment's file.
#[derive(Clone, Copy, Debug)]
struct Placed {
    segment: u64,
    /// Device and index node; `None` if it was never seen.
    identity: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Pages {
    segment: u64,
    prefault: Prefault,
    populated_to: usize,
}

/// What the helper is built from.
pub(super) struct Parts {
    pub(super) template: Template,
    pub(super) shared: Arc<Shared>,
    pub(super) prepared: Producer<Box<Segment>>,
    pub(super) from_writer: Consumer<ToHelper>,
    pub(super) first: Prefault,
    pub(super) first_populated_to: usize,
    pub(super) can_populate: bool,
    pub(super) ahead: usize,
    pub(super) min_free: u64,
}

impl Preallocator {
    pub(super) fn new(parts: Parts) -> Self {
        let segment = parts.template.head.index;
        Self {
            template: parts.template,
            shared: parts.shared,
            prepared: parts.prepared,
            from_writer: parts.from_writer,
            present: Some(Pages { segment, prefault: parts.first, populated_to: parts.first_populated_to }),
            next: None,
            ahead: parts.ahead,
            min_free: parts.min_free,
            can_populate: parts.can_populate,
            retry_at: None,
            refresh_at: None,
            look_at: None,
            placed: None,
            is_lost: false,
            error: None,
        }
    }

    /// Does a part of what is to be done; returns how many things it did. Blocks on the file system, so it is not for the
    /// hot thread, except where there is no other.
    pub fn poll(&mut self) -> usize {
        let mut work = 0;
        while let Ok(message) = self.from_writer.pop() {
            self.take(message);
            work += 1;
        }
        let (segment, offset) = self.shared.progress();
        self.follow(segment);
        self.look_at_place(segment);
        work += usize::from(self.make_next(segment, offset));
        work + usize::from(self.populate(segment, offset))
    }

    /// Whether the storage can take what comes.
    pub fn storage(&self) -> Storage {
        self.shared.storage()
    }

    /// Shows [`Self::storage`] to other threads.
    pub fn watch(&self) -> StorageWatch {
        StorageWatch(Arc::clone(&self.shared))
    }

    /// The last thing that went wrong, once. None of it lost a record.
    pub fn take_error(&mut self) -> Option<JournalError> {
        self.error.take().or_else(|| self.shared.making().noted.take())
    }

    fn take(&mut self, message: ToHelper) {
        match message {
            ToHelper::Full { segment, end } => {
                if self.present.as_ref().is_some_and(|pages| pages.segment == segment.index) {
                    self.present = None;
                }
                if let Err(error) = segment.finish(end) {
                    self.error = Some(error);
                }
            }
            ToHelper::Made(prefault) => {
                let segment = self.shared.making().last_made;
                let populated_to = self.template.head.records_offset as usize;
                self.next = Some(Pages { segment, prefault, populated_to });
            }
        }
    }

    /// Keeps `present` the pages of the segment that the writer is in.
    fn follow(&mut self, segment: u64) {
        if self.next.as_ref().is_some_and(|pages| pages.segment == segment) {
            self.present = self.next.take();
        }
    }

    /// What is journalled in a file that somebody removed is gone when the run ends.
    fn look_at_place(&mut self, segment: u64) {
        let now = Instant::now();
        // No segment has number 0: the writer has closed.
        if segment == 0 || self.look_at.is_some_and(|at| now < at) {
            return;
        }
        self.look_at = Some(now + LOOK_EVERY);
        let known = self.placed.filter(|placed| self.is_lost || placed.segment == segment);
        let mut placed = known.unwrap_or(Placed { segment, identity: None });
        let path = segment_path(&self.template.dir, placed.segment);
        let is_there = match std::fs::metadata(&path) {
            Ok(about) => {
                let found = (about.dev(), about.ino());
                *placed.identity.get_or_insert(found) == found
            }
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        // An old segment may go at any time.
        if !is_there && !self.is_lost && self.shared.progress().0 != segment {
            return;
        }
        self.placed = Some(placed);
        if is_there && self.is_lost {
            self.is_lost = false;
            self.look_at_room();
        } else if !is_there && !self.is_lost {
            self.fail(JournalError::Gone { path });
            self.is_lost = true;
        }
    }

    fn make_next(&mut self, segment: u64, offset: usize) -> bool {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        self.retry_at = None;
        let early = offset < self.template.head.segment_size as usize / 4;
        let low = self.shared.storage() == Storage::Low;
        if early && !low {
            return false;
        }
        let shared = Arc::clone(&self.shared);
        let mut making = shared.making();
        if early || making.closed || making.last_made > segment {
            drop(making);
            return low && self.look_at_room();
        }
        match self.make(segment + 1) {
            Ok(made) => {
                making.last_made = segment + 1;
                // Only one is ever made ahead: the writer reports a segment after it took it from the ring.
                let pushed = self.prepared.push(Box::new(made));
                debug_assert!(pushed.is_ok(), "the ring has room for more than one");
                drop(making);
                self.look_at_room();
            }
            Err(error) => self.fail(error),
        }
        true
    }

    fn make(&mut self, index: u64) -> Result<Segment, JournalError> {
        let mut segment = self.template.make(index)?;
        let records = self.template.head.records_offset as usize;
        let prefault = segment.map.prefault();
        let near = records + PREFAULT_NEAR;
        // The writer may go there at once, so the beginning is faulted in before it is handed over.
        if self.can_populate {
            let result = prefault.populate(0, near);
            self.populated(result);
        }
        let populated_to = if self.can_populate {
            near
        } else {
            segment.map.touch(0);
            usize::MAX
        };
        self.next = Some(Pages { segment: index, prefault, populated_to });
        Ok(segment)
    }

    fn look_at_room(&mut self) -> bool {
        match free_bytes(&self.template.dir) {
            Ok(_) if self.is_lost => false,
            Ok(free) if free >= self.min_free => {
                self.shared.set_storage(Storage::Ok);
                true
            }
            Ok(_) => {
                self.shared.set_storage(Storage::Low);
                self.retry_at = Some(Instant::now() + RETRY_AFTER);
                false
            }
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    fn fail(&mut self, error: JournalError) {
        self.shared.set_storage(Storage::Low);
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
        // All that fails then comes of that.
        if !self.is_lost {
            self.error = Some(error);
        }
    }

    /// Faults in the next chunk of what the writer will need. False where there is nothing to do.
    fn populate(&mut self, segment: u64, offset: usize) -> bool {
        let size = self.template.head.segment_size as usize;
        let Some(pages) = self.present.as_mut().filter(|pages| pages.segment == segment) else {
            return false;
        };
        let target = offset.saturating_add(self.ahead).min(size);
        if !self.can_populate {
            return false;
        }
        if pages.populated_to < target {
            let from = pages.populated_to.max(offset);
            let to = target.min(from + PREFAULT_CHUNK);
            pages.populated_to = to;
            let result = pages.prefault.populate(from, to);
            self.populated(result);
            return true;
        }
        let now = Instant::now();
        if self.refresh_at.is_none_or(|at| now >= at) {
            self.refresh_at = Some(now + REFRESH_EVERY);
            let result = pages.prefault.populate(offset, (offset + PREFAULT_NEAR).min(size));
            self.populated(result);
        }
        false
    }

    /// A page that could not be faulted in ahead costs the writer time, nothing else.
    fn populated(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            if error.kind() == io::ErrorKind::InvalidInput {
                self.can_populate = false;
            } else {
                self.error =
                    Some(JournalError::io(&self.template.dir, "fault in pages of a segment in")(error));
            }
        }
    }
}

impl Drop for Preallocator {
    /// Full segments that are still waiting are cut; where that fails, the next opening does it.
    fn drop(&mut self) {
        while let Ok(message) = self.from_writer.pop() {
            self.take(message);
        }
    }
}

/// Bytes that the file system of `dir` still gives to this user.
pub(crate) fn free_bytes(dir: &Path) -> Result<u64, JournalError> {
    let name = std::ffi::CString::new(dir.as_os_str().as_bytes());
    let name = name.map_err(|error| JournalError::io(dir, "look at")(io::Error::other(error)))?;
    let mut answer = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `name` is a string that ends in zero and `answer` a place for the answer; both live through the call.
    if unsafe { libc::statvfs(name.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(JournalError::io(dir, "ask for the free room of")(io::Error::last_os_error()));
    }
    // SAFETY: the call succeeded, so it filled the answer.
    let answer = unsafe { answer.assume_init() };
    Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
}
