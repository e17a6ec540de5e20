use super::*;

#[test]
fn a_line_takes_what_fits_and_the_most_important_first() {
    let parts: Vec<String> = ["12s", "LATCHED: daily_loss", "P&L +1.00", "µ"].map(str::to_owned).into();
    assert_eq!(fitting(&parts, 80), "12s  LATCHED: daily_loss  P&L +1.00  µ");
    assert_eq!(fitting(&parts, 38), "12s  LATCHED: daily_loss  P&L +1.00  µ");
    assert_eq!(fitting(&parts, 37), "12s  LATCHED: daily_loss  P&L +1.00");
    assert_eq!(fitting(&parts, 20), "12s  P&L +1.00  µ");
    assert_eq!(fitting(&parts, 2), "µ");
    assert_eq!(fitting(&parts, 0), "");
}

#[test]
fn what_hinders_comes_before_everything_else() {
    let units = DisplayUnits { instruments: Vec::new(), money_decimals: 2, currency: String::new() };
    let mut tally = Tally::default();
    tally.latch = Control::DAILY_LOSS;
    tally.storage_low = true;
    tally.phase = Some(SessionPhase::DOWN);
    tally.feed = Some(Health::STALE);
    tally.prices = 1_234;
    let parts = live_parts(7, &tally, LatencyNow::default(), &units);
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    assert_eq!(
        words,
        [
            "7s",
            "LATCHED: daily_loss",
            "STORAGE LOW",
            "session down",
            "feed stale",
            "prices 1,234",
            "events 0"
        ]
    );
}
