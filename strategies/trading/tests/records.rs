//! Records as tests need them.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::Desk;

pub(super) const FEED: SourceId = SourceId(0);
pub(super) const GATEWAY: SourceId = SourceId(1);

/// A record by itself.
pub(super) fn record<R: Record>(record: &R) -> RecordBuf {
    let mut buffer = RecordBuf::default();
    buffer.put(record, FEED, 0).expect("a buffer grows");
    buffer
}

pub(super) fn send_report(client: u64, outcome: SendOutcome) -> SendReport {
    SendReport { client, decision: 0, sent: Nanos::ZERO, outcome, spare: 0, source: GATEWAY, spare2: 0 }
}

pub(super) fn venue_executed(client: u64, match_number: u64, price: Ticks, qty: u32) -> VenueExecuted {
    let (event_ns, liquidity) = (EventNanos(0), Liquidity::ADDED);
    VenueExecuted { event_ns, client, match_number, price, qty, liquidity, spare: [0; 3] }
}

pub(super) fn malformed() -> Malformed {
    let (position, len, reason) = (77, 3, RejectReason::UNKNOWN_TYPE);
    Malformed { position, len, reason, source: FEED, text: Text::excerpt("what is this") }
}

/// The desk's decisions for a script of events, event by event.
pub(super) fn replay(driver: &mut Driver<Desk>, script: &[(Nanos, RecordBuf)]) -> Vec<Vec<Cell>> {
    let mut decisions = Vec::with_capacity(script.len());
    for (now, event) in script {
        let lying = event.iter().next().expect("a record");
        let event = EventRef::of(&lying).expect("an event");
        assert_eq!(driver.step(*now, event, &mut NoProbe), Step::Done);
        decisions.push(driver.outbox().cells().to_vec());
    }
    decisions
}
