//! Answers that cannot be used, and sessions that do not go on where they stood.

use pricewright_core::kernel::table::{OrderInDoubt, VenueUnread};

use super::*;

fn unread(bench: &Bench) -> Vec<VenueUnread> {
    bench.sink.records.iter().filter_map(|record| record.get::<VenueUnread>().copied()).collect()
}

impl Bench {
    fn raw(&mut self, bytes: &[u8]) -> VenueUnread {
        self.log.push(bytes);
        self.run();
        let kept = unread(self);
        assert_eq!(kept.len(), 1);
        self.sink.records.clear();
        kept[0]
    }
}

/// The layouts are those of OUCH 5.0, section 3: letter, stamp of 8, order number of 4.
#[test]
fn what_cannot_be_decoded_is_kept_as_it_came() {
    let mut bench = Bench::ready();
    let short = b"E\0\0\0\0\0\0\0\x09\0\0\0\x07\0\0";
    let kept = bench.raw(short);
    assert_eq!((kept.position, kept.client, kept.len, kept.letter), (2, 7, 15, b'E'));
    assert_eq!((kept.kept_bytes(), kept.reason), (&short[..], RejectReason::MALFORMED));
    assert_eq!(kept.text.as_str(), "OUCH: a message that is too short for its type");
    let unknown = b"Z\0\0\0\0\0\0\0\x09\0\0\0\x08";
    let kept = bench.raw(unknown);
    assert_eq!((kept.client, kept.reason, kept.follows), (8, RejectReason::UNKNOWN_TYPE, 0));
    let kept = bench.raw(b"");
    assert_eq!((kept.client, kept.len, kept.letter), (0, 0, 0));
    let mut accepted_with_tail = Vec::new();
    accepted_with_tail.extend_from_slice(zerocopy::IntoBytes::as_bytes(&accepted(3, 10, b'L')));
    accepted_with_tail.extend_from_slice(&[0, 9, 1]);
    let kept = bench.raw(&accepted_with_tail);
    assert_eq!((kept.client, kept.kept_bytes()), (3, &accepted_with_tail[..]));
    assert_eq!(bench.gateway.counters().malformed, 4);
    assert_eq!(bench.gateway.counters().refused, 0);
}

/// OUCH 5.0, Modify Order: the mark of a sale may change; a purchase stays one.
#[test]
fn an_order_that_changes_its_side_is_kept_as_it_came() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.answer(&accepted(1, 300, b'L'));
    bench.sink.records.clear();
    let modified = |side| ouch::OrderModified {
        message_type: ouch::OrderModified::TYPE,
        timestamp: U64::new(7),
        user_ref_num: U32::new(1),
        side,
        quantity: U32::new(200),
    };
    bench.answer(&modified(b'B'));
    assert_eq!(unread(&bench), []);
    let kept = bench.raw(zerocopy::IntoBytes::as_bytes(&modified(b'S')));
    assert_eq!((kept.client, kept.reason, kept.follows), (1, RejectReason::CONTRADICTION, 1));
}

#[test]
fn an_answer_longer_than_a_record_is_kept_in_parts() {
    let mut bench = Bench::new(OrderEntryConfig { buffer: 4096, ..config() });
    bench.venue = VenueSession::new(server(), 4096, Nanos(100));
    bench.gateway.on_connected(Nanos(100)).unwrap();
    bench.run();
    let long: Vec<u8> = (0..2_000_u32).map(|byte| byte as u8).collect();
    bench.log.push(&long);
    bench.run();
    let kept = unread(&bench);
    assert_eq!(kept.iter().map(|part| part.offset).collect::<Vec<_>>(), [0, 880, 1760]);
    let whole: Vec<u8> = kept.iter().flat_map(|part| part.kept_bytes().to_vec()).collect();
    assert_eq!(whole, long);
    assert!(kept.iter().all(|part| part.len == 2_000));
}

#[test]
fn a_message_outside_the_sequence_is_kept_too() {
    let mut bench = Bench::ready();
    let packet = [0, 3, b'U', 1, 2];
    let spare = bench.gateway.spare();
    spare[..5].copy_from_slice(&packet);
    bench.gateway.on_received(5, Nanos(100), &mut bench.sink).unwrap();
    let kept = unread(&bench);
    assert_eq!((kept.len(), kept[0].position, kept[0].kept_bytes()), (1, 0, &[1, 2][..]));
}

/// Two tick sizes: without its order nobody knows how an execution's price is to be counted.
#[test]
fn an_execution_that_belongs_to_no_order_is_kept_where_price_grids_differ() {
    let two = vec![
        InstrumentSpec { id: ACME, symbol: "ACME".to_owned(), tick_e4: 100 },
        InstrumentSpec { id: InstrumentId(3), symbol: "OTHER".to_owned(), tick_e4: 1 },
    ];
    let mut bench = Bench::new(OrderEntryConfig { instruments: two, ..config() });
    bench.connect();
    bench.take();
    bench.answer(&executed(9, 100, 1_000_000));
    let kept = unread(&bench);
    assert_eq!((kept[0].client, kept[0].reason, kept[0].follows), (9, RejectReason::UNKNOWN_KEY, 0));
    // An appendage of no length stands behind.
    assert_eq!(kept[0].kept_bytes()[..34], *zerocopy::IntoBytes::as_bytes(&executed(9, 100, 1_000_000)));
}

