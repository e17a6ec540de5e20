//! Holds a whole journal against its chain, without changing anything.
//!
//! Each side file is read before its segment, so that a live writer and its tailer can only have gone on in between, never
//! fallen behind. Entries are made anew from the segment's bytes and compared byte by byte; a last entry that is not whole
//! must be the front of the one that the segment gives.

use std::path::Path;

use zerocopy::IntoBytes;

use super::build::{SegmentChain, Step};
use super::file::{Header, Meeting, Stored, chain_indices, chain_path};
use super::link::{Covers, Digest, Entry, genesis};
use super::name::name_altered;
use crate::journal::check::used_bytes;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, Damaged, JournalError};
use crate::journal::head::{CHAIN_AT, ChainMark, MARK_LEN};
use crate::journal::segment::{ReadSegment, segment_indices};

/// Records taken in one step.
const STEP: usize = 1 << 16;

/// How far a journal's chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainReach {
    /// Sequence of the first record that it covers.
    pub first_seq: u64,
    /// Sequence of the last record up to its end.
    pub last_seq: u64,
    /// Number of the segment that its last entry lies in.
    pub segment: u64,
    /// Entries of that segment's side file.
    pub entries: u64,
    /// Its head.
    pub link: Digest,
}

/// A link that somebody wants to hold against something else.
#[derive(Clone, Copy, Debug)]
pub(in crate::journal) struct Wanted {
    /// Number of the segment.
    pub(in crate::journal) segment: u64,
    /// How many of its entries lie up to the link.
    pub(in crate::journal) entries: u64,
    /// The link that the journal's bytes give there, and the last sequence up to it.
    pub(in crate::journal) found: Option<(Digest, u64)>,
    /// The link there if the writer had sealed the segment, where it is the last of a sealed one: recovery may have sealed
    /// it anew.
    pub(in crate::journal) by_writer: Option<Digest>,
}

/// What was found.
#[derive(Debug, Default)]
pub(in crate::journal) struct ChainFindings {
    /// How far the chain goes; `None` where none is kept.
    pub(in crate::journal) reach: Option<ChainReach>,
    /// The first thing that is not as it was chained.
    pub(in crate::journal) damage: Option<Box<Damaged>>,
}

struct Audit<'a> {
    dir: &'a Path,
    crc: Crc32c,
    wanted: &'a mut [Wanted],
    /// Number of the last side file.
    last_file: u64,
    /// The link in front of the next segment, where it is known.
    link: Option<Digest>,
    findings: ChainFindings,
}

/// Holds the journal in `dir` against its side files, and looks up the links that are `wanted`.
///
/// # Errors
/// Where a file cannot be read, or its format is unknown. Damage is a finding.
pub(in crate::journal) fn audit(dir: &Path, wanted: &mut [Wanted]) -> Result<ChainFindings, JournalError> {
    let files = chain_indices(dir)?;
    let segments = segment_indices(dir)?;
    let mut audit = Audit {
        dir,
        crc: Crc32c::detect(),
        wanted,
        last_file: files.last().copied().unwrap_or(0),
        link: None,
        findings: ChainFindings::default(),
    };
    let mut before = None;
    for index in &segments {
        let stored = audit.stored(*index)?;
        let segment = match ReadSegment::open_if_there(dir, *index, before.as_ref()) {
            Ok(Some(segment)) => segment,
            Ok(None) => break,
            Err(error) => {
                audit.note(error)?;
                break;
            }
        };
        match audit.segment(segment, stored) {
            Ok(Some(segment)) => before = Some(segment),
            Ok(None) => break,
            Err(error) => {
                audit.note(error)?;
                break;
            }
        }
    }
    for index in files.iter().filter(|index| !segments.contains(index)) {
        // Retention removes a segment first, then its side file.
        if segments.first().is_some_and(|first| index > first) && chain_path(dir, *index).exists() {
            let error = JournalError::damaged(
                &crate::journal::segment::segment_path(dir, *index),
                0,
                0,
                Damage::Order("it is not there, but its hash chain is"),
            );
            audit.note(error)?;
        }
    }
    Ok(audit.findings)
}

