//! Logins, sessions, and what is known after another connection or a restart.

use super::*;

#[test]
fn a_login_catches_up_and_is_ready_when_the_account_query_is_answered() {
    let mut bench = Bench::new(config());
    bench.next_client = 12;
    bench.log.push(&[]);
    append_answer(&mut bench.log, &rejected(11), &AppendageBuf::default());
    bench.gateway.on_poll(Nanos(100), &mut bench.sink).unwrap();
    bench.connect();
    let expected = [
        "down next 0",
        "define 0 DAY1",
        "catching_up next 0",
        "mark 1",
        "unread 1 malformed of 0",
        "mark 2",
        "rejected 11 0x1d",
        "mark 3",
        "ready next 12",
    ];
    assert_eq!(bench.take(), expected);
    assert_eq!(bench.gateway.position(), (Alpha::new("DAY1").unwrap(), 4));
    let early = bench.decide(&order(11, TimeInForce::DAY));
    assert_eq!(early, Err(DecisionError::NotRising { number: 11, highest: 11 }));
    assert_eq!(bench.decide(&order(12, TimeInForce::DAY)), Ok(()));
}

#[test]
fn another_connection_goes_on_where_the_last_ended() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.gateway.on_disconnected(&mut bench.sink);
    assert_eq!(bench.decide(&order(2, TimeInForce::DAY)), Err(DecisionError::NotReady));
    append_answer(&mut bench.log, &executed(1, 300, 1_000_000), &AppendageBuf::default());
    bench.next_client = 2;
    bench.connect();
    let expected = [
        "sent 1",
        "down next 0",
        "failed 2",
        "catching_up next 0",
        "mark 2",
        "executed 1 300@10000",
        "mark 3",
        "ready next 2",
    ];
    assert_eq!(bench.take(), expected);
    assert_eq!(bench.live(), []);
}

#[test]
fn a_restarted_gateway_knows_its_sessions_position_and_live_orders() {
    let live = LiveOrder { client: 7, instrument: ACME, side: SideCode::BUY, open: 10, prior: 0 };
    let session: SessionId = Alpha::new("DAY1").unwrap();
    let restarted =
        OrderEntryConfig { session, next_sequence: 2, sessions: vec![session], live: vec![live], ..config() };
    let mut bench = Bench::new(restarted);
    bench.next_client = 8;
    bench.log.push(b"seen before the restart");
    append_answer(&mut bench.log, &executed(7, 4, 1_000_000), &AppendageBuf::default());
    bench.connect();
    let expected =
        ["down next 0", "catching_up next 0", "mark 2", "executed 7 4@10000", "mark 3", "ready next 8"];
    assert_eq!(bench.take(), expected);
    assert_eq!(bench.live(), [(7, 6)]);
    let reused = bench.decide(&order(7, TimeInForce::DAY));
    assert_eq!(reused, Err(DecisionError::NotRising { number: 7, highest: 7 }));
}

#[test]
fn orders_that_the_venue_has_never_seen_are_forgotten() {
    let live = |client| LiveOrder { client, instrument: ACME, side: SideCode::BUY, open: 10, prior: 0 };
    let restarted = OrderEntryConfig { live: [7, 8, 9].map(live).to_vec(), ..config() };
    let mut bench = Bench::new(restarted);
    bench.next_client = 8;
    bench.connect();
    assert_eq!(bench.live(), [(7, 10)]);
}

#[test]
fn a_refused_login_and_the_end_of_a_session_are_told() {
    let mut bench = Bench::new(OrderEntryConfig { session: Alpha::new("DAY0").unwrap(), ..config() });
    bench.connect();
    let record = bench.sink.records.iter().last().unwrap();
    let state = *record.get::<SessionState>().unwrap();
    assert_eq!((state.phase, state.reason), (SessionPhase::REFUSED, b'S'));
    assert_eq!(bench.gateway.refusal(), Some(b'S'));
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.gateway.resume_at(SessionId::BLANK, 1);
    bench.connect();
    assert_eq!((bench.gateway.phase(), bench.gateway.refusal()), (SessionPhase::READY, None));
    bench.venue.end().unwrap();
    bench.run();
    assert_eq!(bench.gateway.phase(), SessionPhase::ENDED);
}

