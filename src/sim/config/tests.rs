use super::{MAX_RATE, SimConfig};
use crate::sim::replay::Speed;

fn refusal(change: impl FnOnce(&mut SimConfig)) -> String {
    let mut config = SimConfig::default();
    change(&mut config);
    config.check().expect_err("refused").to_string()
}

#[test]
fn the_defaults_and_the_embedded_form_can_be_used() {
    for config in [SimConfig::default(), SimConfig::embedded(true), SimConfig::embedded(false)] {
        config.check().expect("usable");
    }
    let replayed = SimConfig { itch: Some("day.itch".into()), symbols: Vec::new(), ..SimConfig::default() };
    replayed.check().expect("a file brings its own symbols");
}

#[test]
fn what_cannot_be_used_is_named_with_its_flag() {
    let address = |text: &str| text.parse().expect("an address");
    for (error, wanted) in [
        (refusal(|config| config.rate = MAX_RATE + 1), "--rate: 200001 messages a second; at most 200000"),
        (refusal(|config| config.symbols.clear()), "--symbols: 0 symbols"),
        (refusal(|config| config.symbols = vec!["TOOLONGNAME".to_owned()]), "--symbols: \"TOOLONGNAME\""),
        (
            refusal(|config| config.symbols = vec!["A".to_owned(), "A".to_owned()]),
            "--symbols: A is there twice",
        ),
        (refusal(|config| config.symbols = vec![" ".to_owned()]), "--symbols: \" \""),
        (refusal(|config| config.lines.clear()), "--lines: no line"),
        (refusal(|config| config.lines = vec![address("[::1]:1")]), "--lines: [::1]:1 is IPv6"),
        (
            refusal(|config| config.rerequest = address("239.1.1.1:1")),
            "--rerequest: 239.1.1.1:1 is a multicast",
        ),
        (refusal(|config| config.ouch = address("239.1.1.1:1")), "--ouch: 239.1.1.1:1 is a multicast"),
        (refusal(|config| config.loss = 1.0), "--loss: 100 percent"),
        (refusal(|config| config.duplicate = -0.1), "--duplicate: -10 percent"),
        (refusal(|config| config.reorder = f64::NAN), "--reorder: NaN percent"),
        (refusal(|config| config.rerequest_loss = 2.0), "--rerequest-loss: 200 percent"),
        (refusal(|config| config.speed = Speed::Recorded(0.0)), "--speed: 0; it must be a positive"),
    ] {
        assert!(error.starts_with(wanted), "{error}");
    }
}
