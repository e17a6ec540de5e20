//! The desk against the price-time matching engine of the simulated exchange: its own orders come back in the market
//! data, and what it is told of its fills can be compared with what was traded.

use std::collections::VecDeque;

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;
use pricewright_core::market::matching::{
    MatchEvent, MatchingEngine, NewOrder, OwnerToken, Refusal, Replacement, SelfMatch,
};

use super::super::{Desk, DeskConfig};
use super::records::{FEED, GATEWAY, record, replay, send_report, venue_executed};

const PRCW: InstrumentId = InstrumentId(0);
const DESK: u32 = 1;

struct Exchange {
    driver: Driver<Desk>,
    engine: MatchingEngine,
    random: Numbers,
    now: Nanos,
    fair: i64,
    tokens: u64,
    background: Vec<u64>,
    /// Market data on its way, in batches.
    data: VecDeque<Vec<RecordBuf>>,
    answers: VecDeque<RecordBuf>,
    requests: VecDeque<RecordBuf>,
    position: i64,
    cash: i64,
    fills: u64,
    placed: u64,
    replaced: u64,
    /// Every event that the desk saw, with its stamp, and the decisions that came of it.
    script: Vec<(Nanos, RecordBuf)>,
    decisions: Vec<Vec<Cell>>,
}

impl Exchange {
    fn new(config: &DeskConfig, seed: u64) -> Self {
        let mut exchange = Self {
            driver: Driver::new(config).expect("configuration"),
            engine: MatchingEngine::with_capacity(2, 4_096, 256, SelfMatch::Allow),
            random: Numbers::new(seed),
            now: Nanos::from_secs(1_000),
            fair: 10_000,
            tokens: 1 << 40,
            background: Vec::new(),
            data: VecDeque::new(),
            answers: VecDeque::new(),
            requests: VecDeque::new(),
            position: 0,
            cash: 0,
            fills: 0,
            placed: 0,
            replaced: 0,
            script: Vec::new(),
            decisions: Vec::new(),
        };
        exchange.open();
        exchange
    }

    fn open(&mut self) {
        self.give(&record(&Operator::says("", OperatorCommand::START, 0)));
        self.give(&record(&FeedHealth {
            expected: 1,
            seen: 1,
            missing: 0,
            source: FEED,
            health: Health::VALID,
            reason: HealthReason::START,
            session: 0,
        }));
        let received = self.now;
        self.give(&record(&Mark {
            first: 1,
            received,
            count: 1,
            session: 0,
            line: 0,
            source: FEED,
            queued_ns: 0,
        }));
        self.give(&record(&TradingStatus {
            event_ns: EventNanos(0),
            instrument: PRCW,
            state: TradingState::TRADING,
            flags: market_flags::LAST_IN_BATCH,
            reason: Text::default(),
            spare: [0; 16],
        }));
        self.give(&record(&MarketPhase {
            event_ns: EventNanos(0),
            code: b'Q',
            flags: market_flags::LAST_IN_BATCH,
            spare: [0; 22],
        }));
        self.give(&record(&SessionState {
            sequence: 1,
            next_client: 1,
            session: 0,
            source: GATEWAY,
            phase: SessionPhase::READY,
            reason: 0,
            spare: 0,
        }));
    }

    fn give(&mut self, event: &RecordBuf) {
        while let Some(timer) = self.driver.due(self.now) {
            self.step(&record(&timer));
        }
        self.step(event);
    }

    fn step(&mut self, event: &RecordBuf) {
        let lying = event.iter().next().expect("a record");
        let read = EventRef::of(&lying).expect("an event");
        assert_eq!(self.driver.step(self.now, read, &mut NoProbe), Step::Done);
        self.script.push((self.now, event.clone()));
        self.decisions.push(self.driver.outbox().cells().to_vec());
        for decision in self.driver.decisions() {
            match DecisionRef::of(&decision).expect("a decision") {
                DecisionRef::PlaceOrder(order) => {
                    self.placed += 1;
                    self.requests.push_back(record(order));
                }
                DecisionRef::ReplaceOrder(order) => {
                    self.replaced += 1;
                    self.requests.push_back(record(order));
                }
                DecisionRef::CancelOrder(order) => self.requests.push_back(record(order)),
                DecisionRef::Rejected(letter) => panic!("dead letter: {letter:?}"),
                DecisionRef::KillLatched(kill) => panic!("latched: {kill:?}"),
                _ => {}
            }
        }
    }

    fn turn(&mut self) {
        self.now += Nanos(1 + self.random.below(20_000_000) as i64);
        match self.random.below(10) {
            0..4 => self.background_order(),
            4..6 => self.carry_out(),
            6..8 => self.deliver_data(),
            _ => self.deliver_answer(),
        }
    }