#[test]
fn what_could_be_read_in_part_follows_what_was_kept() {
    let mut bench = Bench::ready();
    bench.answer(&executed(1, 100, 1_000_050));
    assert_eq!(unread(&bench)[0].follows, 1);
    assert_eq!(bench.take(), ["mark 2", "unread 2 out_of_range of 1", "executed 1 100@10000"]);
    bench.answer(&accepted(1, 300, b'?'));
    assert_eq!(bench.take(), ["mark 3", "unread 3 out_of_range of 1", "accepted 1 300@10001 live"]);
    assert_eq!(bench.live(), [(1, 300)]);
}

#[test]
fn an_order_in_a_symbol_that_is_not_configured_can_still_be_cancelled() {
    let mut bench = Bench::ready();
    bench.answer(&ouch::OrderAccepted { symbol: Alpha::new("NOBODY").unwrap(), ..accepted(5, 300, b'L') });
    assert_eq!(bench.take(), ["mark 2", "unread 2 unknown_key of 5"]);
    assert_eq!(bench.live(), [(5, 300)]);
    assert_eq!(bench.gateway.cancel_all(Nanos(100)), 1);
}

fn restarted(next_sequence: u64) -> OrderEntryConfig {
    let live = |client| LiveOrder { client, instrument: ACME, side: SideCode::BUY, open: 10, prior: 0 };
    let session: SessionId = Alpha::new("DAY0").unwrap();
    OrderEntryConfig {
        session,
        next_sequence,
        sessions: vec![session],
        live: [7, 8, 9].map(live).to_vec(),
        acknowledged: 7,
        live_capacity: 8,
        ..config()
    }
}

#[test]
fn another_session_is_said_and_orders_that_it_may_know_are_kept() {
    let mut bench = Bench::new(restarted(5));
    bench.connect();
    assert_eq!(bench.gateway.refusal(), Some(b'S'));
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.gateway.resume_at(SessionId::BLANK, 1);
    bench.next_client = 9;
    bench.connect();
    let expected = [
        "down next 0",
        "refused next 0",
        "define 1 DAY1",
        "session 0 at 5 is 1 at 1",
        "catching_up next 0",
        "mark 1",
        "ready next 9",
    ];
    assert_eq!(bench.take(), expected);
    assert_eq!(bench.live(), [(7, 10), (8, 10)], "number 9 never arrived");
    // The change is said once.
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.connect();
    assert!(!bench.take().iter().any(|word| word.starts_with("session")));
}

#[test]
fn a_numbering_that_begins_anew_takes_no_order_out() {
    let mut bench = Bench::new(restarted(1));
    bench.gateway.resume_at(SessionId::BLANK, 1);
    bench.connect();
    assert_eq!(bench.live(), [(7, 10), (8, 10), (9, 10)]);
    bench.decide(&order(12, TimeInForce::DAY)).unwrap();
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.connect();
    assert_eq!(bench.live(), [(7, 10), (8, 10), (9, 10)], "number 12 never arrived");
    let gone = OrderInDoubt {
        client: 8,
        price: Ticks(1),
        open: 10,
        filled: 0,
        instrument: ACME,
        side: SideCode::BUY,
        resolved: 2,
        spare: 0,
    };
    bench.decide(&gone).unwrap();
    assert_eq!(bench.live(), [(7, 10), (9, 10)]);
}

/// A venue that does not look at the sequence asked for.
fn granted(bench: &mut Bench, session: &str, sequence: u64) -> Result<(), ConnectionError> {
    bench.gateway.on_connected(Nanos(100)).unwrap();
    let packet = format!("\0\x1fA{session:>10}{sequence:>20}");
    bench.gateway.spare()[..packet.len()].copy_from_slice(packet.as_bytes());
    bench.gateway.on_received(packet.len(), Nanos(100), &mut bench.sink)
}

#[test]
fn the_same_session_at_another_sequence_is_a_change() {
    for found in [1, 3, 50] {
        let mut bench = Bench::new(restarted(5));
        granted(&mut bench, "DAY0", found).unwrap();
        let words = bench.take();
        assert_eq!(
            words[1],
            format!("session 0 at 5 is {} at {found}", u8::from(words.len() == 4)),
            "{words:?}"
        );
    }
    let mut bench = Bench::new(restarted(5));
    granted(&mut bench, "DAY0", 5).unwrap();
    assert!(!bench.take().iter().any(|word| word.starts_with("session")));
}

#[test]
fn another_session_in_its_midst_is_entered_from_its_beginning() {
    let mut bench = Bench::new(restarted(5));
    assert_eq!(granted(&mut bench, "DAY1", 5), Err(ConnectionError::Another));
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.gateway.resume_at(SessionId::BLANK, 1);
    bench.take();
    granted(&mut bench, "DAY1", 1).unwrap();
    let words = bench.take();
    assert!(words.contains(&"session 0 at 5 is 1 at 1".to_owned()), "{words:?}");
}
