//! Fills, marks, the day's loss, and the status that tells them.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;
use pricewright_core::market::instrument::ShortSale;

use super::super::DeskConfig;
use super::records::GATEWAY;
use super::stage::{LAST, PRCW, Stage};

#[test]
fn a_fill_moves_position_fees_and_the_next_quotes() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    let changed = stage.only::<PositionChanged>();
    assert_eq!((changed.fill, changed.position), (Lots(40), Lots(40)));
    assert_eq!(changed.cost, Minor(399_960));
    // 40 lots at a rebate of 2 000 minor units for 10 000.
    assert_eq!(changed.fees, Minor(-8));
    stage.fill(2, 70, 9_999, 40);
    assert_eq!((stage.count(), stage.driver.machine().repeated_answers()), (0, 1), "the same fill again");
    stage.fill(1, 71, 10_001, 100);
    let sold = stage.all::<PositionChanged>();
    assert_eq!(sold[0].position, Lots(-60));
    assert_eq!(sold[0].realised, Minor(80), "40 lots, 2 ticks each");
    let ask = stage.only::<PlaceOrder>();
    assert_eq!((ask.side, ask.qty), (SideCode::SELL, 94), "100 less 60 of a limit of 1 000");
}

#[test]
fn a_broken_fill_is_taken_back() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    let broken =
        VenueBroken { event_ns: EventNanos(0), client: 2, match_number: 70, reason: b'E', spare: [0; 7] };
    stage.give(&broken);
    let changed = stage.only::<PositionChanged>();
    assert_eq!((changed.fill, changed.position, changed.fees), (Lots(-40), Lots(0), Minor(0)));
    stage.give(&VenueBroken { match_number: 71, ..broken });
    assert_eq!(stage.only::<Rejected>().reason, RejectReason::UNKNOWN_KEY);
    assert_eq!(stage.only::<KillLatched>().control, Control::UNREAD_ANSWER);
}

#[test]
fn a_daily_loss_sets_the_latch_and_an_operator_releases_it() {
    let mut config = DeskConfig::example().expect("example");
    config.risk.max_daily_loss = Minor(1_000);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    stage.fill(2, 70, 9_999, 100);
    // 100 lots bought at 9 999 and a rebate of 20: at a mid of 9 989 the loss is 980, at 9 988.5 it is 1 030.
    stage.move_to(9_988, 9_990);
    assert!(stage.all::<KillLatched>().is_empty());
    stage.move_to(9_987, 9_990);
    let kill = stage.only::<KillLatched>();
    assert_eq!(
        (kill.control, kill.value, kill.limit, kill.released),
        (Control::DAILY_LOSS, -1_030, -1_000, 0)
    );
    assert!(stage.all::<CancelOrder>().iter().all(|cancel| cancel.reason == CancelReason::DAILY_LOSS));
    assert_eq!(stage.driver.machine().latched_by(), Control::DAILY_LOSS);
    // While the loss stands it would be set again at the next price: whoever asks is told so.
    stage.operator(OperatorCommand::REARM);
    let held = stage.only::<LatchHeld>();
    assert_eq!((held.control, held.orders, held.operator.as_str()), (Control::DAILY_LOSS, 0, "ada"));
    assert!(held.text.as_str().contains("max_daily_loss"), "{}", held.text);
    assert_eq!(stage.driver.machine().latched_by(), Control::DAILY_LOSS);
    // The next UTC day begins anew.
    stage.now = Nanos::from_secs(86_400);
    stage.mark(0);
    stage.operator(OperatorCommand::REARM);
    let released = stage.only::<KillLatched>();
    assert_eq!((released.released, released.operator.as_str()), (1, "ada"));
    stage.move_to(9_987, 9_989);
    assert!(stage.all::<KillLatched>().is_empty());
}

#[test]
fn a_fill_of_an_unknown_order_sets_the_latch() {
    let mut stage = Stage::quoting();
    stage.fill(77, 1, 10_000, 5);
    let letter = stage.only::<Rejected>();
    assert_eq!((letter.position, letter.reason, letter.source), (77, RejectReason::UNKNOWN_KEY, GATEWAY));
    assert_eq!(stage.only::<KillLatched>().control, Control::UNREAD_ANSWER);
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
}

