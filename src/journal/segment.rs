//! Segment files: their names, how one is made, and how one is opened for reading.
//!
//! A segment is made under the name `….new` and gets its own name only when space, head and catalogue are there, so
//! that a file with a segment's name always has a whole head.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pricewright_core::kernel::Cell;
use pricewright_core::kernel::record::CELL_LEN;
use zerocopy::IntoBytes;

use super::catalogue::Catalogue;
use super::check::used_bytes;
use super::compressed::{self, Part, Unpacked, compressed_path};
use super::crc::Crc32c;
use super::durable::mark::sync_dir;
use super::durable::target::fill;
use super::durable::{Durability, ram};
use super::error::{Damage, JournalError};
use super::head::{
    self, BEGIN_AT, BeginMark, CHAIN_AT, ChainMark, HEAD_LEN, HeadBytes, MAGIC, Mark, SEAL_AT, SealMark,
    SegmentHead,
};
use super::map::{Block, Flush, ReadMap, WriteMap};
use super::open::boot_id;
use crate::io::bounded;

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".pwj";
const UNFINISHED: &str = ".new";

/// The file of segment `index` in `dir`.
pub fn segment_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{index:08}{SUFFIX}"))
}

/// The numbers of the segments in `dir`, plain and compressed, rising.
///
/// # Errors
/// Where the directory cannot be read.
pub fn segment_indices(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let mut indices = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir, "list"))? {
        let name = entry.map_err(JournalError::io(dir, "list"))?.file_name();
        indices.extend(name.to_str().and_then(index_of));
    }
    indices.sort_unstable();
    // A segment may lie there plain and compressed.
    indices.dedup();
    Ok(indices)
}

/// The number of the segment that a file of this name is, plain or compressed.
pub(super) fn index_of(name: &str) -> Option<u64> {
    let plain = name.strip_suffix(compressed::SUFFIX).unwrap_or(name);
    let index = plain.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
    // Only the name that we would give: `journal-1.pwj` is somebody else's file.
    (segment_path(Path::new(""), index).to_str() == Some(plain)).then_some(index)
}

/// The files of segments that were never finished.
pub(super) fn unfinished_paths(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir, "list"))? {
        let entry = entry.map_err(JournalError::io(dir, "list"))?;
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(&format!("{SUFFIX}{UNFINISHED}")));
        if ours {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Everything that is the same for each segment of a run.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) dir: PathBuf,
    pub(super) head: SegmentHead,
    pub(super) catalogue: Arc<str>,
    pub(super) durability: Durability,
    /// Where live segments lie, where they lie in RAM.
    pub(super) ram: Option<PathBuf>,
}

/// A segment in its writer's hands.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) index: u64,
    /// The file that is mapped.
    path: PathBuf,
    file: File,
    pub(super) map: WriteMap,
    /// The segment in the journal's directory, where the mapped file is one in RAM.
    durable: Option<PathBuf>,
}

impl Template {
    /// Makes segment `index`: allocated, with head and catalogue, mapped, no mark set. Where live segments lie in RAM the
    /// file there gets its name first, so that whoever finds the segment in the journal's directory finds that one too.
    pub(super) fn make(&self, index: u64) -> Result<Segment, JournalError> {
        let unfinished = |dir: &Path| dir.join(format!("{PREFIX}{index:08}{SUFFIX}{UNFINISHED}"));
        let (new, path) = (unfinished(&self.dir), segment_path(&self.dir, index));
        let made = self.make_at(index, &new).and_then(|file| match &self.ram {
            None => self.named(index, file, &new, &path),
            Some(ram) => {
                let (live_new, live_path) = (unfinished(ram), segment_path(ram, index));
                let live = self.make_at(index, &live_new).and_then(|live| {
                    let mut segment = self.named(index, live, &live_new, &live_path)?;
                    self.name(&file, &new, &path)?;
                    segment.durable = Some(path.clone());
                    Ok(segment)
                });
                live.map_err(|error| discarded(&[live_new, live_path], error))
            }
        });
        made.map_err(|error| discarded(&[new], error))
    }

