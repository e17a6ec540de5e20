//! The status line and the summary, from the journal's own records.

use pricewright_core::kernel::table::DeskStatus;
use pricewright_core::kernel::{Class, DecisionRef, EventRef, Health, HealthReason, Kind, Nanos, RecordRef};

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Events.
    pub events: u64,
    /// Decisions.
    pub decisions: u64,
    /// Fills booked.
    pub fills: u64,
    /// Orders sent or asked to be sent.
    pub orders: u64,
    /// Orders refused by the risk gate.
    pub refused: u64,
    /// Prices published.
    pub prices: u64,
    /// Dead letters.
    pub rejected: u64,
    /// Times a feed lost messages on all lines.
    pub gaps: u64,
    /// The last status of the first instrument.
    pub status: Option<DeskStatus>,
    /// Whether the feed was valid once.
    was_valid: bool,
    /// First and last stamp.
    pub span: Option<(Nanos, Nanos)>,
}

impl Tally {
    /// Counts one record.
    pub fn take(&mut self, record: RecordRef<'_>) {
        let header = record.header();
        let Some(kind) = Kind::from_u16(header.kind) else { return };
        match kind.schema().class {
            Class::System => return,
            Class::Event => self.events += 1,
            Class::Decision => self.decisions += 1,
        }
        let first = self.span.map_or(header.now, |(first, _)| first);
        self.span = Some((first, header.now));
        match DecisionRef::of(&record) {
            Some(DecisionRef::PositionChanged(changed)) => self.fills += u64::from(changed.client != 0),
            Some(DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_)) => self.orders += 1,
            Some(DecisionRef::OrderRefused(_)) => self.refused += 1,
            Some(DecisionRef::PricePublished(_)) => self.prices += 1,
            Some(DecisionRef::Rejected(_)) => self.rejected += 1,
            Some(DecisionRef::DeskStatus(status)) if status.instrument.0 == 0 => self.status = Some(*status),
            _ => {}
        }
        if let Some(EventRef::FeedHealth(health)) = EventRef::of(&record) {
            // Catching up with a session that began before us is no gap, nor is a snapshot another one.
            let is_gap = health.health == Health::RECOVERING
                && !matches!(health.reason, HealthReason::SNAPSHOT_AWAITED | HealthReason::RESTORED);
            self.gaps += u64::from(self.was_valid && is_gap);
            self.was_valid |= health.health == Health::VALID;
        }
    }
}