#[test]
fn a_fill_beyond_the_order_is_booked_and_sets_the_latch() {
    let mut stage = Stage::quoting();
    stage.fill(2, 1, 9_999, 101);
    assert_eq!(stage.only::<PositionChanged>().position, Lots(101));
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value, kill.limit), (Control::UNREAD_ANSWER, 2, 0));
}

/// The loss that such a fill makes is booked too, but it is not what set the latch.
#[test]
fn a_fill_far_beyond_the_order_names_the_answer_and_not_the_loss() {
    let mut stage = Stage::quoting();
    stage.fill(2, 1, 9_000_000, u32::MAX);
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value, kill.limit), (Control::UNREAD_ANSWER, 2, 0));
    assert_eq!(stage.only::<Rejected>().reason, RejectReason::CONTRADICTION);
    assert_eq!(stage.only::<PositionChanged>().position, Lots(u32::MAX.into()));
    assert_eq!(stage.latch(), Control::UNREAD_ANSWER);
}

#[test]
fn the_status_tells_where_the_desk_stands() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    stage.status_timer();
    assert_eq!(stage.now, Nanos::from_secs(1_001));
    let status = stage.all::<DeskStatus>()[0];
    assert_eq!((status.bid, status.ask, status.position), (Ticks(9_999), Ticks(10_001), Lots(40)));
    assert_eq!((status.realised, status.unrealised, status.fees), (Minor(0), Minor(40), Minor(-8)));
    assert_eq!((status.fills, status.open_orders, status.phase), (1, 2, SessionPhase::READY));
    assert_eq!((status.latch, status.health, status.gaps), (Control::NONE, Health::VALID, 0));
    stage.wait(2_500);
    stage.status_timer();
    let next = stage.driver.outbox().timers().next().expect("armed");
    assert_eq!(next.deadline, Nanos::from_secs(1_004), "missed ones are left out, the rhythm is kept");
}

fn long_a_hundred(max_daily_loss: i64) -> Stage {
    let mut config = DeskConfig::example().expect("example");
    config.risk.max_daily_loss = Minor(max_daily_loss);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.print(9_985);
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    stage.fill(2, 70, 9_999, 100);
    stage
}

/// 100 lots bought at 9 999, and a rebate of 20: at the mid of 10 000 the profit is 120.
#[test]
fn a_trade_from_before_the_last_mid_values_nothing() {
    let mut stage = long_a_hundred(1_000);
    stage.delete(2, LAST);
    assert!(stage.all::<KillLatched>().is_empty(), "the mid never moved");
    stage.status_timer();
    assert_eq!(stage.all::<DeskStatus>()[0].unrealised, Minor(100));
    // A trade after the last mid is newer than it: 100 lots at a loss of 14.
    stage.print(9_985);
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value), (Control::DAILY_LOSS, -1_380));
}

#[test]
fn a_book_that_is_not_valid_values_nothing_and_its_jump_is_no_volatility() {
    let mut stage = long_a_hundred(1_000);
    let sigma = |stage: &Stage| {
        stage.notes.iter().find_map(|(_, note)| match note {
            Note::Feature { name: "volatility_ticks_per_root_s", value } => Some(*value),
            _ => None,
        })
    };
    stage.health(Health::RECOVERING, HealthReason::GAP);
    stage.canceled(1);
    stage.give(&VenueRejected { event_ns: EventNanos(0), client: 3, reason: 5, spare: [0; 14] });
    stage.cleared(1);
    stage.status(TradingState::TRADING);
    stage.phase(b'Q');
    // The rebuild begins far below.
    stage.add(1, Side::Buy, 50, 0);
    stage.add(2, Side::Sell, 51, LAST);
    assert!(stage.all::<KillLatched>().is_empty(), "half a book values nothing");
    stage.print(50);
    assert!(stage.all::<KillLatched>().is_empty(), "nor does what it replays");
    stage.wait(1_000);
    stage.move_to(9_999, 10_001);
    stage.wait(1_000);
    stage.health(Health::VALID, HealthReason::FILLED);
    assert!(stage.all::<KillLatched>().is_empty());
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
    assert_eq!(sigma(&stage), None, "the price jumped while nobody could see how");
    stage.wait(1_000);
    stage.move_to(9_899, 9_901);
    assert_eq!(stage.only::<KillLatched>().control, Control::DAILY_LOSS, "a valid book values again");
}

