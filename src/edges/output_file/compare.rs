//! Whether the lines of a file are what the journal says of their records, from the file's end backwards, in blocks.
//!
//! In most cases the last line is, and nothing else is read. A file that goes on past the place where a repair cut the journal
//! ends with lines that agree with no record of it: they are counted, and the file goes on behind the last line in front of
//! them that agrees. A line behind the cut counts only where all lines between agree, too: one alone may do so by chance. That
//! file is this journal's where
//! * a line agrees, and a repair gave up what does not, or a note beside the journal names the file; or
//! * no line can be compared or none agrees, but a note beside the journal knows one of them by its hash.
//!
//! Everything else is another journal's, and is left as it is.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::notes::Known;
use super::records::{Printed, Records};
use crate::error::Error;

/// More than two of the longest lines.
const TAIL_LEN: u64 = 16 << 10;
/// What is read at once where the last line does not agree.
const BLOCK_LEN: u64 = 64 << 10;
/// What every line begins with.
const LINE_BEGIN: &[u8] = b"{\"";
/// Keys that two lines must share to be compared: fewer than a dead letter has. Another version may print one more or less.
const MIN_KEYS: usize = 4;

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

/// Why a file is not gone on with.
#[derive(Debug)]
pub(super) enum Fault {
    /// It cannot be read.
    Io(io::Error),
    /// It is not of this journal's decisions.
    Foreign(String),
    /// The journal cannot be read.
    Journal(Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Journal(error)
    }
}

/// Where a file ends.
#[derive(Debug)]
pub(super) struct Ending {
    /// Bytes up to the end of the last whole line; what follows was cut by a crash.
    pub(super) whole: u64,
    /// The last whole line without its end, and its record.
    pub(super) last: Option<(u64, Vec<u8>)>,
}

impl Ending {
    /// Reads the end of the regular `file`.
    pub(super) fn read(file: &mut File) -> core::result::Result<Self, Fault> {
        let len = file.seek(SeekFrom::End(0))?;
        let tail = read_between(file, len.saturating_sub(TAIL_LEN), len)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (lines, torn) = tail.split_at(whole);
        let last = lines.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
        let last = match last {
            None if tail.starts_with(LINE_BEGIN) || LINE_BEGIN.starts_with(&tail) => None,
            last => Some(last.and_then(|last| Some((seq_of(last)?, last.to_vec()))).ok_or_else(|| {
                Fault::Foreign(
                    "its last line is not one of ours, which name their record (\"seq\")".to_owned(),
                )
            })?),
        };
        Ok(Self { whole: len - torn.len() as u64, last })
    }
}

/// The record that a line of ours names.
fn seq_of(line: &[u8]) -> Option<u64> {
    let numbered = serde_json::from_slice::<Numbered>(line).ok().filter(|_| line.starts_with(LINE_BEGIN));
    numbered.map(|numbered| numbered.seq).filter(|seq| *seq < u64::MAX)
}

fn read_between(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// True where two lines say the same of all that both speak of.
fn agree(line: &[u8], printed: &[u8]) -> bool {
    let object = |line: &[u8]| serde_json::from_slice::<Map<String, Value>>(line).ok();
    let (Some(line), Some(printed)) = (object(line), object(printed)) else { return false };
    let shared: Vec<bool> = line.iter().filter_map(|(key, value)| Some(printed.get(key)? == value)).collect();
    shared.len() >= MIN_KEYS && shared.into_iter().all(|same| same)
}

/// What a line is by the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Agrees,
    Differs,
    /// Its record was removed.
    Unknown,
}

/// A line of the file.
struct Line<'a> {
    place: usize,
    seq: u64,
    text: &'a [u8],
    verdict: Verdict,
}

/// What the lines of a file say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compared {
    /// The first record that the file lacks.
    pub(super) next: u64,
    /// The records of lines that the journal does not hold, rising.
    pub(super) given_up: Vec<u64>,
    /// How many lines these are; more than records where several repairs gave up the same numbers.
    pub(super) lines: usize,
    /// The last record in front of the repair that gave them up; `None` where no repair is noted.
    pub(super) cut: Option<u64>,
}

/// Compares the lines of `file`, which ends as `ending` says, with `records`.
///
/// # Errors
/// [`Fault::Foreign`] where they are another journal's, and where the file or the journal cannot be read.
pub(super) fn compare(
    file: &mut File,
    ending: &Ending,
    records: &mut dyn Records,
    known: &Known,
) -> core::result::Result<Option<Compared>, Fault> {
    let Some((seq, text)) = &ending.last else { return Ok(None) };
    let mut walk = Walk {
        records,
        known,
        cut: None,
        given_up: Vec::new(),
        agreeing: Vec::new(),
        noted: false,
        behind: None,
        doubt: None,
    };
    let last = Line { place: 0, seq: *seq, text, verdict: Verdict::Differs };
    let next = match walk.lines(vec![last])? {
        Some(next) => next,
        None => walk.rest(file, ending.whole - text.len() as u64 - 1)?,
    };
    let mut given_up = walk.given_up;
    let lines = given_up.len();
    given_up.sort_unstable();
    given_up.dedup();
    Ok(Some(Compared { next, given_up, lines, cut: walk.cut }))
}

/// On the way through a file, from its end.
struct Walk<'a> {
    records: &'a mut dyn Records,
    known: &'a Known,
    /// The last record in front of the repairs that gave up the lines seen.
    cut: Option<u64>,
    given_up: Vec<u64>,
    /// Behind the cut: records of the lines that agree, from the last one to the one seen just now.
    agreeing: Vec<u64>,
    /// A note knows one of the lines seen.
    noted: bool,
    /// The journal begins behind the lines that come now; if the file is this journal's, this is the first record that it lacks.
    behind: Option<u64>,
    /// What speaks against the file.
    doubt: Option<String>,
}