    fn background_order(&mut self) {
        self.fair += self.random.below(3) as i64 - 1;
        let side = if self.random.one_in(2) { Side::Buy } else { Side::Sell };
        let mut events = Vec::new();
        if self.background.len() > 60 || (self.random.one_in(4) && !self.background.is_empty()) {
            let at = self.random.below(self.background.len() as u64) as usize;
            let token = self.background.swap_remove(at);
            self.engine.cancel(OwnerToken { owner: 0, token }, Lots(0), &mut events);
        } else {
            self.tokens += 1;
            let takes = self.random.one_in(4);
            let distance = if takes { -3 } else { 2 + self.random.below(6) as i64 };
            let new = NewOrder {
                key: OwnerToken { owner: 0, token: self.tokens },
                instrument: PRCW,
                side,
                price: Ticks(self.fair - side.sign() * distance),
                qty: Lots(1 + self.random.below(120) as i64),
                tif: if takes { TimeInForce::IOC } else { TimeInForce::DAY },
            };
            self.engine.enter(&new, &mut events);
            if !takes {
                self.background.push(self.tokens);
            }
        }
        self.tell(&events);
    }

    fn carry_out(&mut self) {
        let Some(request) = self.requests.pop_front() else { return };
        let lying = request.iter().next().expect("a record");
        let mut events = Vec::new();
        let key = |token| OwnerToken { owner: DESK, token };
        match DecisionRef::of(&lying).expect("a decision") {
            DecisionRef::PlaceOrder(order) => {
                self.answers.push_back(record(&send_report(order.client, SendOutcome::SENT)));
                let (instrument, price, tif) = (order.instrument, order.price, order.tif);
                let (side, qty) = (order.side.side().expect("side"), Lots(i64::from(order.qty)));
                let new = NewOrder { key: key(order.client), instrument, side, price, qty, tif };
                self.engine.enter(&new, &mut events);
            }
            DecisionRef::ReplaceOrder(order) => {
                let Some(open) = self.engine.open_order(key(order.prior)) else { return };
                let qty = open.left_of(Lots(i64::from(order.qty)));
                let with = Replacement { token: order.client, price: order.price, qty, tif: order.tif };
                self.engine.replace(key(order.prior), &with, &mut events);
            }
            DecisionRef::CancelOrder(order) => self.engine.cancel(key(order.client), Lots(0), &mut events),
            other => panic!("no request: {other:?}"),
        }
        self.tell(&events);
    }

    /// What the engine said, to the market as one batch and to the desk as answers.
    fn tell(&mut self, events: &[MatchEvent]) {
        let mut batch = Vec::new();
        for event in events {
            self.tell_market(event, &mut batch);
            self.tell_desk(event);
        }
        if !batch.is_empty() {
            let (match_number, flags) = (0, market_flags::LAST_IN_BATCH);
            let (event_ns, price, side) = (EventNanos(0), Ticks(self.fair), SideCode::UNKNOWN);
            // A record that ends the batch without touching a book.
            let qty = 1;
            batch.push(record(&Trade { event_ns, match_number, price, qty, instrument: PRCW, side, flags }));
            self.data.push_back(batch);
        }
    }

    fn tell_market(&mut self, event: &MatchEvent, batch: &mut Vec<RecordBuf>) {
        let (event_ns, instrument, flags, side) = (EventNanos(0), PRCW, 0, SideCode::UNKNOWN);
        let lots = |qty: Lots| u32::try_from(qty.0).expect("lots");
        let (spare, spare2) = (0, 0);
        let deleted =
            |order| record(&OrderDeleted { event_ns, order, spare, spare2, instrument, side, flags });
        match event {
            MatchEvent::Added(e) => {
                let (order, price, qty, side) = (e.order, e.price, lots(e.qty), e.side.into());
                batch.push(record(&OrderAdd { event_ns, order, price, qty, instrument, side, flags }));
            }
            MatchEvent::Executed(e) => {
                let (order, match_number, qty) = (e.order, e.match_number, lots(e.qty));
                let executed = OrderExecuted { event_ns, order, match_number, qty, instrument, side, flags };
                batch.push(record(&executed));
            }
            MatchEvent::Reduced(e) => {
                let (order, qty) = (e.order, lots(e.qty));
                batch.push(record(&OrderReduced { event_ns, order, spare: 0, qty, instrument, side, flags }));
            }
            MatchEvent::Deleted(e) => batch.push(deleted(e.order)),
            MatchEvent::Replaced(e) if e.displayed => {
                let (order, new_order, price, qty) = (e.old_order, e.order, e.new.price, lots(e.new.qty));
                let replaced =
                    OrderReplaced { event_ns, order, new_order, price, qty, instrument, side, flags };
                batch.push(record(&replaced));
            }
            MatchEvent::Replaced(e) => batch.push(deleted(e.old_order)),
            _ => {}
        }
    }

