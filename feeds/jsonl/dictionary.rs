//! The SKUs of one source and their interned numbers, dense from 0 in the order of first use.
//!
//! Memory is reserved at the start; neither a look-up nor a new SKU allocates. A look-up is a binary search, a new SKU
//! also moves at most four bytes for every SKU known.

use pricewright_core::kernel::table::Define;
use pricewright_core::kernel::{Column, SourceId, Text};

/// The most bytes of a SKU.
pub const MAX_SKU_LEN: usize = 88;

/// A SKU as records carry it.
pub type Sku = Text<MAX_SKU_LEN>;

/// Why a SKU has no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DictionaryError {
    /// Every number is in use.
    #[error("more SKUs than max_skus: raise it")]
    Full,
    /// A definition that does not continue this dictionary.
    #[error("a definition has number {found} where number {expected} comes next")]
    OutOfSequence {
        /// The number that comes next.
        expected: u32,
        /// The definition's.
        found: u32,
    },
    /// A definition of a SKU that has another number.
    #[error("a definition repeats a SKU under another number")]
    Repeated,
}

/// Names and numbers of one source.
#[derive(Clone, Debug)]
pub struct Dictionary {
    source: SourceId,
    capacity: usize,
    /// Indexed by number.
    names: Vec<Sku>,
    /// Numbers in the order of their names.
    sorted: Vec<u32>,
}

/// An empty vector whose memory was written once, so that the first SKUs meet no page fault. `value` is not all zeros: of
/// those the allocator would give pages that nobody has written.
fn touched<T: Clone>(capacity: usize, value: T) -> Vec<T> {
    let mut reserved = vec![value; capacity];
    reserved.clear();
    reserved
}

impl Dictionary {
    /// What each place takes of memory.
    pub const BYTES_OF_A_SKU: usize = size_of::<Sku>() + size_of::<u32>();

    /// An empty dictionary of `source` for at most `capacity` SKUs.
    pub fn new(source: SourceId, capacity: usize) -> Self {
        let capacity = capacity.min(u32::MAX as usize);
        Self {
            source,
            capacity,
            names: touched(capacity, Text([1; MAX_SKU_LEN])),
            sorted: touched(capacity, 1),
        }
    }

    /// Whose numbers these are.
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// How many SKUs are known.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True where none is known.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The SKU with this number.
    pub fn name(&self, id: u32) -> Option<&str> {
        self.names.get(usize::try_from(id).ok()?).map(Text::as_str)
    }

    /// The number of this SKU. O(log n).
    pub fn id(&self, sku: &Sku) -> Option<u32> {
        self.place(sku).ok().and_then(|at| self.sorted.get(at).copied())
    }

    /// Gives a new SKU the next number. O(n), and rare.
    ///
    /// # Errors
    /// [`DictionaryError::Full`], or [`DictionaryError::Repeated`] where it is not new.
    pub fn insert(&mut self, sku: Sku) -> Result<u32, DictionaryError> {
        let Err(at) = self.place(&sku) else { return Err(DictionaryError::Repeated) };
        if self.names.len() >= self.capacity {
            return Err(DictionaryError::Full);
        }
        let id = u32::try_from(self.names.len()).map_err(|_| DictionaryError::Full)?;
        self.names.push(sku);
        self.sorted.insert(at, id);
        Ok(id)
    }

    /// Takes a definition from a journal, in the journal's order. One of another source or column is none of this
    /// dictionary's business, and one that is known already changes nothing.
    ///
    /// # Errors
    /// Where the definition does not continue this dictionary.
    pub fn restore(&mut self, define: &Define) -> Result<(), DictionaryError> {
        if define.source != self.source
            || define.column != Column::SKU
            || self.id(&define.text) == Some(define.id)
        {
            return Ok(());
        }
        let expected = u32::try_from(self.names.len()).map_err(|_| DictionaryError::Full)?;
        if define.id != expected {
            return Err(DictionaryError::OutOfSequence { expected, found: define.id });
        }
        self.insert(define.text).map(|_| ())
    }

    /// The record that defines this number.
    pub fn define(&self, id: u32) -> Option<Define> {
        let text = *self.names.get(usize::try_from(id).ok()?)?;
        Some(Define { id, column: Column::SKU, source: self.source, text })
    }

    fn place(&self, sku: &Sku) -> Result<usize, usize> {
        self.sorted.binary_search_by(|id| {
            let name = usize::try_from(*id).ok().and_then(|index| self.names.get(index));
            name.cmp(&Some(sku))
        })
    }
}

#[cfg(test)]
mod tests;
