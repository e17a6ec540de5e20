//! What the desk refuses before it runs.

use pricewright_core::kernel::*;

use super::super::{Desk, DeskConfig, StrategyConfig};
use super::stage::Stage;

#[test]
fn wrong_configurations_name_their_key() {
    let good = DeskConfig::example().expect("example");
    type Spoil = fn(&mut DeskConfig);
    let wrong: [(Spoil, &str); 16] = [
        (|config| config.status_interval_ms = 0, "status_interval_ms"),
        (|config| config.order_time_to_send_us = 0, "order_time_to_send_us"),
        (|config| config.refusal_pause_ms = 0, "refusal_pause_ms"),
        (|config| config.answer_timeout_ms = 9, "answer_timeout_ms"),
        (|config| config.book_orders = 0, "book_orders"),
        (|config| config.own_orders = 63, "own_orders"),
        (|config| config.own_fills = 0, "own_fills"),
        (|config| config.features.volatility_tau_ms = 0, "features.volatility_tau_ms"),
        (|config| config.risk.max_order_lots = Lots(99), "strategy.order_lots"),
        (|config| config.instruments.clear(), "instruments"),
        (|config| config.instruments[0].tick_value = Minor(1 << 40), "instruments.PRCW.tick_value"),
        (|config| config.instruments[1].currency = "EUR".to_owned(), "currency of WRGT is EUR"),
        (|config| config.base_currency = Some("EUR".to_owned()), "currency of PRCW is USD"),
        (|config| config.instruments[1].currency_decimals = 4, "currency_decimals of WRGT"),
        (|config| config.risk.max_gross_notional = Some(Minor(0)), "risk.max_gross_notional"),
        (|config| config.risk.max_rejects = 0, "risk.max_rejects"),
    ];
    for (spoil, key) in wrong {
        let mut config = good.clone();
        spoil(&mut config);
        let error = Driver::<Desk>::new(&config).expect_err(key);
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn the_configuration_is_read_as_it_is_written_and_unknown_keys_are_refused() {
    let good = DeskConfig::example().expect("example");
    let text = serde_json::to_string(&good).expect("written");
    assert_eq!(serde_json::from_str::<DeskConfig>(&text).expect("read"), good);
    for (from, to) in [
        ("\"collar_bps\"", "\"collar_pct\""),
        ("\"order_lots\"", "\"order_shares\""),
        ("\"refusal_pause_ms\"", "\"refusal_pause\""),
        ("market_maker", "market_taker"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(serde_json::from_str::<DeskConfig>(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
    let StrategyConfig::MarketMaker(maker) = good.strategy;
    assert_eq!(maker.min_quote_age_ms, 100);
}

#[test]
fn a_snapshot_of_other_instruments_is_refused() {
    let stage = Stage::quoting();
    let bytes = stage.driver.snapshot().expect("snapshot");
    let mut config = DeskConfig::example().expect("example");
    config.instruments.pop();
    assert!(Driver::<Desk>::restore(&config, &bytes).is_err());
    let mut config = DeskConfig::example().expect("example");
    config.own_orders *= 2;
    assert!(Driver::<Desk>::restore(&config, &bytes).is_err());
    assert!(Driver::<Desk>::restore(&config, &bytes[..bytes.len() / 2]).is_err());
}

/// The greatest sizes are 1 GiB of orders and more: a check computes only, and says what it would be.
#[test]
fn a_check_takes_no_memory_and_says_what_a_run_would_take() {
    let mut config = DeskConfig::example().expect("the example");
    (config.book_orders, config.book_levels) = (1 << 24, 1 << 16);
    (config.own_orders, config.own_fills) = (1 << 20, 1 << 20);
    assert_eq!(Desk::check(&config), Ok(()));
    let parts = Desk::memory(&config);
    // An order's node and its place in the index are 48 bytes, at the least.
    assert!(parts[0].bytes > 48 << 24, "{parts:?}");
    assert!(parts[0].settings.contains("book_orders = 16777216, book_levels = 65536"), "{parts:?}");
    assert!(parts[1].settings.contains("own_orders = 1048576, own_fills = 1048576"), "{parts:?}");
    config.book_orders += 1;
    assert!(Desk::check(&config).is_err());
}
