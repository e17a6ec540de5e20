//! The memory that a configuration asks for, computed from its sizes.

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Machine, Reserved};
use pricewright_feeds::jsonl::dictionary::Dictionary;

use super::PipelineConfig;

/// Live segments in RAM at once: the one that is written, the next, and one on its way to the disk.
const SEGMENTS_IN_RAM: u64 = 3;
/// The most rings that a plan lays: events, and answers.
const RINGS: u64 = 2;

impl<C> PipelineConfig<C> {
    /// The memory that a run of it takes for sizes that are settings. Nothing is taken here.
    pub fn reserved<M: Machine<Config = C>>(&self) -> Vec<Reserved> {
        let mut parts = M::memory(&self.config);
        if self.journal.replica {
            let twice = |part: &Reserved| Reserved {
                settings: format!(
                    "the same for the self-check ([journal] replica = true) of {}",
                    part.settings
                ),
                bytes: part.bytes,
            };
            let replica: Vec<Reserved> = parts.iter().map(twice).collect();
            parts.extend(replica);
        }
        let cells = self.runtime.ring_cells;
        let rings = (cells as u64).saturating_mul(RINGS);
        parts.push(Reserved::of(format!("[runtime] ring_cells = {cells}"), rings, CELL_LEN));
        if self.journal.durability.is_in_ram() {
            let mib = self.journal.segment_mib;
            let bytes = (u64::from(mib) << 20).saturating_mul(SEGMENTS_IN_RAM);
            parts.push(Reserved { settings: format!("[journal] segment_mib = {mib} in RAM"), bytes });
        }
        if let Some(feed) = &self.feed.jsonl {
            let outputs =
                usize::from(self.gateway.http.is_some()) + usize::from(self.gateway.jsonl.is_some());
            // The decoder's dictionary, and that of each output.
            let names = (feed.max_skus as u64).saturating_mul(1 + outputs as u64);
            let settings = format!("[feed.jsonl] max_skus = {}", feed.max_skus);
            parts.push(Reserved::of(settings, names, Dictionary::BYTES_OF_A_SKU));
        }
        parts
    }
}
