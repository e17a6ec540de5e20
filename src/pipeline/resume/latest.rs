//! The journal's last word on each article: its inventory and its price. With them, who shows prices need not read the
//! whole journal after a restart.

use std::collections::BTreeMap;

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::table::{Inventory, PricePublished};
use pricewright_core::kernel::{Cell, Record, RecordRef, SourceId};
use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes as _;

/// Records by source and article.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latest {
    inventories: BTreeMap<(SourceId, u32), Vec<u8>>,
    prices: BTreeMap<(SourceId, u32), Vec<u8>>,
}

impl Latest {
    /// Takes a record of the journal.
    pub(super) fn take(&mut self, record: &RecordRef<'_>) {
        match record.header().kind {
            Inventory::KIND => {
                if let Some(event) = record.get::<Inventory>() {
                    keep(&mut self.inventories, (event.source, event.sku), record);
                }
            }
            PricePublished::KIND => {
                if let Some(price) = record.get::<PricePublished>() {
                    keep(&mut self.prices, (price.source, price.sku), record);
                }
            }
            _ => {}
        }
    }

    /// Gives every record to `take`: inventories, then prices.
    pub(super) fn each<E>(&self, mut take: impl FnMut(RecordRef<'_>) -> Result<(), E>) -> Result<(), E> {
        for bytes in self.inventories.values().chain(self.prices.values()) {
            let mut cells = vec![Cell::ZERO; bytes.len() / CELL_LEN];
            if let Some(room) = cells.as_mut_bytes().get_mut(..bytes.len()) {
                room.copy_from_slice(bytes);
            }
            if let Some(record) = RecordRef::first_of(&cells) {
                take(record)?;
            }
        }
        Ok(())
    }
}

fn keep(kept: &mut BTreeMap<(SourceId, u32), Vec<u8>>, key: (SourceId, u32), record: &RecordRef<'_>) {
    let bytes = kept.entry(key).or_default();
    bytes.clear();
    bytes.extend_from_slice(record.cells().as_bytes());
}
