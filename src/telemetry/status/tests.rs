use pricewright_core::kernel::{Cell, InstrumentUnits, MAX_CELLS, Record, write_record};

use super::*;

/// Prices in cents, money in 1e-4 of a unit, lots of one share.
fn units() -> DisplayUnits {
    let unit = InstrumentUnits { symbol: "DEMO".to_owned(), tick_units: 1, decimals: 2, lot: 1 };
    DisplayUnits { instruments: vec![unit], money_decimals: 4, currency: String::new() }
}

fn take<R: Record>(tally: &mut Tally, record: &R) {
    let mut cells = [Cell::ZERO; MAX_CELLS];
    write_record(&mut cells, record, pricewright_core::kernel::SourceId(1), 0).expect("it fits");
    tally.take(RecordRef::first_of(&cells).expect("a record"));
}

fn status(position: i64, realised: i64, unrealised: i64, fees: i64) -> DeskStatus {
    DeskStatus {
        bid: Ticks(1_000),
        ask: Ticks(1_001),
        position: Lots(position),
        realised: Minor(realised),
        unrealised: Minor(unrealised),
        fees: Minor(fees),
        fills: 0,
        gaps: 0,
        open_orders: 0,
        instrument: InstrumentId(0),
        health: Health::VALID,
        phase: SessionPhase::READY,
        latch: Control::NONE,
        frozen: 0,
        spare: [0; 3],
    }
}

#[test]
fn a_fill_behind_the_last_status_is_in_position_and_profit() {
    let mut tally = Tally::default();
    take(&mut tally, &status(100, 0, 500, 30));
    assert_eq!(tally.profit(&units()), Minor(470));
    // 50 of 100 shares are sold at 10.02; they had cost 10.00 each.
    let fill = PositionChanged {
        client: 1,
        match_number: 1,
        price: Ticks(1_002),
        fill: Lots(-50),
        position: Lots(50),
        cost: Minor(50 * 100_000),
        realised: Minor(50 * 200),
        fees: Minor(40),
        instrument: InstrumentId(0),
        spare: [0; 6],
    };
    take(&mut tally, &fill);
    // What is left is worth 10.005 a share: 50 × 0.005 = 0.25 above its cost; 1.00 was realised; fees are 0.0040.
    assert_eq!(tally.profit(&units()), Minor(2_500 + 10_000 - 40));
    let json = tally.to_json(&units());
    assert_eq!(json["fills"], 1);
    assert_eq!(json["positions"][0]["position"], 50);
    assert_eq!(json["positions"][0]["unrealised"], "0.25");
    assert_eq!(json["profit"], "1.246");
    assert_eq!(json["fees"], "0.004");
}

#[test]
fn reasons_are_counted_by_name_and_the_most_frequent_comes_first() {
    use pricewright_core::kernel::table::{Rejected, VenueRejected};
    use pricewright_core::kernel::{EventNanos, SourceId, Text};
    let mut tally = Tally::default();
    let text = Text::excerpt("no JSON");
    let letter = Rejected { position: 1, len: 3, reason: RejectReason::MALFORMED, source: SourceId(1), text };
    let rejected = VenueRejected { event_ns: EventNanos(1), client: 1, reason: 15, spare: [0; 14] };
    take(&mut tally, &letter);
    take(&mut tally, &rejected);
    take(&mut tally, &rejected);
    assert_eq!(tally.reasons(), "venue other 2, dead letter malformed 1");
    let json = tally.to_json(&units());
    assert_eq!(json["dead_letters_by"]["malformed"], 1);
    assert_eq!(json["venue_rejected_by"]["other"], 2);
}