impl Walk<'_> {
    /// Takes the lines in front of `end`. Returns the first record that the file lacks.
    fn rest(&mut self, file: &mut File, mut end: u64) -> core::result::Result<u64, Fault> {
        while end > 0 {
            let begin = end.saturating_sub(BLOCK_LEN);
            let bytes = read_between(file, begin, end)?;
            // The first line of a block has its beginning in the one before.
            let skip = match bytes.iter().position(|byte| *byte == b'\n') {
                _ if begin == 0 => 0,
                Some(first) if first + 1 < bytes.len() => first + 1,
                _ => return Err(self.foreign("one of its lines is not one of ours")),
            };
            let whole = bytes.get(skip..).unwrap_or_default();
            let mut lines = Vec::new();
            for (place, text) in
                whole.strip_suffix(b"\n").unwrap_or(whole).split(|byte| *byte == b'\n').enumerate()
            {
                let seq = seq_of(text).ok_or_else(|| self.foreign("one of its lines is not one of ours"))?;
                lines.push(Line { place, seq, text, verdict: Verdict::Differs });
            }
            if let Some(next) = self.lines(lines)? {
                return Ok(next);
            }
            end = begin + skip as u64;
        }
        match (self.behind, self.cut) {
            (Some(next), _) if self.noted => Ok(next),
            (None, Some(cut)) if self.noted || !self.agreeing.is_empty() => Ok(self.go_on_behind(cut)),
            _ => Err(self.foreign(
                "none of its lines is what the journal says of their records: it is another journal's",
            )),
        }
    }

    /// Takes lines that stand one behind the other. Returns the first record that the file lacks, where they show it.
    fn lines(&mut self, mut lines: Vec<Line<'_>>) -> core::result::Result<Option<u64>, Fault> {
        if self.behind.is_none() {
            lines.sort_by_key(|line| line.seq);
            for line in &mut lines {
                line.verdict = match self.records.printed(line.seq)? {
                    Printed::Line(printed) if agree(line.text, &printed) => Verdict::Agrees,
                    Printed::Line(_) | Printed::Nothing => Verdict::Differs,
                    Printed::Removed => Verdict::Unknown,
                };
            }
            lines.sort_by_key(|line| line.place);
        }
        for line in lines.iter().rev() {
            if let Some(next) = self.line(line)? {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// Takes the line in front of those seen.
    fn line(&mut self, line: &Line<'_>) -> core::result::Result<Option<u64>, Fault> {
        let is_last = self.given_up.is_empty() && self.behind.is_none();
        let note = self.known.note_of(line.seq, line.text);
        self.noted |= note.is_some();
        match line.verdict {
            _ if self.behind.is_some() => {}
            // Numbers that go back are the place where a run went on after an earlier repair: it wrote all from there.
            _ if self.agreeing.last().is_some_and(|seq| *seq <= line.seq) => {
                return Ok(Some(self.go_on_behind(line.seq)));
            }
            Verdict::Agrees if self.cut.is_none_or(|cut| line.seq <= cut) => {
                return Ok(Some(self.go_on_behind(line.seq)));
            }
            Verdict::Agrees => {
                self.agreeing.push(line.seq);
                return Ok(None);
            }
            Verdict::Differs => return self.differs(line.seq).map(|()| None),
            Verdict::Unknown => {
                let noted = note.filter(|_| is_last).map_or(line.seq, |note| note.seq);
                self.behind = Some(self.go_on_behind(self.cut.unwrap_or(noted)));
                self.doubt.get_or_insert_with(|| {
                    format!(
                        "record {}, to which it goes on, was removed from the journal or archived, and no note beside the journal \
                         says that this line was written from here: nobody can say whose file it is",
                        line.seq
                    )
                });
            }
        }
        if self.noted || !self.agreeing.is_empty() {
            return Ok(self.behind);
        }
        // A note says how far a file was written at least: its line does not stand in front of that.
        if self.known.oldest().is_none_or(|oldest| line.seq < oldest) {
            return Err(self.foreign(""));
        }
        Ok(None)
    }

    /// The first record that the file lacks: behind the last line that agrees, or else behind record `seq`.
    fn go_on_behind(&self, seq: u64) -> u64 {
        self.agreeing.first().copied().unwrap_or(seq) + 1
    }

    fn differs(&mut self, seq: u64) -> core::result::Result<(), Fault> {
        let last = self.records.next_seq() - 1;
        self.doubt.get_or_insert_with(|| {
            if seq > last {
                format!("it goes on to record {seq} and the journal only to {last}: it is another journal's")
            } else {
                format!("its last line is not what the journal says of record {seq}: it is another journal's")
            }
        });
        match self.known.cut_before(seq) {
            Some(cut) => self.cut = Some(self.cut.map_or(cut, |known| known.min(cut))),
            // The machine may have gone down before the records were on the disk, which no repair notes.
            None if self.known.own.is_some() || self.noted => {}
            None => return Err(self.foreign("")),
        }
        self.given_up.append(&mut self.agreeing);
        self.given_up.push(seq);
        Ok(())
    }

    /// The file is refused for the first reason that was found, or else for this one.
    fn foreign(&self, reason: &str) -> Fault {
        Fault::Foreign(self.doubt.clone().unwrap_or_else(|| reason.to_owned()))
    }
}
