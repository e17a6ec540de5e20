//! Where a file of decisions ends, so that the next run writes neither a line twice nor one too few.
//!
//! A file that decisions are written to is a copy of a part of the journal: each line names its record (`seq`), in rising
//! order. A run that finds such a file goes on behind its last whole line, with decisions of earlier runs too where a crash
//! came between journal and file. A line that a crash cut is cut off. A new file begins at the journal's first decision.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// More than two of the longest lines.
const TAIL_LEN: u64 = 16 << 10;
/// What every line begins with.
const LINE_BEGIN: &[u8] = b"{\"";

#[derive(Deserialize)]
struct LastLine {
    seq: u64,
}

/// Opens `path` for appending. Returns with it the first record that the file lacks; `next_seq` is the first that the
/// journal lacks.
///
/// # Errors
/// Where it cannot be opened, or is no file of this journal's decisions.
pub(super) fn open(path: &Path, next_seq: u64) -> Result<(File, u64)> {
    let complain =
        |source| Error::File { path: path.to_path_buf(), source, mend: "mend the path in [gateway.jsonl]" };
    let mut file = File::options().create(true).read(true).append(true).open(path).map_err(complain)?;
    if !file.metadata().map_err(complain)?.is_file() {
        // A device or a named pipe cannot be read back: it gets what this run decides.
        return Ok((file, next_seq));
    }
    let (len, tail) = read_tail(&mut file).map_err(complain)?;
    let foreign = |what: &str| {
        Err(Error::Usage(format!(
            "{}: {what}; name another file in [gateway.jsonl], or move this one away",
            path.display()
        )))
    };
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (lines, torn) = tail.split_at(whole);
    let last = lines.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let next = match last.map(serde_json::from_slice::<LastLine>) {
        Some(Ok(LastLine { seq })) if last.is_some_and(|last| last.starts_with(LINE_BEGIN)) => seq + 1,
        None if tail.starts_with(LINE_BEGIN) || LINE_BEGIN.starts_with(&tail) => 1,
        _ => return foreign("its last line is not one of ours, which name their record (\"seq\")"),
    };
    if next > next_seq {
        return foreign(&format!(
            "it goes on to record {} and the journal only to {}: it is another journal's",
            next - 1,
            next_seq - 1
        ));
    }
    file.set_len(len - torn.len() as u64).map_err(complain)?;
    Ok((file, next))
}

/// The file's length and its last bytes.
fn read_tail(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL_LEN)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok((len, tail))
}

#[cfg(test)]
mod tests;