    fn tell_desk(&mut self, event: &MatchEvent) {
        let event_ns = EventNanos(self.now.0 + self.answers.len() as i64);
        let lots = |qty: Lots| u32::try_from(qty.0).expect("lots");
        let canceled = |client, qty| {
            record(&VenueCanceled { event_ns, client, qty: lots(qty), reason: b'U', spare: [0; 11] })
        };
        match event {
            MatchEvent::Accepted(e) if e.new.key.owner == DESK => {
                self.answers.push_back(record(&VenueAccepted {
                    event_ns,
                    client: e.new.key.token,
                    venue_order: e.order,
                    price: e.new.price,
                    qty: lots(e.new.qty),
                    instrument: PRCW,
                    side: e.new.side.into(),
                    live: Liveness(u8::from(e.live)),
                }))
            }
            MatchEvent::Replaced(e) if e.new.key.owner == DESK => {
                self.answers.push_back(record(&VenueReplaced {
                    event_ns,
                    client: e.new.key.token,
                    prior: e.old_token,
                    venue_order: e.order,
                    price: e.new.price,
                    qty: lots(e.new.qty),
                    instrument: PRCW,
                    side: e.new.side.into(),
                    live: Liveness(u8::from(e.live)),
                }))
            }
            MatchEvent::Executed(e) => {
                assert!(e.incoming_key.owner != DESK, "a post-only order never takes");
                if e.key.owner == DESK {
                    self.fills += 1;
                    let signed = e.side.sign() * e.qty.0;
                    self.position += signed;
                    self.cash -= signed * e.price.0;
                    let fill = venue_executed(e.key.token, e.match_number, e.price, lots(e.qty));
                    self.answers.push_back(record(&fill));
                }
            }
            MatchEvent::Deleted(e) if e.key.owner == DESK => {
                self.answers.push_back(canceled(e.key.token, e.qty));
            }
            MatchEvent::Rejected(e) if e.key.owner == DESK && e.reason == Refusal::WouldTake => {
                let (client, reason) = (e.key.token, 1);
                self.answers.push_back(record(&VenueRejected { event_ns, client, reason, spare: [0; 14] }));
            }
            _ => {}
        }
    }

    fn deliver_data(&mut self) {
        for event in self.data.pop_front().into_iter().flatten() {
            self.give(&event);
        }
    }

    fn deliver_answer(&mut self) {
        if let Some(answer) = self.answers.pop_front() {
            self.give(&answer);
        }
    }
}

#[test]
fn against_the_matching_engine_books_orders_and_money_agree() {
    let (mut fills, mut replaced) = (0, 0);
    for seed in 0..8 {
        eprintln!("seed {seed}");
        let mut exchange = Exchange::new(&DeskConfig::example().expect("example"), seed);
        for _ in 0..6_000 {
            exchange.turn();
        }
        while !(exchange.data.is_empty() && exchange.answers.is_empty() && exchange.requests.is_empty()) {
            exchange.carry_out();
            exchange.deliver_data();
            exchange.deliver_answer();
        }
        let desk = exchange.driver.machine();
        for side in [Side::Buy, Side::Sell] {
            let seen: Vec<_> = desk.books().book(PRCW).expect("book").levels(side).collect();
            let there: Vec<_> = exchange.engine.book(PRCW).expect("book").levels(side).collect();
            assert_eq!(seen, there, "{side:?}");
        }
        let mut known: Vec<_> = desk.orders().alive(PRCW).map(|order| (order.client, order.open)).collect();
        let open = exchange.engine.open_orders().filter(|open| open.key.owner == DESK);
        let mut there: Vec<_> =
            open.map(|open| (open.key.token, u32::try_from(open.qty.0).expect("lots"))).collect();
        known.sort_unstable();
        there.sort_unstable();
        assert_eq!(known, there, "open orders");
        let holding = desk.holding(PRCW).expect("instrument");
        assert_eq!((holding.position(), holding.cash()), (Lots(exchange.position), Minor(exchange.cash)));
        assert_eq!(holding.fills(), exchange.fills);
        assert!(
            holding.position().0.abs() <= 1_000,
            "the maker keeps to its inventory: {}",
            holding.position()
        );
        fills += exchange.fills;
        replaced += exchange.replaced;
        assert!(exchange.placed > 20, "placed {}", exchange.placed);
    }
    assert!(fills > 200 && replaced > 500, "{fills} fills, {replaced} replacements");
}

/// As `a_desk_that_forgets_at_every_event_decides_the_same`, with a market that shows the desk's own orders.
#[test]
fn with_own_orders_in_the_book_a_desk_that_forgets_at_every_event_decides_the_same() {
    for seed in 20..23 {
        eprintln!("seed {seed}");
        let config = super::small();
        let mut exchange = Exchange::new(&config, seed);
        for _ in 0..1_200 {
            exchange.turn();
        }
        assert!(exchange.placed > 2 && exchange.replaced > 10, "{} replaced", exchange.replaced);
        let mut driver = Driver::<Desk>::new(&config).expect("configuration");
        for (index, step) in exchange.script.iter().enumerate() {
            let bytes = driver.snapshot().expect("snapshot");
            driver = Driver::restore(&config, &bytes).expect("restored");
            let decisions = replay(&mut driver, core::slice::from_ref(step));
            assert_eq!(decisions[0], exchange.decisions[index], "decisions of event {index}");
        }
        assert_eq!(driver.state_hash().expect("hash"), exchange.driver.state_hash().expect("hash"));
    }
}
