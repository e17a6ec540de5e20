//! The engine against its twin on any commands, and against the rules themselves.

use std::collections::BTreeMap;

use quickcheck::{Arbitrary, Gen, quickcheck};

use super::naive::NaiveEngine;
use super::*;
use crate::kernel::machine::{read_state, write_state};
use crate::kernel::{InstrumentId, Lots, Side, Ticks, TimeInForce};
use crate::market::book::{Bbo, Books};

const INSTRUMENTS: u16 = 2;

#[derive(Clone, Copy, Debug)]
enum Command {
    Enter(NewOrder),
    Cancel { key: OwnerToken, keep: i64 },
    Replace { key: OwnerToken, with: Replacement },
    CancelOwner { owner: u32 },
}

fn below(g: &mut Gen, n: u64) -> u64 {
    u64::arbitrary(g) % n
}

/// Prices and tokens from a narrow range, so that most commands meet something.
impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let key = OwnerToken { owner: below(g, 3) as u32, token: below(g, 24) };
        let price = match below(g, 50) {
            0 => i64::MIN,
            1 => i64::MAX,
            n => n as i64 % 9 - 4,
        };
        let qty = match below(g, 40) {
            0 => i64::MAX,
            n => n as i64 % 14 - 1,
        };
        let tif = match below(g, 20) {
            0 => TimeInForce(9),
            1..=3 => TimeInForce::IOC,
            4..=7 => TimeInForce::POST_ONLY,
            _ => TimeInForce::DAY,
        };
        let (price, qty) = (Ticks(price), Lots(qty));
        match below(g, 100) {
            0..=64 => {
                let instrument = InstrumentId((below(g, 40) as u16 / 12).min(INSTRUMENTS));
                let side = if bool::arbitrary(g) { Side::Buy } else { Side::Sell };
                Self::Enter(NewOrder { key, instrument, side, price, qty, tif })
            }
            65..=79 => Self::Cancel { key, keep: below(g, 6) as i64 - 1 },
            80..=97 => Self::Replace { key, with: Replacement { token: below(g, 24), price, qty, tif } },
            _ => Self::CancelOwner { owner: key.owner },
        }
    }
}

macro_rules! apply {
    ($engine:expr, $command:expr) => {{
        let mut events: Vec<MatchEvent> = Vec::new();
        match $command {
            Command::Enter(new) => $engine.enter(&new, &mut events),
            Command::Cancel { key, keep } => $engine.cancel(key, Lots(keep), &mut events),
            Command::Replace { key, with } => $engine.replace(key, &with, &mut events),
            Command::CancelOwner { owner } => {
                $engine.cancel_owner(owner, RemovalReason::Disconnect, &mut events)
            }
        }
        events
    }};
}

fn engine(self_match: SelfMatch) -> MatchingEngine {
    MatchingEngine::with_capacity(usize::from(INSTRUMENTS), 4, 2, self_match)
}

fn mode(number: u8) -> SelfMatch {
    [SelfMatch::Allow, SelfMatch::CancelResting, SelfMatch::CancelIncoming, SelfMatch::Decrement]
        [usize::from(number % 4)]
}

