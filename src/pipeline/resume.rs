//! What feeds and gateways need to know of a journal to go on where it ends: the journal owns positions.

use pricewright_core::kernel::{Column, EventRef, RecordRef, SourceId};

/// Where every source stands, gathered while a journal is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    defines: Vec<Defined>,
    positions: Vec<Position>,
}

/// An interned string of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    /// Whose number it is.
    pub source: SourceId,
    /// Which column.
    pub column: Column,
    /// The number.
    pub id: u32,
    /// The string.
    pub text: String,
}

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The source.
    pub source: SourceId,
    /// The sender's session, as defined.
    pub session: u32,
    /// The next position expected.
    pub next: u64,
}

impl Resume {
    /// Takes a record of the journal.
    pub fn take(&mut self, record: RecordRef<'_>) {
        match EventRef::of(&record) {
            Some(EventRef::Mark(mark)) => {
                let next = mark.first + u64::from(mark.count);
                let position = Position { source: mark.source, session: mark.session, next };
                match self.positions.iter_mut().find(|known| known.source == mark.source) {
                    Some(known) => *known = position,
                    None => self.positions.push(position),
                }
            }
            Some(EventRef::Define(define)) => self.defines.push(Defined {
                source: define.source,
                column: define.column,
                id: define.id,
                text: define.text.as_str().to_owned(),
            }),
            _ => {}
        }
    }

    /// Where `source` stands; `None` where nothing of it is in the journal.
    pub fn position(&self, source: SourceId) -> Option<Position> {
        self.positions.iter().find(|position| position.source == source).copied()
    }

    /// The strings of a source's column in the order of their numbers.
    pub fn strings(&self, source: SourceId, column: Column) -> Vec<String> {
        self.defines
            .iter()
            .filter(|define| define.source == source && define.column == column)
            .map(|define| define.text.clone())
            .collect()
    }
}
