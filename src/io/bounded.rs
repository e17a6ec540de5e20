//! Files that are read whole, up to a size: what a name or a head claims must not decide how much memory is taken.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The longest configuration, statement or list that a person would write.
pub const TEXT: u64 = 16 << 20;

/// The bytes of the file at `path`, which has at most `most`. Memory grows with what was read.
///
/// # Errors
/// Where it cannot be read, or is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let what = format!("it is longer than {most} bytes, the most that such a file may have");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(bytes)
}

/// As [`read`], for text.
///
/// # Errors
/// As [`read`]; also where it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}
