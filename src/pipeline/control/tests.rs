use super::*;

fn failure(stage: &str) -> Failure {
    Failure {
        thread: "hot".to_owned(),
        stage: stage.to_owned(),
        message: "no reason".to_owned(),
        panicked: false,
    }
}

#[test]
fn a_stop_is_seen_by_every_clone_and_closes_in_order() {
    let control = Control::new();
    let other = control.clone();
    assert!(!other.stop_requested() && !other.must_close(0));
    control.stop_flag().store(true, Ordering::SeqCst);
    assert!(other.stop_requested());
    assert!(other.must_close(0) && !other.must_close(1));
    control.thread_closed();
    assert!(other.must_close(1) && !other.must_close(2));
    assert_eq!(other.failure(), None);
}

#[test]
fn the_first_failure_is_kept_and_closes_all_at_once() {
    let control = Control::new();
    control.fail(failure("first"));
    control.fail(failure("second"));
    assert!(control.stop_requested() && control.must_close(0) && control.must_close(7));
    assert_eq!(control.failure(), Some(failure("first")));
    assert_eq!(failure("first").to_string(), "stage first on thread hot failed: no reason");
    let panicked = Failure { panicked: true, ..failure("first") };
    assert_eq!(panicked.to_string(), "stage first on thread hot panicked: no reason");
}