#[test]
fn a_book_that_becomes_valid_is_valued_at_once() {
    let mut stage = long_a_hundred(1_000);
    stage.health(Health::RECOVERING, HealthReason::GAP);
    stage.wait(1_000);
    stage.move_to(9_899, 9_901);
    assert!(stage.all::<KillLatched>().is_empty());
    stage.health(Health::VALID, HealthReason::FILLED);
    assert_eq!(stage.only::<KillLatched>().control, Control::DAILY_LOSS);
    assert!(stage.all::<PlaceOrder>().is_empty());
}

/// 100 lots at a mid of 10 000 are worth 1 000 000; the bid asks for 90 more at 9 999, the ask for 100 at 10 001.
#[test]
fn executed_positions_count_in_the_limits_of_the_whole_portfolio() {
    type Limit = fn(&mut DeskConfig);
    let limits: [(Limit, Control); 2] = [
        (|config| config.risk.max_gross_notional = Some(Minor(2_500_000)), Control::GROSS_NOTIONAL),
        (|config| config.risk.max_net_notional = Some(Minor(1_500_000)), Control::NET_NOTIONAL),
    ];
    for (tighten, control) in limits {
        let mut config = DeskConfig::example().expect("example");
        tighten(&mut config);
        let mut stage = Stage::with(&config);
        stage.open();
        stage.book(9_999, 10_001);
        stage.accept(1, Side::Sell, 10_001);
        stage.accept(2, Side::Buy, 9_999);
        stage.fill(2, 70, 9_999, 100);
        let refused = stage.only::<OrderRefused>();
        assert_eq!((refused.control, refused.side), (control, SideCode::BUY));
        // Gross: the position, the ask that rests and this bid. Net: the position and this bid.
        let bid = refused.price.0 * i64::from(refused.qty);
        let resting = if control == Control::GROSS_NOTIONAL { 100 * 10_001 } else { 0 };
        assert_eq!(refused.value, 1_000_000 + resting + bid);
        let shown = stage.notes.iter().any(|(_, note)| {
            matches!(note, Note::Check { control: name, passed: false, .. } if *name == control.name())
        });
        assert!(shown, "{} is explained", control.name());
    }
}

/// A desk that holds nothing and has no locate asks for no sale; what it holds it sells, unmarked.
#[test]
fn without_a_locate_no_more_is_sold_than_is_held() {
    let mut config = DeskConfig::example().expect("example");
    config.instruments[0].short_sale = ShortSale::Refused;
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    assert_eq!(stage.only::<PlaceOrder>().side, SideCode::BUY);
    stage.accept(1, Side::Buy, 9_999);
    stage.fill(1, 70, 9_999, 40);
    let sale = stage.only::<PlaceOrder>();
    assert_eq!((sale.side, sale.qty), (SideCode::SELL, 40));
}

/// 17 CFR 242.200(g): a sale is long only where what is held covers it; OUCH replaces no side, so that another mark needs
/// another order.
#[test]
fn sales_of_more_than_is_held_are_marked_as_short() {
    for (short_sale, mark) in
        [(ShortSale::Locate, SideCode::SELL_SHORT), (ShortSale::Exempt, SideCode::SELL_SHORT_EXEMPT)]
    {
        let mut config = DeskConfig::example().expect("example");
        config.instruments[0].short_sale = short_sale;
        let mut stage = Stage::with(&config);
        stage.open();
        stage.book(9_999, 10_001);
        let sale = stage.all::<PlaceOrder>()[0];
        assert_eq!((sale.client, sale.side), (1, mark), "nothing is held");
        stage.accept(1, Side::Sell, 10_001);
        stage.accept(2, Side::Buy, 9_999);
        stage.fill(2, 70, 9_999, 100);
        stage.fill(1, 71, 10_001, 100);
        stage.wait(1_000);
        stage.move_to(9_998, 10_000);
        let again = stage.driver.machine().orders().alive(PRCW).any(|order| order.short);
        assert!(again, "sold what was held, the next sale is short again");
    }
}
