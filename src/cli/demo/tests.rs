use super::*;

#[test]
fn the_configuration_is_one_that_a_replay_can_read_back() {
    let args = FlashSaleArgs {
        seed: 7,
        seconds: 3,
        http: "127.0.0.1:0".parse().expect("an address"),
        journal: None,
        json: false,
    };
    let canonical = configuration(&args, PathBuf::from("here")).canonical().expect("canonical");
    let text = crate::config::ConfigText { path: "demo".to_owned(), text: canonical.clone() };
    let again = text.pipeline::<FlashSale>().expect("it is good");
    assert_eq!(again.canonical().expect("canonical"), canonical);
    assert!(canonical.contains("[feed.jsonl.generated]\nseed = 7\n"), "{canonical}");
}

#[test]
fn an_empty_board_has_a_status_line() {
    assert_eq!(status_parts(4, &Board::default()).join("  "), "  4s  0 SKUs  prices 0  dead letters 0");
}