    fn make_at(&self, index: u64, path: &Path) -> Result<File, JournalError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(JournalError::io(path, "create"))?;
        let size = self.head.segment_size;
        allocate(&file, size).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                JournalError::DiskFull { path: path.to_path_buf(), bytes: size, source }
            }
            _ => JournalError::io(path, "allocate")(source),
        })?;
        if self.ram.as_deref().is_some_and(|ram| path.parent() != Some(ram)) {
            fill(path, size)?;
        }
        let head = SegmentHead { index, ..self.head };
        file.write_all_at(head.to_bytes().as_bytes(), 0).map_err(JournalError::io(path, "write"))?;
        let text = self.catalogue.as_bytes();
        file.write_all_at(text, HEAD_LEN as u64).map_err(JournalError::io(path, "write"))?;
        Ok(file)
    }

    /// Maps `file` and gives it its name.
    fn named(&self, index: u64, file: File, new: &Path, path: &Path) -> Result<Segment, JournalError> {
        let len = usize::try_from(self.head.segment_size).unwrap_or(usize::MAX);
        let map = WriteMap::new(&file, len).map_err(JournalError::io(new, "map"))?;
        self.name(&file, new, path)?;
        Ok(Segment { index, path: path.to_path_buf(), file, map, durable: None })
    }

    /// Gives a finished file its name. On the disk both are durable before a record in the file can be.
    fn name(&self, file: &File, new: &Path, path: &Path) -> Result<(), JournalError> {
        let on_disk = self.durability.has_position() && path.parent() == Some(self.dir.as_path());
        if on_disk {
            file.sync_all().map_err(JournalError::io(new, "sync"))?;
        }
        std::fs::rename(new, path).map_err(JournalError::io(new, "name"))?;
        if on_disk { sync_dir(&self.dir) } else { Ok(()) }
    }
}

/// Removes what could not be finished: the space may be what others wait for. Where even this fails, recovery does it.
fn discarded(paths: &[PathBuf], error: JournalError) -> JournalError {
    let removed: Result<(), JournalError> = paths.iter().try_for_each(|path| ram::remove(path));
    removed.err().unwrap_or(error)
}

impl Segment {
    /// Unmaps a sealed segment and gives back what is unused behind its end cell. A file in RAM is left to the durable
    /// writer, which removes it when all of it is on the disk.
    pub(super) fn finish(self, end: usize) -> Result<(), JournalError> {
        let Self { path, file, map, durable, .. } = self;
        drop(map);
        match durable {
            Some(_) => Ok(()),
            None => file.set_len((end + CELL_LEN) as u64).map_err(JournalError::io(&path, "cut")),
        }
    }

    /// Removes a segment that was made ahead and is not needed.
    pub(super) fn discard(self) -> Result<(), JournalError> {
        // The other way round than it was made, so that nobody finds the one without the other.
        if let Some(durable) = &self.durable {
            std::fs::remove_file(durable).map_err(JournalError::io(durable, "remove"))?;
        }
        std::fs::remove_file(&self.path).map_err(JournalError::io(&self.path, "remove"))
    }
}

/// Gives `file` its blocks, so that stores into its mapping cannot fail.
fn allocate(file: &File, size: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    loop {
        // SAFETY: a plain system call on a descriptor that `file` keeps open.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return write_zeros(file, size),
            _ => return Err(error),
        }
    }
}

/// Allocates by writing, for file systems without fallocate.
fn write_zeros(file: &File, size: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < size {
        let len = (size - at).min(zeros.len() as u64);
        file.write_all_at(zeros.get(..len as usize).unwrap_or(&zeros), at)?;
        at += len;
    }
    Ok(())
}

/// A segment opened for reading: head and catalogue verified.
#[derive(Debug)]
pub(super) struct ReadSegment {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Bytes of the segment, unpacked.
    pub(super) len: usize,
    /// Bytes that it takes on disk.
    pub(super) file_len: u64,
    pub(super) compressed: bool,
    pub(super) head: SegmentHead,
    pub(super) catalogue: Arc<Catalogue>,
    text: Arc<str>,
    map: ReadMap,
}

/// What a segment is read from.
struct Content {
    file: File,
    len: u64,
    file_len: u64,
    part: Part,
}

impl ReadSegment {
    /// Opens segment `index` of the journal in `dir`, plain or compressed: the live one in RAM while it is there, which is
    /// ahead of the disk. Where its catalogue is the one of `like`, that one is shared.
    pub(super) fn open(dir: &Path, index: u64, like: Option<&Self>) -> Result<Self, JournalError> {
        Self::open_part(dir, index, like, Part::Whole)
    }

    /// As [`Self::open`], for its head and catalogue: of a compressed segment nothing else is unpacked, and no record can
    /// be read.
    pub(super) fn open_head(dir: &Path, index: u64, like: Option<&Self>) -> Result<Self, JournalError> {
        Self::open_part(dir, index, like, Part::Head)
    }

