//! CRC-32C (Castagnoli) over 64-bit words, with the SSE4.2 instruction where the machine has it.
//!
//! Polynomial 0x1EDC6F41, reflected (0x82F63B78), initial value and final XOR 0xFFFFFFFF: RFC 3720 appendix B.4. Records
//! are short, so one stream of the instruction is used, and while it waits for its own result the words are copied:
//! sealing a record costs one pass. Where the instruction is missing, eight tables are used; the values are the same.

use pricewright_core::kernel::HEADER_LEN;

use super::map::{Body, CellWords, WORDS_PER_CELL};

/// Words of a record's header.
const HEADER_WORDS: usize = HEADER_LEN / 8;

const POLYNOMIAL: u32 = 0x82f6_3b78;

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of bounds")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[table - 1][byte];
            tables[table][byte] = (crc >> 8) ^ tables[0][(crc & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// `TABLES[n][b]` is the remainder of byte `b` followed by `n` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

#[inline]
pub(super) fn table_word(crc: u32, word: u64) -> u32 {
    (word ^ u64::from(crc))
        .to_le_bytes()
        .iter()
        .zip(TABLES.iter().rev())
        .fold(0, |sum, (byte, table)| sum ^ table.get(usize::from(*byte)).copied().unwrap_or(0))
}

fn table_byte(crc: u32, byte: u8) -> u32 {
    let index = (crc ^ u32::from(byte)) & 0xff;
    (crc >> 8) ^ TABLES.first().and_then(|table| table.get(index as usize)).copied().unwrap_or(0)
}

/// The first `used` words, then zeros.
#[inline(always)]
fn kept<const WORDS: usize>(words: &[u64; WORDS], used: usize) -> [u64; WORDS] {
    let mut kept = *words;
    if used < WORDS {
        for (index, word) in kept.iter_mut().enumerate() {
            *word = if index < used { *word } else { 0 };
        }
    }
    kept
}

/// The two bodies differ only in the step; a macro, not a closure, so that the step is inlined under its target feature.
macro_rules! bodies {
    ($words:ident, $bytes:ident, $step:expr $(, $feature:literal)?) => {
        $(#[target_feature(enable = $feature)])?
        fn $words(mut crc: u32, words: &[u64]) -> u32 {
            for word in words {
                crc = $step(crc, *word);
            }
            crc
        }

        $(#[target_feature(enable = $feature)])?
        fn $bytes(mut crc: u32, bytes: &[u8]) -> u32 {
            let (words, rest) = bytes.as_chunks();
            for word in words {
                crc = $step(crc, u64::from_le_bytes(*word));
            }
            rest.iter().fold(crc, |crc, byte| table_byte(crc, *byte))
        }
    };
}

bodies!(words_by_table, bytes_by_table, table_word);

#[cfg(target_arch = "x86_64")]
bodies!(words_by_instruction, bytes_by_instruction, instruction_word, "sse4.2");

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse4.2")]
pub(super) fn instruction_word(crc: u32, word: u64) -> u32 {
    core::arch::x86_64::_mm_crc32_u64(u64::from(crc), word) as u32
}

/// Fills `target` with `head`, with the words of `source` behind its header as far as the first `used`, and with zeros.
/// Returns the checksum of all that, taken by `step`. `source` has as many cells as the block, and all but the last are used
/// whole; `FULL` says that the last is, too.
///
/// Words that are all used are copied in vector registers and summed from where they lie. Nothing is copied as a slice of
/// any length: that becomes a call of `memcpy`, which costs more than the copying.
#[inline(always)]
pub(super) fn seal<const FULL: bool>(
    target: Body<'_>,
    head: [u64; 3],
    source: &[CellWords],
    used: usize,
    step: impl Fn(u32, u64) -> u32,
) -> u32 {
    let [seq, now, last, payload @ ..] = target.first;
    (*seq, *now, *last) = (head[0], head[1], head[2]);
    let mut crc = head.into_iter().fold(u32::MAX, &step);
    let Some(([_, _, _, _, words @ ..], source)) = source.split_first() else { return !crc };
    // Only the last cell may have words that are not used.
    let (Some((last, places)), Some((last_words, source))) =
        (target.rest.split_last_mut(), source.split_last())
    else {
        return !fill::<FULL, _>(payload, words, used.saturating_sub(HEADER_WORDS), crc, &step);
    };
    crc = fill::<true, _>(payload, words, 0, crc, &step);
    for (place, words) in places.iter_mut().zip(source) {
        crc = fill::<true, _>(place, words, 0, crc, &step);
    }
    let used = used.saturating_sub((places.len() + 1) * WORDS_PER_CELL);
    !fill::<FULL, _>(last, last_words, used, crc, &step)
}

/// Copies `words`, where they are not `FULL` as far as `used` goes, with zeros behind. Returns the checksum, gone on with.
#[inline(always)]
fn fill<const FULL: bool, const WORDS: usize>(
    place: &mut [u64; WORDS],
    words: &[u64; WORDS],
    used: usize,
    crc: u32,
    step: &impl Fn(u32, u64) -> u32,
) -> u32 {
    if FULL {
        *place = *words;
        return words.iter().fold(crc, |crc, word| step(crc, *word));
    }
    let words = kept(words, used);
    *place = words;
    words.into_iter().fold(crc, step)
}

/// The checksum, with the means of computing it chosen once.
#[derive(Clone, Copy, Debug)]
pub struct Crc32c {
    instruction: bool,
}

impl Crc32c {
    /// The fastest that this machine has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        let instruction = std::arch::is_x86_feature_detected!("sse4.2");
        #[cfg(not(target_arch = "x86_64"))]
        let instruction = false;
        Self { instruction }
    }

    /// The tables, whatever the machine has. Gives the same values; for tests and comparison.
    pub const fn table() -> Self {
        Self { instruction: false }
    }

    /// True where it is the instruction: then this machine has SSE4.2.
    #[inline]
    pub(super) fn is_by_instruction(self) -> bool {
        self.instruction
    }

    /// Of whole little-endian words.
    #[inline]
    pub fn of_words(self, words: &[u64]) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if self.instruction {
            // SAFETY: `instruction` is set by `detect` alone, after it saw SSE4.2 on this machine.
            return !unsafe { words_by_instruction(u32::MAX, words) };
        }
        !words_by_table(u32::MAX, words)
    }

    /// Of any bytes.
    pub fn of_bytes(self, bytes: &[u8]) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if self.instruction {
            // SAFETY: `instruction` is set by `detect` alone, after it saw SSE4.2 on this machine.
            return !unsafe { bytes_by_instruction(u32::MAX, bytes) };
        }
        !bytes_by_table(u32::MAX, bytes)
    }
}

#[cfg(test)]
mod tests;
