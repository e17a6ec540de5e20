use pricewright_core::kernel::table::{
    CancelOrder, Mark, OrderAdd, OrderDeleted, OrderInDoubt, SendReport, SessionState, VenueAccepted,
    VenueExecuted, VenueReplaced, VenueUnread, market_flags,
};
use pricewright_core::kernel::{Nanos, Record, RecordBuf, RecordSink as _};
use zerocopy::FromZeros as _;

use super::*;

const VENUE: SourceId = SourceId(2);

fn take<R: Record>(resume: &mut Resume, record: &R) {
    let mut buffer = RecordBuf::default();
    buffer.put(record, VENUE, 0).expect("room");
    buffer.iter().for_each(|record| resume.take(record));
}

fn place(client: u64) -> PlaceOrder {
    PlaceOrder { client, qty: 100, ..PlaceOrder::new_zeroed() }
}

fn replace(client: u64, prior: u64) -> ReplaceOrder {
    ReplaceOrder { client, prior, qty: 100, ..ReplaceOrder::new_zeroed() }
}

fn open(resume: &Resume) -> Vec<(u64, u32)> {
    resume.open_orders().map(|(client, order)| (client, order.open)).collect()
}

#[test]
fn a_source_stands_behind_its_last_mark() {
    let mut resume = Resume::default();
    let mark =
        Mark { first: 10, count: 5, session: 3, source: VENUE, received: Nanos(1), ..Mark::new_zeroed() };
    take(&mut resume, &mark);
    take(&mut resume, &Mark { first: 15, count: 0, ..mark });
    let packet = Some(Unfinished { first: 15, taken: 0 });
    assert_eq!(
        resume.position(VENUE),
        Some(Position { source: VENUE, session: 3, next: 15, unfinished: packet })
    );
    assert_eq!(resume.position(SourceId(1)), None);
}

#[test]
fn a_replacement_takes_its_orders_place() {
    let mut resume = Resume::default();
    take(&mut resume, &place(1));
    take(&mut resume, &replace(2, 1));
    assert_eq!(open(&resume), [(1, 100), (2, 100)]);
    let replaced =
        VenueReplaced { client: 2, prior: 1, qty: 70, live: Liveness::LIVE, ..VenueReplaced::new_zeroed() };
    take(&mut resume, &replaced);
    assert_eq!(open(&resume), [(2, 70)]);
}

#[test]
fn a_replacement_leaves_with_its_order() {
    let mut resume = Resume::default();
    take(&mut resume, &place(1));
    take(&mut resume, &replace(2, 1));
    take(&mut resume, &VenueExecuted { client: 1, qty: 100, ..VenueExecuted::new_zeroed() });
    assert_eq!(open(&resume), []);
    take(&mut resume, &replace(3, 1));
    assert_eq!(open(&resume), [], "the order had left before the replacement was decided");
}

#[test]
fn a_packet_that_the_journal_cuts_is_read_again_behind_what_is_there() {
    let mut resume = Resume::default();
    let restart = |resume: &Resume| resume.position(VENUE).expect("a position").restart();
    let last = market_flags::LAST_IN_BATCH;
    take(&mut resume, &Mark { first: 10, count: 5, source: VENUE, ..Mark::new_zeroed() });
    assert_eq!(restart(&resume), (10, 0));
    take(&mut resume, &OrderDeleted::new_zeroed());
    take(&mut resume, &OrderAdd::new_zeroed());
    assert_eq!(restart(&resume), (10, 2));
    take(&mut resume, &OrderDeleted { flags: last, ..OrderDeleted::new_zeroed() });
    assert_eq!(restart(&resume), (15, 0));
    take(&mut resume, &Mark { first: 15, count: 1, source: VENUE, ..Mark::new_zeroed() });
    take(&mut resume, &SessionState { phase: SessionPhase::DOWN, ..SessionState::new_zeroed() });
    assert_eq!(restart(&resume), (15, 0), "the venue's message itself is missing");
    take(&mut resume, &VenueExecuted::new_zeroed());
    assert_eq!(restart(&resume), (16, 0));
}

#[test]
fn what_the_venue_has_never_seen_is_not_open() {
    let mut resume = Resume::default();
    [1, 2, 3].iter().for_each(|client| take(&mut resume, &place(*client)));
    let ready = SessionState { phase: SessionPhase::READY, next_client: 2, ..SessionState::new_zeroed() };
    take(&mut resume, &ready);
    assert_eq!(open(&resume), [(1, 100)]);
}

