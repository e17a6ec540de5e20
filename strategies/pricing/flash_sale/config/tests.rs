use super::*;

fn mistake(config: &Config) -> String {
    config.faults().into_iter().next().expect("a mistake")
}

#[test]
fn mistakes_name_the_key_and_the_mend() {
    let good = Config::default;
    for (config, expected) in [
        (
            Config { currency_decimals: 10, ..good() },
            "currency_decimals is 10: set it to 0..=9 (2 for USD and EUR)",
        ),
        (
            Config { floor: Some("1.234".to_owned()), ..good() },
            "floor is \"1.234\", more decimals than the currency's 2: write an amount such as \"1.00\"",
        ),
        (
            Config { ceiling: Some("ten".to_owned()), currency_decimals: 0, ..good() },
            "ceiling is \"ten\", not a decimal number such as 100.00: write an amount such as \"1\"",
        ),
        (
            Config { max_change: Some("0.00".to_owned()), ..good() },
            "max_change is \"0.00\": write an amount above zero, or leave the key out",
        ),
        (
            Config { max_change_bps: Some(Bps(0)), ..good() },
            "max_change_bps is 0: write basis points above zero (10000 is 100 %), or leave the key out",
        ),
        (
            Config { floor: Some("2.00".to_owned()), ceiling: Some("1.99".to_owned()), ..good() },
            "floor is above ceiling: lower floor or raise ceiling",
        ),
        (
            Config { floor_bps_of_base: Some(Bps(2)), ceiling_bps_of_base: Some(Bps(1)), ..good() },
            "floor_bps_of_base is above ceiling_bps_of_base: lower the first or raise the second",
        ),
        (Config { max_skus: 0, ..good() }, "max_skus is 0: set it to 1..=16777216"),
        (Config { max_sources: 65, ..good() }, "max_sources is 65: set it to 1..=64"),
    ] {
        assert_eq!(mistake(&config), expected);
    }
}

#[test]
fn every_key_has_a_default_and_unknown_keys_are_refused() {
    let config: Config = serde_json::from_str("{}").expect("all keys are optional");
    assert_eq!(config, Config::default());
    let error =
        serde_json::from_str::<Config>(r#"{"flor": "1.00"}"#).expect_err("an unknown key").to_string();
    assert!(error.contains("unknown field `flor`"), "{error}");
}

#[test]
fn a_configuration_comes_back_from_its_text() {
    let config = Config {
        floor: Some("1.00".to_owned()),
        ceiling_bps_of_base: Some(Bps(18_000)),
        max_change_bps: Some(Bps(2_500)),
        publish: Publish::Always,
        ..Config::default()
    };
    let text = serde_json::to_string(&config).expect("text");
    assert!(text.contains(r#""publish":"always""#) && !text.contains("null"), "{text}");
    assert_eq!(serde_json::from_str::<Config>(&text).expect("the same"), config);
}
