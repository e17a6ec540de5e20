//! Chains a journal while it is written, behind the writer.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::build::{SegmentChain, Step};
use super::file::{Appender, Header, Meeting, Stored};
use super::link::{Digest, Entry};
use super::name::name_altered;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, JournalError};
use crate::journal::head::{CHAIN_AT, ChainMark, HEAD_LEN, publish_mark};
use crate::journal::map::WriteMap;
use crate::journal::segment::ReadSegment;

/// Makes the side files of the segments from a given one on. It belongs on the helper's thread, and only the holder of the
/// journal's lock may have one.
///
/// `cargo bench -- "journal, chain"` says what a record costs it; the writer it costs nothing.
#[derive(Debug)]
pub struct Chainer {
    dir: PathBuf,
    crc: Crc32c,
    /// The segment that is next where none is being chained.
    next_index: u64,
    /// The link in front of it.
    link: Digest,
    present: Option<Present>,
    /// The catalogue of the segment before, for the next one to share.
    like: Option<ReadSegment>,
}

/// A segment that is being chained.
#[derive(Debug)]
struct Present {
    chain: SegmentChain,
    /// What an earlier run wrote of its side file.
    stored: Option<Stored>,
    file: Appender,
}

impl Chainer {
    /// Chains segment `index` of `dir` and those behind it; `link` is the one in front of it.
    pub(super) fn at(dir: &Path, index: u64, link: Digest) -> Self {
        Self {
            dir: dir.to_path_buf(),
            crc: Crc32c::detect(),
            next_index: index,
            link,
            present: None,
            like: None,
        }
    }

    /// Takes about `records` records and writes what is ready. Returns how many entries it made; `None` where nothing more
    /// is committed now.
    ///
    /// # Errors
    /// Where the journal is damaged, or is not what an earlier run chained. Where the file system refuses, nothing is lost:
    /// the next call tries again.
    pub fn poll(&mut self, records: usize) -> Result<Option<usize>, JournalError> {
        let mut made = 0;
        while made == 0 {
            if self.present.is_none() && !self.begin()? {
                return Ok(None);
            }
            let Some(present) = &mut self.present else { return Ok(None) };
            present.file.flush()?;
            match present.chain.step(records)? {
                Step::Entry(entry) => {
                    present.take(&entry)?;
                    made += 1;
                    present.file.flush()?;
                }
                Step::More => return Ok(Some(0)),
                Step::Idle => return Ok(None),
                Step::Done => self.finish()?,
            }
        }
        Ok(Some(made))
    }

    /// Number of the segment that is being chained, or is next.
    pub(super) fn index(&self) -> u64 {
        self.next_index
    }

    /// Begins the segment that is being chained once more.
    pub(super) fn again(&mut self) {
        self.present = None;
    }

    /// Chains everything that is committed now.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn catch_up(&mut self) -> Result<(), JournalError> {
        while self.poll(usize::MAX)?.is_some() {}
        Ok(())
    }

    /// Goes on to the next segment, where that has begun.
    fn begin(&mut self) -> Result<bool, JournalError> {
        let like = self.like.as_ref();
        let Some(segment) = ReadSegment::open_if_there(&self.dir, self.next_index, like)? else {
            return Ok(false);
        };
        let path = segment.path.clone();
        let Some(chain) = SegmentChain::new(segment, self.link, self.crc)? else { return Ok(false) };
        let header = Header::new(&chain.segment.head, chain.base_seq, self.link);
        let stored = Stored::read(&self.dir, self.next_index)?;
        let file = match &stored {
            Some(stored) if stored.header != header => {
                return Err(stored.damaged(chain.base_seq, "its header is not that of the segment"));
            }
            Some(_) => Appender::resume(&self.dir, self.next_index)?,
            None => Appender::create(&self.dir, &header)?,
        };
        commit_mark(&chain.segment, &path, &chain.mark(self.link), self.crc)?;
        self.present = Some(Present { chain, stored, file });
        Ok(true)
    }

    /// Leaves a segment that is chained to its seal.
    fn finish(&mut self) -> Result<(), JournalError> {
        let Some(present) = self.present.take() else { return Ok(()) };
        present.check_end()?;
        self.next_index = present.chain.index() + 1;
        self.link = present.chain.link;
        self.like = Some(present.chain.segment);
        Ok(())
    }
}

impl Present {
    /// Takes the next entry: written where it is new, held against what is there where it is not.
    fn take(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let meeting = self.stored.as_mut().map(|stored| (stored.meet(entry), stored));
        match meeting {
            None => self.file.push(entry),
            Some((Meeting::Same, stored)) => self.file.go_to(stored.at()),
            Some((Meeting::Short, _)) => {
                self.stored = None;
                self.file.push(entry);
            }
            Some((Meeting::Other(theirs), _)) => {
                return Err(name_altered(&self.chain.segment, &theirs, Some(entry)));
            }
            Some((Meeting::Broken, stored)) => {
                return Err(stored.damaged(entry.first_seq, "an entry is not what the segment gives"));
            }
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), JournalError> {
        match &self.stored {
            Some(stored) if !stored.rest().is_empty() => {
                Err(stored.damaged(self.chain.place().0, "it goes on behind the segment's seal"))
            }
            _ => Ok(()),
        }
    }
}

/// Commits the chain mark in the head of `segment`, whose file is `path`; where it is there already, it must say the same.
/// A live segment in RAM gets its mark there, and the disk with the head that is written when it is sealed: its file on the
/// disk is left to whoever writes it past the page cache.
fn commit_mark(
    segment: &ReadSegment,
    path: &Path,
    mark: &ChainMark,
    crc: Crc32c,
) -> Result<(), JournalError> {
    let damaged = |what| segment.damaged(CHAIN_AT, 0, Damage::Mark(what));
    match segment.chain(crc)? {
        Some(found) if found.same(mark) => return Ok(()),
        Some(_) => return Err(damaged("chain: not the link in front of the segment")),
        // What is compressed is not changed any more: it goes without, as where no chain was kept.
        None if segment.compressed => return Ok(()),
        None => {}
    }
    let file =
        OpenOptions::new().read(true).write(true).open(path).map_err(JournalError::io(path, "open"))?;
    let mut map = WriteMap::new(&file, HEAD_LEN).map_err(JournalError::io(path, "map"))?;
    publish_mark(&mut map, mark, crc).ok_or_else(|| damaged("chain: outside the head"))
}
