use super::*;
use crate::harness::record::Summary;

fn figure() -> FigureRecord {
    FigureRecord {
        name: "copy 64 B, same place (L1)".to_owned(),
        batch: 256,
        floor: Some("floor".to_owned()),
        ratio: Some(1.234),
        goal: None,
        per_second: Some(("copies".to_owned(), 123_456_789.0)),
        all: Summary { samples: 4, mean: 2.0, p50: Some(2.5), max: 1_234.0, ..Summary::default() },
        rounds: Vec::new(),
        curve: vec![(0.0, 1.0), (0.5, 2.5), (0.75, 1_234.0)],
    }
}

#[test]
fn a_row_shows_what_the_samples_carry() {
    let text = row(&figure());
    assert!(text.starts_with("copy 64 B, same place (L1) (mean of 256)"));
    let columns: Vec<&str> = text.get(NAME_WIDTH..).expect("columns").split_whitespace().collect();
    assert_eq!(columns, ["2.5", "-", "-", "-", "-", "1,234", "4", "1.23", "x", "123,456,789", "copies/s"]);
    let none = FigureRecord { all: Summary::default(), ..figure() };
    assert!(row(&none).ends_with("none"));
}

#[test]
fn the_distribution_is_what_the_plotter_reads() {
    let text = hgrm(&figure());
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().expect("a heading").split_whitespace().collect();
    assert_eq!(heading, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
    let last = text.lines().rfind(|line| !line.starts_with('#')).expect("a row");
    let last: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(last, ["1234.00", "0.750000000000", "3", "4.00"]);
    assert!(text.trim_end().ends_with("Total count    =            4]"));
}

#[test]
fn file_names_are_plain() {
    assert_eq!(file_name("1 M live orders, 11,000 instruments"), "1-m-live-orders-11-000-instruments");
}
