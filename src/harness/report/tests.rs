use super::super::machine::Machine;
use super::super::record::{FORMAT, FailedBench, GoalRecord};
use super::*;

fn figure(name: &str, floor: Option<&str>) -> FigureRecord {
    let summary = Summary {
        samples: 5_000,
        mean: 130.0,
        p50: Some(120.0),
        p90: Some(1_500.0),
        max: 2e6,
        ..Summary::default()
    };
    FigureRecord {
        name: name.to_owned(),
        batch: 1,
        floor: floor.map(str::to_owned),
        ratio: floor.map(|_| 1.5),
        goal: None,
        per_second: None,
        all: summary,
        rounds: vec![summary; 3],
        curve: vec![(0.0, 100.0), (0.5, 120.0), (0.9, 1_500.0), (0.9999, 2e6)],
    }
}

fn document() -> Document {
    let goal = GoalRecord { text: "at most 2 of the floor".to_owned(), reached: true };
    let hop = FigureRecord { goal: Some(goal), ..figure("<hop> & back", Some("line")) };
    let bench = BenchRecord {
        name: "ring".to_owned(),
        question: "How long?".to_owned(),
        result: "ab12".to_owned(),
        facts: vec!["a fact".to_owned()],
        placement_ns: vec![130.0, 371.4],
        figures: vec![
            figure("line", None),
            hop,
            figure("over the hop", Some("<hop> & back")),
            figure("alone", None),
        ],
    };
    let machine = Machine {
        cores: 2,
        processor: "A \"processor\"".to_owned(),
        kernel: "6.18".to_owned(),
        governor: "none".to_owned(),
        clock: "TSC".to_owned(),
        placement: "near".to_owned(),
        cache_line_ns: Some(130.0),
        taken_away: 0.0123,
        stolen: None,
        load: None,
        profile: "dist".to_owned(),
        version: "0.1.0".to_owned(),
        build: "00ff".to_owned(),
        date: "2026-01-05T14:30:00Z".to_owned(),
    };
    Document {
        format: FORMAT.to_owned(),
        machine,
        smoke: false,
        seed: 1,
        benches: vec![bench],
        failed: Vec::new(),
    }
}

#[test]
fn the_page_says_everything_and_refers_to_nothing() {
    let page = page(&document());
    for said in [
        "A &quot;processor&quot;",
        "profile dist",
        "How long?",
        "a fact",
        "ab12",
        "1.23 %",
        "reached",
        "130, 371 ns",
        "1.50\u{a0}×",
    ] {
        assert!(page.contains(said), "{said} is missing");
    }
    assert!(!page.contains("<hop>"), "names are escaped");
    for outside in ["http:", "https:", "//", "src=", "url(", "@import", "<script"] {
        assert!(!page.contains(outside), "{outside} refers to something else");
    }
}

#[test]
fn tags_are_closed() {
    let page = page(&document());
    for tag in [
        "section", "table", "tbody", "thead", "tr", "td", "th", "svg", "ul", "li", "dl", "div", "header",
        "footer", "main", "span",
    ] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn figures_are_drawn_with_the_floor_at_their_bottom() {
    let document = document();
    let bench = document.benches.first().expect("one");
    let names: Vec<Vec<&str>> =
        groups(bench).iter().map(|group| group.iter().map(|figure| figure.name.as_str()).collect()).collect();
    assert_eq!(names, [vec!["line", "<hop> & back", "over the hop"], vec!["alone"]]);
}

#[test]
fn floors_that_go_round_in_a_circle_end() {
    let mut document = document();
    let bench = document.benches.first_mut().expect("one");
    bench.figures = vec![figure("a", Some("b")), figure("b", Some("a"))];
    assert!(!page(&document).is_empty());
}

#[test]
fn times_have_the_unit_that_suits_them() {
    let times = [0.5, 12.34, 99.96, 999.0, 1_000.0, 36_400.0, 1.5e6, 2e9].map(time);
    let expected = ["0.50 ns", "12.3 ns", "100 ns", "999 ns", "1.00 µs", "36.4 µs", "1.50 ms", "2.00 s"];
    assert_eq!(times, expected.map(|text| text.replace(' ', "\u{a0}")));
    assert_eq!(
        (factor(1.234), factor(12.34), factor(738.2)),
        ("1.23\u{a0}×".into(), "12.3\u{a0}×".into(), "738\u{a0}×".into())
    );
}

/// Every point lies within the plot, whatever the values.
#[test]
fn lines_stay_within_their_plot() {
    let curves: [&[(f64, f64)]; 3] =
        [&[(0.0, 0.0), (0.5, 0.01), (0.999_999_9, 1e11)], &[(0.0, 5.0), (0.5, 5.0)], &[(0.0, 7.0)]];
    for points in curves {
        let drawn = plot(&[Line { name: "x", points, colour: 0, floor: false }]);
        let path = drawn.split(" d=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a path");
        for place in path.split(['M', 'L']).skip(1) {
            let (x, y) = place.split_once(' ').expect("two numbers");
            let (x, y): (f64, f64) = (x.parse().expect("x"), y.parse().expect("y"));
            assert!((0.0..=880.0).contains(&x) && (0.0..=300.0).contains(&y), "{x} {y}");
        }
    }
    assert_eq!(plot(&[]), "");
}

#[test]
fn axes_have_round_numbers() {
    let curve = [(0.0, 12.0), (0.9, 60.0)];
    let drawn = plot(&[Line { name: "x", points: &curve, colour: 0, floor: false }]);
    for number in ["10", "20", "50", "100"] {
        assert!(drawn.contains(&format!(">{number}\u{a0}ns<")), "{number} in {drawn}");
    }
    let wide = plot(&[Line { name: "x", points: &[(0.0, 12.0), (0.9, 6e6)], colour: 0, floor: false }]);
    assert!(wide.contains(">1\u{a0}ms<") && !wide.contains(">20\u{a0}ns<"));
}

#[test]
fn a_bench_that_failed_is_on_the_page_with_its_error() {
    let good = document();
    assert!(!page(&good).contains("failed"));
    let failed = FailedBench { name: "journal".to_owned(), error: "<no> room".to_owned() };
    let text = page(&Document { failed: vec![failed], ..good });
    assert!(text.contains("journal failed: &lt;no&gt; room"), "{text}");
}