quickcheck! {
    fn any_commands_give_the_twins_events(commands: Vec<Command>, number: u8) -> bool {
        let mut fast = engine(mode(number));
        let mut naive = NaiveEngine::new(usize::from(INSTRUMENTS), mode(number));
        for command in commands {
            // A level whose lots would not fit 64 bits is beyond the twin; everything else is not.
            if overflows(&naive, &command) {
                continue;
            }
            assert_eq!(apply!(fast, command), apply!(naive, command), "{command:?}");
            let mut live: Vec<OpenOrder> = fast.open_orders().collect();
            live.sort_unstable_by_key(|open| open.order);
            let mut expected = naive.live().to_vec();
            expected.sort_unstable_by_key(|open| open.order);
            assert_eq!(live, expected, "{command:?}");
            for open in live {
                assert_eq!(fast.open_order(open.key), Some(open));
            }
        }
        true
    }

    fn lots_are_conserved_and_the_books_never_cross(commands: Vec<Command>, number: u8) -> bool {
        let mut fast = engine(mode(number));
        let mut ledger = Ledger::default();
        for command in commands {
            let before = fast.clone();
            for event in apply!(fast, command) {
                ledger.take(&event, &command, &before);
            }
            ledger.check(&fast);
        }
        true
    }

    fn what_is_displayed_is_what_the_events_say(commands: Vec<Command>, number: u8) -> bool {
        let mut fast = engine(mode(number));
        let mut shown = Books::with_capacity(usize::from(INSTRUMENTS), 4, 2);
        for command in commands {
            for event in apply!(fast, command) {
                show(&event, &mut shown);
            }
            let (mut left, mut right) = (Vec::new(), Vec::new());
            write_state(&shown, &mut left).unwrap();
            write_state(fast.books(), &mut right).unwrap();
            assert_eq!(left, right, "{command:?}");
        }
        true
    }

    fn restoring_changes_nothing(commands: Vec<Command>, later: Vec<Command>, number: u8) -> bool {
        let mut first = engine(mode(number));
        for command in commands {
            let _ = apply!(first, command);
        }
        let bytes = bytes_of(&first);
        let mut second: MatchingEngine = read_state(&bytes).unwrap();
        assert_eq!(bytes_of(&second), bytes);
        for command in later {
            assert_eq!(apply!(first, command), apply!(second, command), "{command:?}");
        }
        bytes_of(&first) == bytes_of(&second)
    }
}

fn overflows(naive: &NaiveEngine, command: &Command) -> bool {
    let qty = match command {
        Command::Enter(new) => new.qty.0,
        Command::Replace { with, .. } => with.qty.0,
        _ => 0,
    };
    qty == i64::MAX && naive.live().iter().any(|open| open.qty.0 > 0)
        || qty > 0 && naive.live().iter().any(|open| open.qty.0 > i64::MAX / 2)
}

fn bytes_of(engine: &MatchingEngine) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_state(engine, &mut bytes).unwrap();
    bytes
}

/// A market data subscriber: applies what the market is told to a book of its own.
fn show(event: &MatchEvent, shown: &mut Books) {
    match *event {
        MatchEvent::Added(e) => shown.add(e.instrument, e.order, e.side, e.price, e.qty).unwrap(),
        MatchEvent::Executed(e) => {
            let touched = shown.execute(e.order, e.qty).unwrap();
            assert_eq!((touched.price, touched.left, touched.side), (e.price, e.left, e.side));
        }
        MatchEvent::Prevented(e) => assert_eq!(shown.reduce(e.order, e.qty).unwrap().left, e.left),
        MatchEvent::Reduced(e) => assert_eq!(shown.reduce(e.order, e.qty).unwrap().left, e.left),
        MatchEvent::Deleted(e) => {
            shown.delete(e.order).unwrap();
        }
        MatchEvent::Replaced(e) if e.displayed => {
            shown.replace(e.old_order, e.order, e.new.price, e.new.qty).unwrap();
        }
        MatchEvent::Replaced(e) => {
            shown.delete(e.old_order).unwrap();
        }
        MatchEvent::Accepted(_) | MatchEvent::Lapsed(_) | MatchEvent::Rejected(_) => {}
    }
}

/// Where the lots of every accepted order went, from the events alone.
#[derive(Default)]
struct Ledger {
    accounts: BTreeMap<u64, Account>,
    last_match: u64,
}

#[derive(Clone, Copy, Default)]
struct Account {
    accepted: i128,
    executed: i128,
    removed: i128,
}

impl Ledger {
    fn account(&mut self, order: u64) -> &mut Account {
        self.accounts.entry(order).or_default()
    }

