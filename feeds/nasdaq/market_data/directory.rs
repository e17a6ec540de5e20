//! Which locate code means which instrument today.

use crate::nasdaq::Symbol;
use crate::nasdaq::instrument::Instrument;

/// A locate code that means no configured instrument.
const NONE: u16 = u16::MAX;

/// The day's locate codes of the configured instruments.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    instruments: Vec<Instrument>,
    /// The code of each instrument, where the directory of this session named it.
    codes: Vec<Option<u16>>,
    /// Index into `instruments` by locate code.
    by_locate: Box<[u16]>,
    unlisted: usize,
}

impl Directory {
    pub(super) fn new(instruments: Vec<Instrument>) -> Self {
        Self {
            codes: vec![None; instruments.len()],
            unlisted: instruments.len(),
            instruments,
            by_locate: vec![NONE; 1 << 16].into_boxed_slice(),
        }
    }

    /// Forgets all codes: another day begins.
    pub(super) fn clear(&mut self) {
        self.by_locate.fill(NONE);
        self.codes.fill(None);
        self.unlisted = self.instruments.len();
    }

    /// Learns a code; what the code and the instrument meant before, they mean no longer. False where that was something
    /// else: within a day codes do not change.
    pub(super) fn learn(&mut self, locate: u16, symbol: Symbol) -> bool {
        let found = self.instruments.iter().position(|instrument| instrument.symbol == symbol);
        let index = found.and_then(|index| u16::try_from(index).ok()).unwrap_or(NONE);
        let Some(meant) = self.by_locate.get_mut(usize::from(locate)) else { return false };
        let before = core::mem::replace(meant, index);
        let code_changed = before != NONE && before != index;
        if code_changed && let Some(code) = self.codes.get_mut(usize::from(before)) {
            *code = None;
            self.unlisted += 1;
        }
        let Some(code) = self.codes.get_mut(usize::from(index)) else { return !code_changed };
        match code.replace(locate) {
            None => {
                self.unlisted -= 1;
                !code_changed
            }
            Some(former) if former == locate => true,
            Some(former) => {
                if let Some(meant) = self.by_locate.get_mut(usize::from(former)) {
                    *meant = NONE;
                }
                false
            }
        }
    }

    /// The instrument with this code; `None` where it is not configured.
    #[inline]
    pub(super) fn find(&self, locate: u16) -> Option<&Instrument> {
        let code = *self.by_locate.get(usize::from(locate))?;
        self.instruments.get(usize::from(code))
    }

    /// True where all instruments were named.
    pub(super) fn is_complete(&self) -> bool {
        self.unlisted == 0
    }

    pub(super) fn unlisted(&self) -> impl Iterator<Item = Symbol> + '_ {
        let pairs = self.instruments.iter().zip(&self.codes);
        pairs.filter(|(_, code)| code.is_none()).map(|(instrument, _)| instrument.symbol)
    }
}