#[test]
fn silence_ends_the_connection() {
    let mut bench = Bench::ready();
    let late = Nanos(100 + 15 * SECOND);
    let error = bench.gateway.on_poll(late, &mut bench.sink).unwrap_err();
    assert_eq!(error, ConnectionError::Session(SessionError::PeerSilent));
    assert_eq!(bench.venue.poll(late), Err(ConnectionError::Session(SessionError::PeerSilent)));
}

#[test]
fn a_password_is_never_shown() {
    assert!(!format!("{:?}", config()).contains("secret"));
}

impl Bench {
    /// The connection ends after the login; the account query reaches the venue or does not, its answer never us.
    fn lose_the_answer(&mut self, query_arrives: bool) {
        let now = Nanos(self.now);
        self.venue = VenueSession::new(server(), 512, now);
        self.gateway.on_connected(now).unwrap();
        let up = carry(self.gateway.output(), self.venue.spare());
        self.gateway.consume(up);
        self.venue.commit(up);
        assert_eq!(self.venue.next_event(&self.log, now).unwrap(), Some(VenueEvent::LoggedIn));
        let down = carry(self.venue.output(), self.gateway.spare());
        self.venue.consume(down);
        self.gateway.on_received(down, now, &mut self.sink).unwrap();
        if query_arrives {
            append_answer(&mut self.log, &numbers(self.next_client), &AppendageBuf::default()).unwrap();
        }
        self.gateway.on_disconnected(&mut self.sink);
    }
}

/// A fill of the outage lies behind an old answer in the venue's log.
#[test]
fn an_old_answer_to_an_account_query_makes_nothing_ready() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.next_client = 2;
    bench.lose_the_answer(true);
    append_answer(&mut bench.log, &executed(1, 300, 1_000_000), &AppendageBuf::default());
    bench.take();
    bench.connect();
    let expected = [
        "catching_up next 0",
        "mark 2",
        "mark 3",
        "executed 1 300@10000",
        "mark 4",
        "ready next 2",
        "mark 5",
    ];
    assert_eq!(bench.take(), expected);
    // The next connection knows nothing of an answer under way, and asks no more than it must.
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.connect();
    assert_eq!(bench.take(), ["down next 0", "catching_up next 0", "mark 6", "ready next 2"]);
}

#[test]
fn a_query_that_never_reached_the_venue_is_asked_again() {
    let mut bench = Bench::ready();
    for _ in 0..3 {
        bench.gateway.on_disconnected(&mut bench.sink);
        bench.lose_the_answer(false);
    }
    bench.take();
    bench.next_client = 5;
    bench.connect();
    let expected = ["catching_up next 0", "mark 2", "mark 3", "mark 4", "mark 5", "ready next 5"];
    assert_eq!(bench.take(), expected);
}

#[test]
fn a_process_before_this_one_may_have_asked() {
    let mut bench = Bench::new(OrderEntryConfig { unanswered: 1, ..config() });
    append_answer(&mut bench.log, &numbers(1), &AppendageBuf::default());
    append_answer(&mut bench.log, &rejected(1), &AppendageBuf::default());
    bench.next_client = 2;
    bench.connect();
    let expected = [
        "down next 0",
        "define 0 DAY1",
        "catching_up next 0",
        "mark 1",
        "mark 2",
        "rejected 1 0x1d",
        "mark 3",
        "ready next 2",
        "mark 4",
    ];
    assert_eq!(bench.take(), expected);
}

/// It was given before the venue saw what was sent since.
#[test]
fn an_answer_too_many_forgets_no_order() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.answer(&numbers(1));
    assert_eq!(bench.live(), [(1, 300)]);
    assert_eq!(bench.take(), ["sent 1", "mark 2"]);
}