    fn take(&mut self, event: &MatchEvent, command: &Command, before: &MatchingEngine) {
        match *event {
            MatchEvent::Accepted(e) => open(self.account(e.order), e.new.qty, e.live),
            MatchEvent::Replaced(e) => {
                self.account(e.old_order).removed += i128::from(e.old_qty.0);
                open(self.account(e.order), e.new.qty, e.live);
            }
            MatchEvent::Executed(e) => {
                self.account(e.order).executed += i128::from(e.qty.0);
                self.account(e.incoming).executed += i128::from(e.qty.0);
                self.last_match += 1;
                assert_eq!(e.match_number, self.last_match);
                assert_ne!(tif_of(command), TimeInForce::POST_ONLY, "post-only took");
                assert!(e.left.0 == 0 || e.incoming_left.0 == 0, "an order was passed over");
                let book = before.books();
                assert_eq!(
                    book.order(e.order).map(|resting| resting.price),
                    Some(e.price),
                    "not the resting price"
                );
            }
            MatchEvent::Prevented(e) => {
                self.account(e.order).removed += i128::from(e.qty.0);
                self.account(e.incoming).removed += i128::from(e.qty.0);
            }
            MatchEvent::Reduced(e) => self.account(e.order).removed += i128::from(e.qty.0),
            MatchEvent::Deleted(e) => self.account(e.order).removed += i128::from(e.qty.0),
            MatchEvent::Lapsed(e) => self.account(e.order).removed += i128::from(e.qty.0),
            MatchEvent::Added(_) => {
                assert_ne!(tif_of(command), TimeInForce::IOC, "immediate-or-cancel rested")
            }
            MatchEvent::Rejected(_) => {}
        }
    }

    fn check(&self, engine: &MatchingEngine) {
        for (order, account) in &self.accounts {
            let resting = engine.books().order(*order).map_or(0, |open| i128::from(open.qty.0));
            assert_eq!(account.accepted, account.executed + account.removed + resting, "order {order}");
        }
        for i in (0..INSTRUMENTS).map(InstrumentId) {
            let Bbo { bid, ask } = engine.book(i).unwrap().bbo();
            assert!(bid.zip(ask).is_none_or(|(bid, ask)| bid.price < ask.price));
        }
    }
}

fn open(account: &mut Account, qty: Lots, live: bool) {
    account.accepted += i128::from(qty.0);
    if !live {
        account.removed += i128::from(qty.0);
    }
}

fn tif_of(command: &Command) -> TimeInForce {
    match command {
        Command::Enter(new) => new.tif,
        Command::Replace { with, .. } => with.tif,
        Command::Cancel { .. } | Command::CancelOwner { .. } => TimeInForce::DAY,
    }
}

fn key(owner: u32, token: u64) -> OwnerToken {
    OwnerToken { owner, token }
}

fn order(owner: u32, token: u64, side: Side, price: i64, qty: i64, tif: TimeInForce) -> NewOrder {
    NewOrder {
        key: key(owner, token),
        instrument: InstrumentId(0),
        side,
        price: Ticks(price),
        qty: Lots(qty),
        tif,
    }
}

/// The events of `new`, in short: what happened, to which order, how many lots.
fn story(engine: &mut MatchingEngine, command: Command) -> Vec<(&'static str, u64, i64)> {
    let events = apply!(engine, command);
    let short = |event: &MatchEvent| match *event {
        MatchEvent::Accepted(e) => (if e.live { "accepted" } else { "dead" }, e.order, e.new.qty.0),
        MatchEvent::Added(e) => ("added", e.order, e.qty.0),
        MatchEvent::Executed(e) => ("executed", e.order, e.qty.0),
        MatchEvent::Prevented(e) => ("prevented", e.order, e.qty.0),
        MatchEvent::Reduced(e) => ("reduced", e.order, e.qty.0),
        MatchEvent::Deleted(e) => ("deleted", e.order, e.qty.0),
        MatchEvent::Lapsed(e) => ("lapsed", e.order, e.qty.0),
        MatchEvent::Replaced(e) => (if e.displayed { "replaced" } else { "taken out" }, e.order, e.new.qty.0),
        MatchEvent::Rejected(e) => ("rejected", e.key.token, e.reason as i64),
    };
    events.iter().map(short).collect()
}

/// Orders 1 and 2 sell 10 each at 100, order 3 sells 10 at 101.
fn three_asks(self_match: SelfMatch) -> MatchingEngine {
    let mut engine = engine(self_match);
    for (token, price) in [(1, 100), (2, 100), (3, 101)] {
        let new = order(1, token, Side::Sell, price, 10, TimeInForce::DAY);
        let expected = [("accepted", token, 10), ("added", token, 10)];
        assert_eq!(story(&mut engine, Command::Enter(new)), expected);
    }
    engine
}