    fn open_part(dir: &Path, index: u64, like: Option<&Self>, part: Part) -> Result<Self, JournalError> {
        if let Some(ram) = ram::find(dir) {
            match Self::open_at(segment_path(&ram, index), index, like) {
                Ok(live) if live.head.boot_id == boot_id()? => return Ok(live),
                // Left from before a restart of the machine, or complete on the disk.
                Ok(_) => {}
                Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Self::part_on_disk(dir, index, like, part)
    }

    /// As [`Self::open`], whatever is in RAM.
    pub(super) fn open_on_disk(dir: &Path, index: u64, like: Option<&Self>) -> Result<Self, JournalError> {
        Self::part_on_disk(dir, index, like, Part::Whole)
    }

    /// As [`Self::open_head`], whatever is in RAM.
    pub(super) fn open_head_on_disk(
        dir: &Path,
        index: u64,
        like: Option<&Self>,
    ) -> Result<Self, JournalError> {
        Self::part_on_disk(dir, index, like, Part::Head)
    }

    fn part_on_disk(dir: &Path, index: u64, like: Option<&Self>, part: Part) -> Result<Self, JournalError> {
        match Self::open_at(segment_path(dir, index), index, like) {
            Err(JournalError::Io { path, action, source }) if source.kind() == io::ErrorKind::NotFound => {
                let compressed = Self::open_compressed(&compressed_path(dir, index), index, like, part)?;
                compressed.ok_or(JournalError::Io { path, action, source })
            }
            opened => opened,
        }
    }

    /// Opens the file at `path` as segment `index`.
    pub(super) fn open_at(path: PathBuf, index: u64, like: Option<&Self>) -> Result<Self, JournalError> {
        let file = bounded::open_regular(&path).map_err(JournalError::io(&path, "open"))?;
        let len = file.metadata().map_err(JournalError::io(&path, "look at"))?.len();
        let content = Content { file, len, file_len: len, part: Part::Whole };
        Self::of(path, content, index, like)
    }

    /// `None` where it is not there.
    fn open_compressed(
        path: &Path,
        index: u64,
        like: Option<&Self>,
        part: Part,
    ) -> Result<Option<Self>, JournalError> {
        let unpacked = match compressed::unpack(path, part) {
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            unpacked => unpacked?,
        };
        let Unpacked { file, len, file_len } = unpacked;
        let mut segment = Self::of(path.to_path_buf(), Content { file, len, file_len, part }, index, like)?;
        segment.compressed = true;
        // Only sealed segments are compressed, cut behind their end cell.
        let end = segment.seal(Crc32c::detect())?.map(|seal| seal.end);
        if end.and_then(|end| end.checked_add(CELL_LEN as u64)) != Some(len) {
            return Err(compressed::unpacked(path, len, "its content does not end where its seal says"));
        }
        Ok(Some(segment))
    }

    fn of(path: PathBuf, content: Content, index: u64, like: Option<&Self>) -> Result<Self, JournalError> {
        let Content { file, len, file_len, part } = content;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let cut = |at| JournalError::damaged(&path, at, 0, Damage::Cut);
        let mut bytes: HeadBytes = [Cell::ZERO; HEAD_LEN / CELL_LEN];
        if len < HEAD_LEN {
            let begun = bytes.as_mut_bytes().get_mut(..len.min(MAGIC.len())).unwrap_or(&mut []);
            file.read_exact_at(begun, 0).map_err(JournalError::io(&path, "read"))?;
            let is_ours = MAGIC.starts_with(begun) || begun.iter().all(|byte| *byte == 0);
            return Err(if is_ours { cut(len) } else { JournalError::NotASegment { path } });
        }
        file.read_exact_at(bytes.as_mut_bytes(), 0).map_err(JournalError::io(&path, "read"))?;
        let head = SegmentHead::check(&bytes, &path, index)?;
        // Whoever reads what lies behind the last record takes memory for it.
        if len as u64 > head.segment_size {
            let damage = Damage::Head("the file is longer than the segment");
            return Err(JournalError::damaged(&path, 0, 0, damage));
        }
        if (len as u64) < head.records_offset + CELL_LEN as u64 {
            return Err(cut(len));
        }
        let text = read_catalogue(&file, &head, &path)?;
        let catalogue = match like {
            Some(like) if like.text == text => Arc::clone(&like.catalogue),
            _ => Arc::new(
                Catalogue::parse(&text)
                    .map_err(|what| JournalError::damaged(&path, HEAD_LEN, 0, Damage::Catalogue(what)))?,
            ),
        };
        let mapped = match part {
            Part::Whole => len,
            Part::Head => head.records_offset as usize,
        };
        let map = ReadMap::new(&file, mapped).map_err(JournalError::io(&path, "map"))?;
        Ok(Self { path, file, len, file_len, compressed: false, head, catalogue, text, map })
    }

    /// As [`Self::open`]; `None` where the segment is not there. A writer that closes removes the segment that it had made
    /// in advance, between any two looks at the directory.
    pub(super) fn open_if_there(
        dir: &Path,
        index: u64,
        like: Option<&Self>,
    ) -> Result<Option<Self>, JournalError> {
        there(Self::open(dir, index, like))
    }

    /// As [`Self::open_head`]; `None` where the segment is not there.
    pub(super) fn open_head_if_there(
        dir: &Path,
        index: u64,
        like: Option<&Self>,
    ) -> Result<Option<Self>, JournalError> {
        there(Self::open_head(dir, index, like))
    }

    pub(super) fn block(&self, offset: usize) -> Block<'_> {
        self.map.block(offset)
    }

    /// Where the first record lies.
    pub(super) fn records_offset(&self) -> usize {
        self.head.records_offset as usize
    }

    /// True where nothing was ever written behind the catalogue.
    pub(super) fn is_unwritten(&self) -> Result<bool, JournalError> {
        Ok(matches!(self.block(self.records_offset()), Block::Empty)
            && used_bytes(&self.copy_from(self.records_offset())?) == 0)
    }

    /// The chain mark, once the segment before is chained to its end.
    pub(super) fn chain(&self, crc: Crc32c) -> Result<Option<ChainMark>, JournalError> {
        self.mark(crc)
    }

    /// The begin mark, once the segment's turn has come.
    pub(super) fn begin(&self, crc: Crc32c) -> Result<Option<BeginMark>, JournalError> {
        self.mark(crc)
    }

    /// The seal mark, once nothing more will be appended.
    pub(super) fn seal(&self, crc: Crc32c) -> Result<Option<SealMark>, JournalError> {
        self.mark(crc)
    }

    #[inline]
    fn mark<M: Mark>(&self, crc: Crc32c) -> Result<Option<M>, JournalError> {
        match self.map.block(M::AT) {
            Block::Empty => Ok(None),
            Block::Cells(cells) => {
                head::read_mark(cells, crc).map(Some).map_err(|damage| self.damaged(M::AT, 0, damage))
            }
            Block::Impossible | Block::Outside => Err(self.damaged(M::AT, 0, Damage::Mark(M::NAME))),
        }
    }

    /// Lays the head into `page`: the fixed part, and the marks that are committed now.
    pub(super) fn head_page(&self, page: &mut [u8]) {
        let fixed = self.head.to_bytes();
        let mut put = |at: usize, cells: &[Cell]| {
            let bytes = cells.as_bytes();
            if let Some(place) = page.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(0, &fixed);
        for at in [CHAIN_AT, BEGIN_AT, SEAL_AT] {
            if let Block::Cells(cells) = self.block(at) {
                put(at, cells);
            }
        }
    }

    /// True once the chain mark is committed.
    pub(super) fn is_chained(&self) -> bool {
        !matches!(self.block(CHAIN_AT), Block::Empty)
    }

    /// What syncs the segment's file.
    pub(super) fn to_flush(&self) -> Result<Flush, JournalError> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        let file = file.map_err(JournalError::io(&self.path, "open"))?;
        Flush::new(&file, self.len).map_err(JournalError::io(&self.path, "map"))
    }

    pub(super) fn damaged(&self, offset: usize, seq: u64, damage: Damage) -> JournalError {
        JournalError::damaged(&self.path, offset, seq, damage)
    }

    /// The cells from `offset` to the file's end, copied; a cell that the file cuts is filled up with zeros.
    pub(super) fn copy_from(&self, offset: usize) -> Result<Vec<Cell>, JournalError> {
        let len = self.file.metadata().map_err(JournalError::io(&self.path, "look at"))?.len();
        self.copy(offset, usize::try_from(len).unwrap_or(usize::MAX).saturating_sub(offset))
    }

    /// The cells of `len` bytes from `offset` on, copied; what the file does not have is zero.
    pub(super) fn copy(&self, offset: usize, len: usize) -> Result<Vec<Cell>, JournalError> {
        let mut cells = vec![Cell::ZERO; len.div_ceil(CELL_LEN)];
        let mut done = 0;
        while let Some(rest) = cells.as_mut_bytes().get_mut(done..len).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, (offset + done) as u64) {
                // The writer cut the unused tail off meanwhile: what is not there is as good as zero.
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(JournalError::io(&self.path, "read")(error)),
            }
        }
        Ok(cells)
    }
}

fn there(opened: Result<ReadSegment, JournalError>) -> Result<Option<ReadSegment>, JournalError> {
    match opened {
        Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

fn read_catalogue(file: &File, head: &SegmentHead, path: &Path) -> Result<Arc<str>, JournalError> {
    let damaged = |what: &str| JournalError::damaged(path, HEAD_LEN, 0, Damage::Catalogue(what.to_owned()));
    let mut text = vec![0; head.records_offset as usize - HEAD_LEN];
    file.read_exact_at(&mut text, HEAD_LEN as u64).map_err(JournalError::io(path, "read"))?;
    let padding = text.split_off(head.catalogue_len as usize);
    if Crc32c::detect().of_bytes(&text) != head.catalogue_crc {
        return Err(damaged("checksum"));
    }
    if padding.iter().any(|byte| *byte != 0) {
        return Err(damaged("padding is not zero"));
    }
    String::from_utf8(text).map(Arc::from).map_err(|_| damaged("not UTF-8"))
}
