//! What the desk says of itself to monitors.

use pricewright_core::kernel::*;

use super::stage::{PRCW, Stage};

fn used(standing: &Standing, limit: &str) -> (i64, i64) {
    let mut found = standing.limits.iter().filter(|used| used.limit == limit);
    let first = found.next().expect("it is a limit");
    (first.used, first.most)
}

fn orders(standing: &Standing, state: &str) -> u64 {
    standing.orders.iter().find(|(name, _)| *name == state).expect("a state").1
}

/// 100 lots each at 99.99 and 100.01, money in cents, limits of `RiskConfig::example`.
#[test]
fn two_quotes_use_so_much_of_each_limit() {
    let stage = Stage::quoting();
    let standing = stage.driver.machine().standing(stage.now);
    assert_eq!(orders(&standing, "live"), 2);
    assert_eq!(standing.orders.iter().map(|(_, count)| count).sum::<u64>(), 2);
    assert_eq!(used(&standing, "max_position_lots"), (100, 2_000));
    assert_eq!(used(&standing, "max_order_lots"), (100, 500));
    assert_eq!(used(&standing, "max_notional"), (1_000_100, 10_000_000));
    assert_eq!(used(&standing, "max_open_orders"), (2, 16));
    assert_eq!(used(&standing, "max_open_notional"), (2_000_000, 50_000_000));
    // Nothing is held: gross are both orders, net the dearer one. Not said, the limits are four and two times the open one.
    assert_eq!(used(&standing, "max_gross_notional"), (2_000_000, 200_000_000));
    assert_eq!(used(&standing, "max_net_notional"), (1_000_100, 100_000_000));
    assert_eq!(used(&standing, "message_burst"), (2, 100));
    assert_eq!(used(&standing, "band_bps"), (1, 500));
    assert_eq!(used(&standing, "collar_bps"), (0, 50), "neither side is aggressive");
    assert_eq!(used(&standing, "max_daily_loss"), (0, 500_000));
}

#[test]
fn a_fill_moves_the_position_and_the_loss() {
    let mut stage = Stage::quoting();
    stage.fill(2, 1, 9_999, 100);
    let standing = stage.driver.machine().standing(stage.now);
    let mine = standing.limits.iter().find(|used| used.instrument == Some(PRCW)).expect("it has limits");
    assert_eq!(mine.limit, "max_position_lots");
    // Bought 100; however many bids stand now, at least these are held.
    assert!((100..=2_000).contains(&mine.used), "{mine:?}");
    // 100 lots at 99.99 are worth 100.00 each, and the fill earns a rebate: nothing is lost.
    assert_eq!(used(&standing, "max_daily_loss").0, 0);
}