#[test]
fn price_then_time_and_only_the_rest_is_displayed() {
    let mut engine = three_asks(SelfMatch::Allow);
    let buy = order(2, 1, Side::Buy, 100, 25, TimeInForce::DAY);
    let expected = [("accepted", 4, 25), ("executed", 1, 10), ("executed", 2, 10), ("added", 4, 5)];
    assert_eq!(story(&mut engine, Command::Enter(buy)), expected);
    assert_eq!(engine.open_order(key(2, 1)).map(|open| (open.qty.0, open.chain.executed.0)), Some((5, 20)));
    let sell = order(1, 9, Side::Sell, 90, 5, TimeInForce::DAY);
    let expected = [("accepted", 5, 5), ("executed", 4, 5)];
    assert_eq!(story(&mut engine, Command::Enter(sell)), expected, "trades fully: never displayed");
}

#[test]
fn immediate_or_cancel_and_post_only() {
    let mut engine = three_asks(SelfMatch::Allow);
    let ioc = order(2, 1, Side::Buy, 100, 25, TimeInForce::IOC);
    let expected = [("accepted", 4, 25), ("executed", 1, 10), ("executed", 2, 10), ("lapsed", 4, 5)];
    assert_eq!(story(&mut engine, Command::Enter(ioc)), expected);
    assert_eq!(
        story(&mut engine, Command::Enter(ioc)),
        [("dead", 5, 25)],
        "nothing to take: dead on acceptance"
    );
    let post = order(2, 2, Side::Buy, 101, 1, TimeInForce::POST_ONLY);
    assert_eq!(story(&mut engine, Command::Enter(post)), [("rejected", 2, Refusal::WouldTake as i64)]);
}

#[test]
fn a_reduction_keeps_its_priority_and_a_replacement_loses_it() {
    let mut engine = three_asks(SelfMatch::Allow);
    let reduce = Command::Cancel { key: key(1, 1), keep: 4 };
    assert_eq!(story(&mut engine, reduce), [("reduced", 1, 6)]);
    let with = Replacement { token: 7, price: Ticks(100), qty: Lots(4), tif: TimeInForce::DAY };
    let ioc = |token| Command::Enter(order(2, token, Side::Buy, 100, 1, TimeInForce::IOC));
    assert_eq!(story(&mut engine, ioc(1))[1], ("executed", 1, 1));
    assert_eq!(story(&mut engine, Command::Replace { key: key(1, 1), with }), [("replaced", 5, 4)]);
    assert_eq!(story(&mut engine, ioc(2))[1], ("executed", 2, 1));
}

#[test]
fn a_replacement_that_crosses_leaves_the_book_first_and_an_impossible_one_cancels() {
    let mut engine = three_asks(SelfMatch::Allow);
    let bid = order(2, 1, Side::Buy, 99, 15, TimeInForce::DAY);
    assert_eq!(story(&mut engine, Command::Enter(bid)), [("accepted", 4, 15), ("added", 4, 15)]);
    let with = |price, qty, tif| Replacement { token: 8, price: Ticks(price), qty: Lots(qty), tif };
    let up = Command::Replace { key: key(2, 1), with: with(100, 25, TimeInForce::DAY) };
    let expected = [("taken out", 5, 25), ("executed", 1, 10), ("executed", 2, 10), ("added", 5, 5)];
    assert_eq!(story(&mut engine, up), expected);
    // OUCH 5.0, Replace Order: a live order whose replacement is invalid is cancelled, and nothing else is said.
    let bad = Command::Replace { key: key(1, 3), with: with(101, 0, TimeInForce::DAY) };
    assert_eq!(story(&mut engine, bad), [("deleted", 3, 10)]);
    let again = Command::Replace { key: key(1, 3), with: with(101, 5, TimeInForce::DAY) };
    assert_eq!(story(&mut engine, again), [("rejected", 8, Refusal::UnknownOrder as i64)]);
}

#[test]
fn an_owner_may_be_kept_from_trading_with_itself() {
    let buy = Command::Enter(order(1, 9, Side::Buy, 101, 30, TimeInForce::DAY));
    let mut resting = three_asks(SelfMatch::CancelResting);
    let expected =
        [("accepted", 4, 30), ("deleted", 1, 10), ("deleted", 2, 10), ("deleted", 3, 10), ("added", 4, 30)];
    assert_eq!(story(&mut resting, buy), expected);
    let mut incoming = three_asks(SelfMatch::CancelIncoming);
    assert_eq!(story(&mut incoming, buy), [("accepted", 4, 30), ("lapsed", 4, 30)]);
}

