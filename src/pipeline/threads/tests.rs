use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

type Log = Arc<Mutex<Vec<String>>>;

/// A stage that does what its closures say and logs its close.
struct Probe<F> {
    name: &'static str,
    poll: F,
    closing: Option<&'static str>,
    log: Log,
}

impl<F: FnMut(usize) -> usize + Send> Stage for Probe<F> {
    fn name(&self) -> &str {
        self.name
    }

    fn poll(&mut self, budget: usize) -> usize {
        (self.poll)(budget)
    }

    fn close(&mut self) {
        self.log.lock().expect("no panic holds it").push(self.name.to_owned());
        if let Some(message) = self.closing {
            panic!("{message}");
        }
    }
}

fn probe(name: &'static str, log: &Log, poll: impl FnMut(usize) -> usize + Send + 'static) -> Box<dyn Stage> {
    Box::new(Probe { name, poll, closing: None, log: Arc::clone(log) })
}

fn spec(name: &str, stages: Vec<Box<dyn Stage>>) -> ThreadSpec {
    ThreadSpec { name: name.to_owned(), core: None, idle: Idle::BACKOFF, budget: 7, stages }
}

fn closed(log: &Log) -> Vec<String> {
    log.lock().expect("no panic holds it").clone()
}

#[test]
fn stages_are_polled_with_the_budget_and_closed_upstream_first() {
    let (log, control, polls) = (Log::default(), Control::new(), Arc::new(AtomicUsize::new(0)));
    let counted = |name| {
        let (polls, control) = (Arc::clone(&polls), control.clone());
        probe(name, &log, move |budget| {
            assert_eq!(budget, 7);
            if polls.fetch_add(1, Ordering::Relaxed) > 1_000 {
                control.request_stop();
            }
            1
        })
    };
    let threads = vec![
        spec("ingress", vec![counted("feed")]),
        spec("hot", vec![counted("sequencer"), counted("gateway")]),
        spec("helper", vec![counted("tailer")]),
    ];
    let report = start(threads, &control).expect("three threads").join();
    assert_eq!(report.failure, None);
    assert_eq!(closed(&log), ["feed", "sequencer", "gateway", "tailer"]);
    let names: Vec<&str> = report.threads.iter().map(|thread| thread.name.as_str()).collect();
    assert_eq!(names, ["ingress", "hot", "helper"]);
    assert!(
        report.threads.iter().all(|thread| thread.panics.is_empty() && thread.busy_rounds == thread.rounds)
    );
}

#[test]
fn a_later_thread_still_polls_while_an_earlier_one_closes() {
    /// Closes only once the thread after its own has polled again.
    struct Upstream(Arc<AtomicUsize>);
    impl Stage for Upstream {
        fn name(&self) -> &str {
            "upstream"
        }
        fn poll(&mut self, _: usize) -> usize {
            0
        }
        fn close(&mut self) {
            let seen = self.0.load(Ordering::Relaxed);
            while self.0.load(Ordering::Relaxed) < seen + 3 {
                thread::yield_now();
            }
        }
    }
    let (log, control, polls) = (Log::default(), Control::new(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&polls);
    let downstream = probe("downstream", &log, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        0
    });
    let threads = vec![spec("first", vec![Box::new(Upstream(polls))]), spec("second", vec![downstream])];
    let running = start(threads, &control).expect("two threads");
    control.request_stop();
    assert_eq!(running.join().failure, None);
}

#[test]
fn a_panic_stops_all_threads_and_the_other_stages_are_closed() {
    let (log, control) = (Log::default(), Control::new());
    let mut polls = 0;
    let bug = probe("machine", &log, move |_| {
        polls += 1;
        assert!(polls < 10, "position {} has no book", polls);
        1
    });
    let threads = vec![
        spec("ingress", vec![probe("feed", &log, |_| 0)]),
        spec("hot", vec![probe("sequencer", &log, |_| 0), bug, probe("gateway", &log, |_| 0)]),
        spec("helper", vec![probe("tailer", &log, |_| 0)]),
    ];
    let report = start(threads, &control).expect("three threads").join();
    let failure = report.failure.expect("the panic");
    assert_eq!((failure.thread.as_str(), failure.stage.as_str()), ("hot", "machine"));
    assert_eq!(failure.message, "position 10 has no book");
    assert!(failure.panicked);
    assert_eq!(report.threads[1].panics, [failure]);
    let mut closed = closed(&log);
    closed.sort_unstable();
    assert_eq!(closed, ["feed", "gateway", "sequencer", "tailer"], "all but the one that panicked");
}

#[test]
fn a_panic_while_closing_is_a_failure_and_the_rest_is_closed() {
    let (log, control) = (Log::default(), Control::new());
    let bad = Probe { name: "bad", poll: |_| 0, closing: Some("cannot seal"), log: Arc::clone(&log) };
    let threads = vec![spec("hot", vec![Box::new(bad), probe("good", &log, |_| 0)])];
    let running = start(threads, &control).expect("a thread");
    control.request_stop();
    let report = running.join();
    assert_eq!(closed(&log), ["bad", "good"]);
    assert_eq!(report.failure.expect("the panic").message, "cannot seal");
}

#[test]
fn a_stage_can_fail_without_a_panic() {
    let (log, control) = (Log::default(), Control::new());
    let failure = Failure {
        thread: "hot".to_owned(),
        stage: "gateway".to_owned(),
        message: "the venue refused the login".to_owned(),
        panicked: false,
    };
    let (handle, said) = (control.clone(), failure.clone());
    let stage = probe("gateway", &log, move |_| {
        handle.fail(said.clone());
        0
    });
    let report = start(vec![spec("hot", vec![stage])], &control).expect("a thread").join();
    assert_eq!(report.failure, Some(failure));
    assert!(report.threads[0].panics.is_empty());
    assert_eq!(closed(&log), ["gateway"]);
}

#[test]
fn threads_are_pinned_and_a_refused_pin_is_reported_not_fatal() {
    let core = core_affinity::get_core_ids().expect("affinity")[0].id;
    let (log, control) = (Log::default(), Control::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let found = Arc::clone(&seen);
    let stage = probe("where", &log, move |_| {
        *found.lock().expect("no panic holds it") = core_affinity::get_core_ids().expect("affinity");
        0
    });
    let no_core = 1_023;
    let threads = vec![
        ThreadSpec { core: Some(core), ..spec("pinned", vec![stage]) },
        ThreadSpec { core: Some(no_core), ..spec("refused", vec![]) },
        spec("free", vec![]),
    ];
    let running = start(threads, &control).expect("three threads");
    assert_eq!(running.pins(), [Pin::On(core), Pin::Refused(no_core), Pin::Free]);
    assert_eq!(running.refused_pins().collect::<Vec<_>>(), [("refused", no_core)]);
    while seen.lock().expect("no panic holds it").is_empty() {
        thread::park_timeout(Duration::from_millis(1));
    }
    control.request_stop();
    let report = running.join();
    assert_eq!(report.threads[0].pin, Pin::On(core));
    assert_eq!(*seen.lock().expect("no panic holds it"), [CoreId { id: core }]);
}
