//! Books that are not to be believed where the journal ends, by what the feed and the machine said: a feed that goes on
//! there has forgotten them otherwise.

use std::collections::BTreeMap;

use pricewright_core::kernel::table::{ALL_INSTRUMENTS, BookCleared, FeedHealth};
use pricewright_core::kernel::{
    DecisionRef, EventRef, Health, HealthReason, InstrumentId, RecordRef, SourceId,
};
use serde::{Deserialize, Serialize};

use crate::pipeline::topology::FEED_SOURCE;

/// Lost books and why, by source and instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LostBooks {
    books: BTreeMap<(SourceId, InstrumentId), HealthReason>,
}

impl LostBooks {
    /// Takes a record of the journal.
    pub(super) fn take(&mut self, record: &RecordRef<'_>) {
        match EventRef::of(record) {
            Some(EventRef::BookCleared(event)) => self.cleared(event),
            Some(EventRef::FeedHealth(event)) => self.changed(event),
            Some(_) => {}
            None => {
                if let Some(DecisionRef::BookTransition(change)) = DecisionRef::of(record)
                    && change.to == Health::STALE
                    && is_lasting(change.reason)
                {
                    self.lose(FEED_SOURCE, change.instrument, change.reason);
                }
            }
        }
    }

    fn cleared(&mut self, event: &BookCleared) {
        let (source, which) = (event.source, event.instrument);
        self.books.retain(|(whose, instrument), _| {
            *whose != source || (which != ALL_INSTRUMENTS && *instrument != which)
        });
        // One that the directory does not list is in no snapshot.
        if event.health == Health::STALE && event.reason != HealthReason::UNLISTED {
            self.books.insert((source, which), event.reason);
        }
    }

    fn changed(&mut self, event: &FeedHealth) {
        if event.reason == HealthReason::RESTORED {
            self.books
                .retain(|(whose, _), reason| *whose != event.source || *reason != HealthReason::SNAPSHOT);
        } else if event.health != Health::VALID && is_lasting(event.reason) {
            self.lose(event.source, ALL_INSTRUMENTS, event.reason);
        }
    }

    /// A book that is being filled and found wrong is not whole when the rest is.
    fn lose(&mut self, source: SourceId, instrument: InstrumentId, reason: HealthReason) {
        let known = self.books.entry((source, instrument)).or_insert(reason);
        if *known == HealthReason::SNAPSHOT {
            *known = reason;
        }
    }

    /// Instruments whose books of `source` are lost.
    pub(super) fn of(&self, source: SourceId) -> Vec<InstrumentId> {
        let own = self.books.keys().filter(|(whose, _)| *whose == source);
        own.map(|(_, instrument)| *instrument).collect()
    }
}

fn is_lasting(reason: HealthReason) -> bool {
    matches!(
        reason,
        HealthReason::BAD_DATA
            | HealthReason::OVERRUN
            | HealthReason::WENT_BACK
            | HealthReason::SNAPSHOT_AWAITED
    )
}
