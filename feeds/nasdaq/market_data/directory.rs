//! Which locate code means which instrument today.

use pricewright_core::kernel::InstrumentId;

use crate::nasdaq::Symbol;
use crate::nasdaq::instrument::Instrument;

/// A locate code that means no configured instrument.
const NONE: u16 = u16::MAX;

/// What a listing changed, by index of instruments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Learned {
    /// It has a code now and had none before.
    pub(super) listed: Option<usize>,
    /// It has another code than before.
    pub(super) moved: Option<usize>,
    /// Its code means another stock now.
    pub(super) lost: Option<usize>,
}

impl Learned {
    /// True where the listing gave a code or a stock another meaning than before.
    pub(super) fn is_contradiction(&self) -> bool {
        self.moved.is_some() || self.lost.is_some()
    }
}

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

    /// Learns a code; what the code and the instrument meant before, they mean no longer. Within a day codes do not change:
    /// whose did is in what this returns.
    pub(super) fn learn(&mut self, locate: u16, symbol: Symbol) -> Learned {
        let found = self.instruments.iter().position(|instrument| instrument.symbol == symbol);
        let index = found.and_then(|index| u16::try_from(index).ok()).unwrap_or(NONE);
        let mut learned = Learned::default();
        let Some(meant) = self.by_locate.get_mut(usize::from(locate)) else { return learned };
        let before = core::mem::replace(meant, index);
        if before != NONE
            && before != index
            && let Some(code) = self.codes.get_mut(usize::from(before))
        {
            *code = None;
            self.unlisted += 1;
            learned.lost = Some(usize::from(before));
        }
        let Some(code) = self.codes.get_mut(usize::from(index)) else { return learned };
        match code.replace(locate) {
            None => {
                self.unlisted -= 1;
                learned.listed = Some(usize::from(index));
            }
            Some(former) if former == locate => {}
            Some(former) => {
                if let Some(meant) = self.by_locate.get_mut(usize::from(former)) {
                    *meant = NONE;
                }
                learned.moved = Some(usize::from(index));
            }
        }
        learned
    }

    /// The instrument with this code; `None` where it is not configured.
    #[inline]
    pub(super) fn find(&self, locate: u16) -> Option<&Instrument> {
        self.instruments.get(self.index_of(locate))
    }

    /// The index of the instrument with this code; one that no instrument has where it is not configured.
    #[inline]
    pub(super) fn index_of(&self, locate: u16) -> usize {
        self.by_locate.get(usize::from(locate)).map_or(usize::MAX, |code| usize::from(*code))
    }

    /// The index of the instrument with this symbol.
    pub(super) fn find_symbol(&self, symbol: Symbol) -> Option<usize> {
        self.instruments.iter().position(|instrument| instrument.symbol == symbol)
    }

    /// The index of the instrument with this number.
    pub(super) fn find_id(&self, id: InstrumentId) -> Option<usize> {
        self.instruments.iter().position(|instrument| instrument.id == id)
    }

    /// The number of the instrument with this index.
    pub(super) fn id(&self, index: usize) -> Option<InstrumentId> {
        self.instruments.get(index).map(|instrument| instrument.id)
    }

    /// The symbol of an instrument.
    pub(super) fn symbol(&self, id: InstrumentId) -> Option<Symbol> {
        self.instruments.iter().find(|instrument| instrument.id == id).map(|instrument| instrument.symbol)
    }

    /// How many instruments are configured.
    pub(super) fn len(&self) -> usize {
        self.instruments.len()
    }

    /// True where the directory of this session named the instrument with this index.
    pub(super) fn is_listed(&self, index: usize) -> bool {
        self.codes.get(index).is_some_and(Option::is_some)
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