#[test]
fn an_order_that_the_venue_was_asked_about_is_open_unless_it_never_saw_it() {
    let mut resume = Resume::default();
    [1, 2].iter().for_each(|client| take(&mut resume, &place(*client)));
    for client in [1, 2] {
        let cancel = CancelOrder { client, reason: CancelReason::UNANSWERED, ..CancelOrder::new_zeroed() };
        take(&mut resume, &cancel);
    }
    assert_eq!(resume.unanswered_queries(), 2);
    take(&mut resume, &Mark { first: 20, count: 1, source: VENUE, ..Mark::new_zeroed() });
    for (client, outcome) in [(1, SendOutcome::SEEN), (2, SendOutcome::UNSEEN)] {
        take(&mut resume, &SendReport { client, outcome, ..SendReport::new_zeroed() });
    }
    assert_eq!(open(&resume), [(1, 100)]);
    assert_eq!(resume.unanswered_queries(), 0);
    assert_eq!(resume.position(VENUE).expect("a position").restart(), (21, 0), "the answer was taken");
}

#[test]
fn logins_whose_query_was_not_answered_are_counted() {
    let mut resume = Resume::default();
    let session = |phase| SessionState { phase, next_client: 2, ..SessionState::new_zeroed() };
    for phase in [
        SessionPhase::DOWN,
        SessionPhase::CATCHING_UP,
        SessionPhase::DOWN,
        SessionPhase::CATCHING_UP,
        SessionPhase::READY,
        SessionPhase::DOWN,
        SessionPhase::CATCHING_UP,
    ] {
        take(&mut resume, &session(phase));
    }
    assert_eq!(resume.unanswered_queries(), 2);
}

#[test]
fn a_numbering_that_begins_anew_takes_no_order_out() {
    let mut resume = Resume::default();
    [1, 2].iter().for_each(|client| take(&mut resume, &place(*client)));
    let accepted =
        |client| VenueAccepted { client, qty: 100, live: Liveness::LIVE, ..VenueAccepted::new_zeroed() };
    take(&mut resume, &accepted(1));
    let ready =
        |next_client| SessionState { phase: SessionPhase::READY, next_client, ..SessionState::new_zeroed() };
    take(&mut resume, &ready(1));
    assert_eq!(open(&resume), [(1, 100), (2, 100)]);
    take(&mut resume, &place(3));
    take(&mut resume, &ready(1));
    assert_eq!(open(&resume), [(1, 100), (2, 100)], "number 3 never arrived in the new numbering");
    let numbers = OrderNumbers { highest: 3, acknowledged: 0, numbered_from: 3, changed: false };
    assert_eq!(resume.numbers(), numbers);
    // An operator's word, or the drop copy's, takes one out.
    take(&mut resume, &OrderInDoubt { client: 2, resolved: 2, ..OrderInDoubt::new_zeroed() });
    assert_eq!(open(&resume), [(1, 100)]);
}

#[test]
fn an_order_that_no_decision_asked_for_rests_all_the_same() {
    let mut resume = Resume::default();
    let accepted = VenueAccepted { client: 9, qty: 70, live: Liveness::LIVE, ..VenueAccepted::new_zeroed() };
    take(&mut resume, &accepted);
    assert_eq!(open(&resume), [(9, 70)]);
}

#[test]
fn an_answer_that_could_not_be_read_ends_its_packet_with_its_last_part() {
    let mut resume = Resume::default();
    let restart = |resume: &Resume| resume.position(VENUE).expect("a position").restart();
    take(&mut resume, &Mark { first: 10, count: 1, source: VENUE, ..Mark::new_zeroed() });
    let part = |offset, kept, follows| VenueUnread {
        position: 10,
        len: 1_000,
        offset,
        kept,
        follows,
        ..VenueUnread::new_zeroed()
    };
    take(&mut resume, &part(0, 880, 0));
    assert_eq!(restart(&resume), (10, 0));
    take(&mut resume, &part(880, 120, 1));
    assert_eq!(restart(&resume), (10, 0), "what could be read of it is missing");
    take(&mut resume, &part(880, 120, 0));
    assert_eq!(restart(&resume), (11, 0));
}