impl Audit<'_> {
    /// Keeps the first damage; any other error ends the audit.
    fn note(&mut self, error: JournalError) -> Result<(), JournalError> {
        match error {
            JournalError::Damaged(damaged) => {
                self.findings.damage.get_or_insert(damaged);
                Ok(())
            }
            JournalError::NotASegment { path } => {
                let damaged = JournalError::damaged(&path, 0, 0, Damage::Head("first bytes"));
                self.note(damaged)
            }
            error => Err(error),
        }
    }

    fn stored(&mut self, index: u64) -> Result<Option<Stored>, JournalError> {
        match Stored::read(self.dir, index) {
            Ok(stored) => Ok(stored),
            Err(error) => self.note(error).map(|()| None),
        }
    }

    /// Returns the segment where the next one can be looked at.
    fn segment(
        &mut self,
        segment: ReadSegment,
        stored: Option<Stored>,
    ) -> Result<Option<ReadSegment>, JournalError> {
        let index = segment.head.index;
        let mark = segment.chain(self.crc)?;
        let begin = segment.begin(self.crc)?;
        let missing = stored.is_none() && (mark.is_some() || index <= self.last_file);
        if missing && self.findings.damage.is_none() {
            let path = chain_path(self.dir, index);
            let seq = begin.map_or(0, |begin| begin.base_seq);
            self.note(JournalError::damaged(&path, 0, seq, Damage::ChainFile("it is not there")))?;
        }
        let before = self
            .link
            .or(stored.as_ref().map(|stored| stored.header.before))
            .or(mark.map(|mark| mark.chain_head))
            .unwrap_or_else(|| genesis(segment.head.journal_id));
        if mark.is_none() {
            check_uncommitted(&segment, &before, begin.map_or(0, |begin| begin.base_seq))?;
        }
        let wanted = self.wanted.iter().any(|wanted| wanted.segment >= index);
        if stored.is_none() && !wanted {
            return Ok(Some(segment));
        }
        let Some(chain) = SegmentChain::new(segment, before, self.crc)? else { return Ok(None) };
        self.check_front(&chain, stored.as_ref(), before, mark)?;
        self.walk(chain, stored)
    }

    /// The side file's header and the chain mark must say what the segment and the one before it do.
    fn check_front(
        &self,
        chain: &SegmentChain,
        stored: Option<&Stored>,
        before: Digest,
        mark: Option<ChainMark>,
    ) -> Result<(), JournalError> {
        let head = &chain.segment.head;
        if let Some(stored) = stored
            && stored.header != Header::new(head, chain.base_seq, before)
        {
            return Err(stored.damaged(chain.base_seq, "it does not go on where the one before ends"));
        }
        if head.index == 1 && before != genesis(head.journal_id) {
            let path = chain_path(self.dir, 1);
            let damage = Damage::ChainFile("it does not begin at the journal's first link");
            return Err(JournalError::damaged(&path, 0, chain.base_seq, damage));
        }
        let expected = chain.mark(before);
        let damaged = |what| chain.segment.damaged(CHAIN_AT, 0, Damage::Mark(what));
        match mark {
            Some(mark) if mark.same(&expected) => Ok(()),
            Some(_) => Err(damaged("chain: not the link in front of the segment")),
            None => Ok(()),
        }
    }

    /// Makes the segment's entries and holds them against the side file.
    fn walk(
        &mut self,
        mut chain: SegmentChain,
        mut stored: Option<Stored>,
    ) -> Result<Option<ReadSegment>, JournalError> {
        let index = chain.index();
        let mut entries = 0;
        let done = loop {
            let before = chain.link;
            let entry = match chain.step(STEP) {
                Ok(Step::Entry(entry)) => entry,
                Ok(Step::More) => continue,
                Ok(Step::Idle) => break false,
                Ok(Step::Done) => break true,
                Err(error) => return Err(named(&chain, stored.as_ref(), error)),
            };
            entries += 1;
            self.look_up(&chain, &before, entries, &entry)?;
            let Some(file) = &mut stored else { continue };
            match file.meet(&entry) {
                Meeting::Same => self.reach(&chain, entries, &entry),
                Meeting::Short => {
                    stored = None;
                    self.check_unfinished(index, chain.base_seq)?;
                    if self.wanted.iter().all(|wanted| wanted.segment < index) {
                        self.link = None;
                        return Ok(Some(chain.segment));
                    }
                }
                Meeting::Other(theirs) => return Err(name_altered(&chain.segment, &theirs, Some(&entry))),
                Meeting::Broken => {
                    return Err(file.damaged(entry.first_seq, "an entry is not what the segment gives"));
                }
            }
        };
        if let Some(stored) = stored.filter(|stored| !stored.rest().is_empty()) {
            let (seq, _) = chain.place();
            let error = stored.damaged(seq, "it goes on behind what the segment holds");
            return Err(named(&chain, Some(&stored), error));
        }
        self.link = done.then_some(chain.link);
        Ok(done.then_some(chain.segment))
    }

    /// Gives the link of `entry`, the segment's `entries`-th, to whoever wants it.
    fn look_up(
        &mut self,
        chain: &SegmentChain,
        before: &Digest,
        entries: u64,
        entry: &Entry,
    ) -> Result<(), JournalError> {
        let here = (chain.index(), entries);
        for wanted in self.wanted.iter_mut().filter(|wanted| (wanted.segment, wanted.entries) == here) {
            wanted.found = Some((entry.link, entry.last_seq()));
            if entry.covers == Covers::Seal {
                wanted.by_writer = chain.closed_by_writer(before)?;
            }
        }
        Ok(())
    }

    fn reach(&mut self, chain: &SegmentChain, entries: u64, entry: &Entry) {
        let first_seq = self.findings.reach.map_or(chain.base_seq, |reach| reach.first_seq);
        let (last_seq, segment, link) = (entry.last_seq(), chain.index(), entry.link);
        self.findings.reach = Some(ChainReach { first_seq, last_seq, segment, entries, link });
    }

    /// Only the last side file may end before its segment does.
    fn check_unfinished(&self, index: u64, base_seq: u64) -> Result<(), JournalError> {
        if index == self.last_file {
            return Ok(());
        }
        let path = chain_path(self.dir, index);
        let damage = Damage::ChainFile("it ends before its segment does");
        Err(JournalError::damaged(&path, 0, base_seq, damage))
    }
}

/// A chain mark that was not committed is zero, or is on its way: all there but for its commit word.
fn check_uncommitted(segment: &ReadSegment, before: &Digest, base_seq: u64) -> Result<(), JournalError> {
    let cells = segment.copy(CHAIN_AT, MARK_LEN)?;
    let expected = ChainMark::new(*before, base_seq.saturating_sub(1));
    let body = |bytes: &[u8]| bytes.get(8..).map(<[u8]>::to_vec);
    if used_bytes(&cells) == 0 || body(cells.as_bytes()) == body(expected.as_bytes()) {
        return Ok(());
    }
    Err(segment.damaged(CHAIN_AT, 0, Damage::Mark("chain: never committed")))
}

/// Names the record that is damaged or altered, where the side file says more than the walk that stopped with `error`.
fn named(chain: &SegmentChain, stored: Option<&Stored>, error: JournalError) -> JournalError {
    match stored.and_then(Stored::next) {
        Some(theirs) if theirs.covers != Covers::Seal => name_altered(&chain.segment, &theirs, None),
        _ => error,
    }
}
