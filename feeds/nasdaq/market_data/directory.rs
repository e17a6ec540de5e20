//! Which locate code means which instrument today.

use crate::nasdaq::Symbol;
use crate::nasdaq::instrument::Instrument;

/// A locate code that means no configured instrument.
const NONE: u16 = u16::MAX;

/// The day's locate codes of the configured instruments.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    instruments: Vec<Instrument>,
    /// Whether the directory of this session named the instrument.
    listed: Vec<bool>,
    /// Index into `instruments` by locate code.
    by_locate: Box<[u16]>,
    unlisted: usize,
}

impl Directory {
    pub(super) fn new(instruments: Vec<Instrument>) -> Self {
        Self {
            listed: vec![false; instruments.len()],
            unlisted: instruments.len(),
            instruments,
            by_locate: vec![NONE; 1 << 16].into_boxed_slice(),
        }
    }

    /// Forgets all codes: another day begins.
    pub(super) fn clear(&mut self) {
        self.by_locate.fill(NONE);
        self.listed.fill(false);
        self.unlisted = self.instruments.len();
    }

    /// Learns a code.
    pub(super) fn learn(&mut self, locate: u16, symbol: Symbol) {
        let Some(index) = self.instruments.iter().position(|instrument| instrument.symbol == symbol) else {
            return;
        };
        if let (Some(code), Ok(number)) = (self.by_locate.get_mut(usize::from(locate)), u16::try_from(index))
        {
            *code = number;
        }
        if let Some(listed) = self.listed.get_mut(index)
            && !*listed
        {
            *listed = true;
            self.unlisted -= 1;
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
        let pairs = self.instruments.iter().zip(&self.listed);
        pairs.filter(|(_, listed)| !**listed).map(|(instrument, _)| instrument.symbol)
    }
}
