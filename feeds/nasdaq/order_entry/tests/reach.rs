//! What the gateway does to reach every order: it asks about those without an answer, and cancels until the venue confirms.

use super::*;

fn unanswered(client: u64) -> CancelOrder {
    CancelOrder { reason: CancelReason::UNANSWERED, ..cancellation(client) }
}

fn latch() -> KillLatched {
    let (value, limit, control) = (0, 0, Control::KILL_LATCH);
    KillLatched { value, limit, control, released: 0, spare: [0; 5], operator: Text::default() }
}

impl Bench {
    /// The cancels that reached the venue since the last call.
    fn cancels(&mut self) -> Vec<String> {
        let requests = core::mem::take(&mut self.requests);
        requests.into_iter().filter(|request| request.starts_with("cancel")).collect()
    }

    fn poll(&mut self, after_ms: i64) {
        self.now += after_ms * 1_000_000;
        self.gateway.on_poll(Nanos(self.now), &mut self.sink).unwrap();
        self.run();
    }
}

#[test]
fn the_venue_is_asked_about_an_order_without_an_answer() {
    let mut bench = Bench::ready();
    for client in 1..=3 {
        bench.decide(&order(client, TimeInForce::DAY)).unwrap();
    }
    bench.take();
    // The venue saw two of the three.
    bench.next_client = 3;
    bench.decide(&unanswered(2)).unwrap();
    assert_eq!(bench.take(), ["sent 2", "mark 2", "seen 2"]);
    bench.decide(&unanswered(3)).unwrap();
    assert_eq!(bench.take(), ["sent 3", "mark 3", "unseen 3"]);
    assert_eq!(bench.live(), [(1, 300), (2, 300)], "what it never saw does not rest");
    assert_eq!(bench.requests[4..], ["cancel 2 to 0", "cancel 3 to 0"]);
}

#[test]
fn one_query_serves_all_that_were_asked_about_before_it_left_and_no_other() {
    let mut bench = Bench::ready();
    for client in 1..=3 {
        bench.decide(&order(client, TimeInForce::DAY)).unwrap();
    }
    bench.take();
    let ask = |bench: &mut Bench, client| {
        let cancel = unanswered(client);
        bench.gateway.on_decision(Nanos(bench.now), 77, (&cancel).into(), &mut bench.sink).unwrap();
    };
    // The second is asked about while the query for the first is on its way: it needs one of its own.
    ask(&mut bench, 1);
    ask(&mut bench, 2);
    ask(&mut bench, 2);
    bench.next_client = 4;
    bench.run();
    let expected = ["sent 1", "sent 2", "sent 2", "mark 2", "seen 1", "mark 3", "seen 2"];
    assert_eq!(bench.take(), expected);
}

#[test]
fn an_answer_that_is_owed_from_before_says_nothing() {
    let mut bench = Bench::new(OrderEntryConfig { unanswered: 1, ..config() });
    bench.connect();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.take();
    bench.next_client = 2;
    let before = bench.log.next_sequence();
    bench.decide(&unanswered(1)).unwrap();
    // One more than was asked: the first answer may be the one that is owed.
    assert_eq!(bench.take(), ["sent 1", "mark 3", "mark 4", "seen 1"]);
    assert_eq!(bench.log.next_sequence(), before + 2);
}

#[test]
fn while_latched_the_gateway_cancels_from_its_own_table_until_the_venue_confirms() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.answer(&accepted(1, 300, b'L'));
    bench.decide(&replacement(2, 1)).unwrap();
    bench.decide(&order(3, TimeInForce::DAY)).unwrap();
    bench.decide(&latch()).unwrap();
    bench.poll(99);
    assert_eq!(bench.cancels(), [""; 0], "the machine's own cancels come first");
    let all = ["cancel 1 to 0", "cancel 2 to 0", "cancel 3 to 0"];
    bench.poll(1);
    assert_eq!(bench.cancels(), all);
    bench.poll(999);
    assert_eq!(bench.cancels(), [""; 0]);
    bench.answer(&canceled(3, 300));
    bench.poll(1);
    assert_eq!(bench.cancels(), all[..2]);
    // The replacement was passed over: its order is gone, and nothing is left to cancel.
    bench.answer(&canceled(1, 300));
    bench.poll(1_000);
    assert_eq!(bench.cancels(), [""; 0]);
    assert_eq!(bench.live(), []);
}

#[test]
fn a_release_ends_the_sweeps_and_a_new_session_goes_on_with_them() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.next_client = 2;
    bench.gateway.latch();
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.now += SECOND;
    bench.connect();
    bench.poll(0);
    assert_eq!(bench.cancels(), ["cancel 1 to 0"]);
    bench.decide(&KillLatched { released: 1, ..latch() }).unwrap();
    bench.poll(5_000);
    assert_eq!(bench.cancels(), [""; 0]);
}

/// Orders that nobody here sent count too: more than memory is reserved for are kept, for each must be cancelled.
#[test]
fn more_live_orders_than_memory_is_reserved_for_can_all_be_cancelled() {
    let mut bench = Bench::ready();
    for client in 1..=5 {
        bench.answer(&accepted(client, 100, b'L'));
    }
    assert_eq!(bench.live().len(), 5);
    assert_eq!(bench.gateway.counters().untracked, 2);
    assert_eq!(bench.decide(&order(9, TimeInForce::DAY)), Err(DecisionError::TableFull));
    assert_eq!(bench.gateway.cancel_all(Nanos(200)), 5);
}
