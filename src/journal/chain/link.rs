//! The construction: tags, contents, links.
//!
//! ```text
//! tag(record)     = the first 8 bytes of BLAKE3(the record's cells)
//! content(entry)  = BLAKE3(the bytes that the entry covers)
//! genesis         = BLAKE3.derive_key(GENESIS, journal id)
//! link(entry)     = BLAKE3.derive_key(LINK, link before || u64 segment || entry up to the link)
//! ```
//!
//! An entry is laid out as it stands in the side file:
//!
//! ```text
//!  0 u32 type: 1 head, 2 records, 3 seal      4 u32 count of records
//!  8 u64 offset in the segment               16 u64 length in bytes
//! 24 u64 sequence of its first record; where it has none, of the next one
//! 32 content, 32 bytes                       64 tags, 8 bytes each        64 + 8 count: link, 32 bytes
//! ```
//!
//! The link covers content and tags, not the bytes themselves, so that the side file proves by itself that its tags are
//! those of the chained records: the first record whose tag differs is the first that was altered, even where the attacker
//! has put its checksum right. To hide a record behind its own tag takes some 2^64 hashes, and only moves the blame within
//! its block: the content is hashed in full.

use pricewright_core::kernel::Cell;
use pricewright_core::kernel::record::CELL_LEN;
use zerocopy::IntoBytes;

/// A BLAKE3 hash.
pub type Digest = [u8; 32];

/// The blocks of records are closed by the record that makes them this long.
pub(super) const BLOCK_LEN: u64 = 64 << 10;
/// Bytes of an entry in front of its tags.
pub(super) const FRONT_LEN: usize = 64;
/// Bytes of a tag.
pub(super) const TAG_LEN: usize = 8;
/// Bytes of a link.
pub(super) const LINK_LEN: usize = 32;
/// The most records of an entry: each takes a cell at least, and the last one may begin just in front of [`BLOCK_LEN`].
pub(super) const MAX_COUNT: usize = BLOCK_LEN as usize / CELL_LEN;

const GENESIS: &str = "pricewright 2026-11-21 journal chain genesis";
const LINK: &str = "pricewright 2026-11-21 journal chain link";

/// What an entry covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Covers {
    /// Head and catalogue of the segment, its chain mark and its seal mark taken as zero.
    Head = 1,
    /// Whole records, about 64 KiB.
    Records = 2,
    /// The seal mark.
    Seal = 3,
}

/// An entry of the side file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) covers: Covers,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) first_seq: u64,
    pub(super) content: Digest,
    pub(super) tags: Vec<u64>,
    pub(super) link: Digest,
}

/// The link in front of a journal's first entry.
pub(super) fn genesis(journal_id: [u8; 16]) -> Digest {
    blake3::derive_key(GENESIS, &journal_id)
}

/// The tag of the record in `cells`.
pub(super) fn tag(cells: &[Cell]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(cells.as_bytes()).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Entry {
    /// Sets the link behind `before`.
    pub(super) fn linked(mut self, before: &Digest, segment: u64) -> Self {
        self.link = self.expected_link(before, segment);
        self
    }

    /// The link that this entry must have behind `before`.
    pub(super) fn expected_link(&self, before: &Digest, segment: u64) -> Digest {
        let bytes = self.to_bytes();
        let front = bytes.len() - LINK_LEN;
        let mut hasher = blake3::Hasher::new_derive_key(LINK);
        hasher.update(before).update(&segment.to_le_bytes()).update(bytes.get(..front).unwrap_or(&[]));
        *hasher.finalize().as_bytes()
    }

    /// Records that it covers.
    pub(super) fn count(&self) -> u64 {
        self.tags.len() as u64
    }

    /// Sequence of the last record up to its end.
    pub(super) fn last_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count()).saturating_sub(1)
    }

    /// As it stands in the side file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FRONT_LEN + self.tags.len() * TAG_LEN + LINK_LEN);
        bytes.extend((self.covers as u32).to_le_bytes());
        // At most `MAX_COUNT`.
        bytes.extend((self.tags.len() as u32).to_le_bytes());
        bytes.extend(self.offset.to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.first_seq.to_le_bytes());
        bytes.extend(self.content);
        bytes.extend(self.tags.iter().flat_map(|tag| tag.to_le_bytes()));
        bytes.extend(self.link);
        bytes
    }

    /// The entry at the front of `bytes`; `None` where that is none, or not a whole one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let covers = match take_u32(&mut rest)? {
            1 => Covers::Head,
            2 => Covers::Records,
            3 => Covers::Seal,
            _ => return None,
        };
        let count = take_u32(&mut rest)? as usize;
        if count > MAX_COUNT {
            return None;
        }
        let (offset, length, first_seq) = (take_u64(&mut rest)?, take_u64(&mut rest)?, take_u64(&mut rest)?);
        let content = take(&mut rest)?;
        let tags = (0..count).map(|_| take_u64(&mut rest)).collect::<Option<Vec<u64>>>()?;
        Some(Self { covers, offset, length, first_seq, content, tags, link: take(&mut rest)? })
    }
}

/// Takes `N` bytes off the front.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*front)
}

pub(super) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_le_bytes)
}

pub(super) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}