#[test]
fn an_owner_that_would_trade_with_itself_loses_the_lots_on_both_sides() {
    let mut engine = three_asks(SelfMatch::Decrement);
    let buy = Command::Enter(order(1, 9, Side::Buy, 101, 24, TimeInForce::DAY));
    let expected = [("accepted", 4, 24), ("prevented", 1, 10), ("prevented", 2, 10), ("prevented", 3, 4)];
    assert_eq!(story(&mut engine, buy), expected);
    let open = engine.open_order(key(1, 3)).unwrap();
    assert_eq!((open.qty, open.chain), (Lots(6), Chain { executed: Lots(0), prevented: Lots(4) }));
    assert_eq!(engine.open_orders().count(), 1);
}

/// OUCH 5.0, revision of October 2025, sections 2.2 and 2.3, over a chain of three: 500 entered, 100 executed, a replacement
/// with 500 leaves 400; with 600 it leaves 500. What the first order of the chain executed still counts for the third.
#[test]
fn quantities_are_of_the_chain() {
    let mut fast = MatchingEngine::with_capacity(1, 4, 2, SelfMatch::Decrement);
    let mut naive = NaiveEngine::new(1, SelfMatch::Decrement);
    let mut both = |command: Command| {
        assert_eq!(apply!(fast, command), apply!(naive, command));
        let open = fast.open_orders().find(|open| open.key.owner == 1);
        assert_eq!(open, naive.live().iter().copied().find(|open| open.key.owner == 1));
        open
    };
    let sell = |token, qty| Command::Enter(order(2, token, Side::Sell, 100, qty, TimeInForce::IOC));
    let replace = |open: OpenOrder, token, price, total| {
        let qty = open.left_of(Lots(total));
        let with = Replacement { token, price: Ticks(price), qty, tif: TimeInForce::DAY };
        Command::Replace { key: open.key, with }
    };
    both(Command::Enter(order(1, 1, Side::Buy, 100, 500, TimeInForce::DAY))).unwrap();
    let open = both(sell(1, 100)).unwrap();
    assert_eq!(open.left_of(Lots(500)), Lots(400));
    assert_eq!(open.left_of(Lots(600)), Lots(500));
    // The second link: by a replacement that only moves within the book.
    let open = both(replace(open, 2, 101, 500)).unwrap();
    assert_eq!((open.qty, open.chain.executed), (Lots(400), Lots(100)));
    assert_eq!(open.left_of(Lots(600)), Lots(500));
    assert_eq!(
        (open.kept_of(Lots(500)), open.kept_of(Lots(150)), open.kept_of(Lots(60))),
        (Lots(400), Lots(50), Lots(0))
    );
    // The third: by one that trades on arrival. 100 and 50 of 600 are gone, then 20 more by self-match prevention.
    both(Command::Enter(order(2, 9, Side::Sell, 105, 50, TimeInForce::DAY)));
    let open = both(replace(open, 3, 105, 600)).unwrap();
    assert_eq!((open.qty, open.chain.executed), (Lots(450), Lots(150)));
    let open = both(Command::Enter(order(1, 4, Side::Sell, 105, 20, TimeInForce::IOC))).unwrap();
    assert_eq!((open.qty, open.chain), (Lots(430), Chain { executed: Lots(150), prevented: Lots(20) }));
    // The fourth: the decrement counts for a replacement, and not for a cancel.
    let open = both(replace(open, 5, 104, 600)).unwrap();
    assert_eq!(open.qty, Lots(430));
    assert_eq!(open.kept_of(Lots(550)), Lots(400));
    let restored: MatchingEngine = read_state(&bytes_of(&fast)).unwrap();
    assert_eq!(restored.open_order(open.key), Some(open));
}

#[test]
fn a_session_that_ends_takes_its_orders_with_it() {
    let mut engine = three_asks(SelfMatch::Allow);
    let other = order(2, 1, Side::Buy, 99, 15, TimeInForce::DAY);
    story(&mut engine, Command::Enter(other));
    let expected = [("deleted", 1, 10), ("deleted", 2, 10), ("deleted", 3, 10)];
    assert_eq!(story(&mut engine, Command::CancelOwner { owner: 1 }), expected);
    assert_eq!(engine.open_orders().count(), 1);
}
