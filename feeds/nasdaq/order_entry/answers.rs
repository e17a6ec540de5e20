//! The venue's answers to records, and what they say about live orders.

mod messages;

use pricewright_core::kernel::table::{
    Define, Mark, SendReport, SessionChanged, SessionState, VenueReplaced, VenueUnread,
};
use pricewright_core::kernel::{
    Column, EventNanos, InstrumentId, Liquidity, Nanos, Record, RecordSink, RejectReason, SendOutcome,
    SessionPhase, SideCode, SourceId, Text, Ticks, flags,
};

use super::DecisionError;
use super::orders::{LiveOrder, LiveOrders};
use super::queries::{Inquiries, Inquiry, Queries};
use super::unread::{Message, Unread};
use crate::nasdaq::instrument::Instrument;
use crate::nasdaq::ouch::{AccountQueryResponse, Response, decode_response};
use crate::nasdaq::{SessionDay, SessionId, Symbol};

/// Cells that one packet of the venue, or one report, may need.
pub(super) const ANSWER_CELLS: usize = Mark::CELLS
    + VenueReplaced::CELLS
    + VenueUnread::CELLS
    + SessionChanged::CELLS
    + 2 * SessionState::CELLS
    + Define::CELLS;

/// The instrument of an order in a symbol that is not configured.
const NO_INSTRUMENT: InstrumentId = InstrumentId(u16::MAX);

/// Orders that the venue can be asked about at once.
const MOST_INQUIRIES: usize = 1024;

/// What a gateway has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of the venue.
    pub messages: u64,
    /// Messages that could not be used, or not in full; each is in the journal as it came.
    pub malformed: u64,
    /// Live orders beyond those for which the table reserves memory. They are kept all the same: each can be cancelled.
    pub untracked: u64,
    /// Records that the sink refused although it had said that there was room.
    pub refused: u64,
}

/// The venue goes on elsewhere than its last session stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) before: SessionId,
    pub(super) wanted: u64,
    pub(super) found: u64,
}

/// What is known of numbers and queries when a gateway is made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub(super) unanswered: u32,
    pub(super) acknowledged: u32,
    pub(super) numbered_from: u32,
}

/// The gateway apart from its session.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    source: SourceId,
    day: SessionDay,
    instruments: Vec<Instrument>,
    orders: LiveOrders,
    sessions: Vec<SessionId>,
    session: u32,
    /// The session whose day it is.
    day_of: Option<u32>,
    phase: SessionPhase,
    reason: u8,
    next_client: u64,
    /// The highest of our numbers that the venue has spoken of, and the first that its numbering says anything about.
    acknowledged: u32,
    numbered_from: u32,
    /// The session began anew, and its numbering was not told yet.
    changed: bool,
    queries: Queries,
    inquiries: Inquiries,
    /// Whether an account query is to be sent.
    asks: bool,
    /// Whether the phase was not told yet.
    untold: bool,
    counters: Counters,
}

impl Answers {
    pub(super) fn new(
        source: SourceId,
        day: SessionDay,
        instruments: Vec<Instrument>,
        orders: LiveOrders,
        sessions: Vec<SessionId>,
        numbers: Numbers,
    ) -> Self {
        Self {
            source,
            day,
            instruments,
            orders,
            sessions,
            session: 0,
            day_of: None,
            phase: SessionPhase::DOWN,
            reason: 0,
            next_client: 0,
            acknowledged: numbers.acknowledged,
            numbered_from: numbers.numbered_from,
            changed: false,
            queries: Queries::new(numbers.unanswered),
            inquiries: Inquiries::new(MOST_INQUIRIES),
            asks: false,
            untold: true,
            counters: Counters::default(),
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn phase(&self) -> SessionPhase {
        self.phase
    }

    /// The venue's letter for why it refused the login, where that is the phase.
    pub(super) fn refusal(&self) -> Option<u8> {
        (self.phase == SessionPhase::REFUSED).then_some(self.reason)
    }

    pub(super) fn orders(&self) -> &[LiveOrder] {
        self.orders.as_slice()
    }

    pub(super) fn is_full(&self) -> bool {
        self.orders.is_full()
    }

    /// Remembers an order that was sent. The venue passes over a replacement in silence where its order has left already.
    pub(super) fn track(&mut self, order: LiveOrder) {
        if order.prior == 0 || self.orders.find(order.prior).is_some() {
            self.orders.set(order);
        }
    }

    /// Forgets an order that is known to be gone.
    pub(super) fn forget(&mut self, client: u64) {
        if let Ok(client) = u32::try_from(client) {
            self.orders.remove(client);
        }
    }

    pub(super) fn instrument(&self, id: InstrumentId) -> Result<&Instrument, DecisionError> {
        self.instruments.iter().find(|instrument| instrument.id == id).ok_or(DecisionError::Instrument(id))
    }

    /// Notes a phase; [`Self::tell`] tells it.
    pub(super) fn enter(&mut self, phase: SessionPhase, reason: u8) {
        self.untold |= self.phase != phase;
        self.phase = phase;
        self.reason = reason;
        if phase != SessionPhase::READY {
            self.next_client = 0;
        }
    }

    /// The venue took the login in `session`: what was missed comes now. `change` says where it does not go on where its
    /// last session stood.
    pub(super) fn catch_up<S: RecordSink>(
        &mut self,
        session: SessionId,
        change: Option<Change>,
        sink: &mut S,
    ) {
        self.define_session(session, sink);
        if let Some(Change { before, wanted, found }) = change {
            self.changed = true;
            let known = self.sessions.iter().position(|known| same(*known, before));
            let changed = SessionChanged {
                wanted,
                found,
                before: known.and_then(|index| u32::try_from(index).ok()).unwrap_or(u32::MAX),
                session: self.session,
                source: self.source,
                spare: [0; 6],
            };
            self.put(&changed, sink);
        }
        self.enter(SessionPhase::CATCHING_UP, 0);
        self.queries.connect();
        self.inquiries.clear();
        self.asks = true;
    }

    /// Whether an account query is to be sent now; it counts as sent.
    pub(super) fn take_query(&mut self) -> bool {
        let asks = core::mem::take(&mut self.asks);
        if asks {
            self.queries.ask();
            if self.phase == SessionPhase::READY {
                self.inquiries.sent(&self.queries);
            }
        }
        asks
    }

    /// The query that [`Self::take_query`] gave did not leave.
    pub(super) fn ask_again(&mut self) {
        self.asks = true;
    }

    /// Asks the venue whether it has ever seen an order's number.
    pub(super) fn inquire(&mut self, client: u32, decision: u64) {
        self.asks |= self.phase == SessionPhase::READY && self.inquiries.ask(Inquiry { client, decision });
    }

    /// Tells what the venue said of the orders that it was asked about, as far as there is room.
    pub(super) fn tell_verdicts<S: RecordSink>(&mut self, now: Nanos, sink: &mut S) {
        while let Some((inquiry, next_client)) = self.inquiries.verdict() {
            if sink.room() < SendReport::CELLS {
                return;
            }
            let Inquiry { client, decision } = inquiry;
            // A numbering that began anew says nothing about older orders.
            let judges = next_client > u64::from(self.acknowledged) && client >= self.numbered_from;
            let unseen = judges && u64::from(client) >= next_client;
            let outcome = if unseen { SendOutcome::UNSEEN } else { SendOutcome::SEEN };
            if unseen {
                self.orders.remove(client);
            }
            let (client, source) = (u64::from(client), self.source);
            self.put(&SendReport { client, decision, sent: now, outcome, spare: 0, source, spare2: 0 }, sink);
            self.asks |= self.inquiries.told();
        }
    }

    /// What an answer to an account query says. One to a query of an earlier connection, or to one too many of this, was
    /// given too early to say anything.
    /// A number below one that the venue has spoken of says that its numbering began anew: it judges no older order.
    fn account(&mut self, next_client: u64, highest: u32) {
        let is_new = self.queries.answer();
        if self.phase == SessionPhase::READY {
            self.asks |= self.inquiries.answered(&self.queries, next_client);
            return;
        }
        if !is_new {
            self.asks = true;
            return;
        }
        self.next_client = next_client;
        let unused = core::mem::take(&mut self.changed) && next_client == 1;
        if unused || next_client <= u64::from(self.acknowledged) {
            (self.acknowledged, self.numbered_from) = (0, highest.saturating_add(1));
        } else {
            self.orders.forget_from(next_client.max(u64::from(self.numbered_from)));
        }
        self.untold = true;
        self.phase = SessionPhase::READY;
        self.reason = 0;
    }

    /// Tells the phase where it changed and there is room; else it is told later.
    pub(super) fn tell<S: RecordSink>(&mut self, sequence: u64, sink: &mut S) {
        if !self.untold {
            return;
        }
        let state = SessionState {
            sequence,
            next_client: self.next_client,
            session: self.session,
            source: self.source,
            phase: self.phase,
            reason: self.reason,
            spare: 0,
        };
        // Where there is no room, it is told at the next call.
        self.untold = sink.put(&state, self.source, flags::RESPONSE).is_err();
    }

    fn define_session<S: RecordSink>(&mut self, session: SessionId, sink: &mut S) {
        let known = self.sessions.iter().position(|known| same(*known, session));
        let index = known.unwrap_or(self.sessions.len());
        if u32::try_from(index).ok() != self.day_of {
            self.day.begin_session();
            self.day_of = u32::try_from(index).ok();
        }
        self.session = u32::try_from(index).unwrap_or(u32::MAX);
        if known.is_none() {
            self.sessions.push(session);
            let (id, source) = (self.session, self.source);
            self.put(
                &Define { id, column: Column::SESSION, source, text: Text::excerpt(session.as_str()) },
                sink,
            );
        }
    }

    /// Takes the venue's message with this sequence. There must be room for [`ANSWER_CELLS`]. Returns the highest of
    /// our order numbers that it shows to be used.
    pub(super) fn on_message<S: RecordSink>(
        &mut self,
        sequence: u64,
        bytes: &[u8],
        received: Nanos,
        highest: u32,
        sink: &mut S,
    ) -> u32 {
        self.counters.messages += 1;
        let (session, source) = (self.session, self.source);
        self.put(&Mark { first: sequence, received, count: 1, session, line: 0, source, queued_ns: 0 }, sink);
        let at = Message { position: sequence, bytes };
        let response = match decode_response(bytes) {
            Ok(response) => response,
            Err(error) => {
                self.unread(at, Unread::undecodable(&error), sink);
                return at.client();
            }
        };
        // Every message of the venue has its stamp behind the type.
        if let Some(stamp) = bytes.get(1..9).and_then(|stamp| stamp.try_into().ok()) {
            self.day.start_of(u64::from_be_bytes(stamp), received);
        }
        let client = self.take_response(response, at, highest, sink);
        if !matches!(response, Response::AccountQueryResponse(..)) {
            self.acknowledged = self.acknowledged.max(client);
        }
        client
    }

    fn take_response<S: RecordSink>(
        &mut self,
        response: Response<'_>,
        at: Message<'_>,
        highest: u32,
        sink: &mut S,
    ) -> u32 {
        match response {
            Response::SystemEvent(body, _) => self.system_event(body, sink),
            Response::OrderAccepted(body, _) => self.accepted(body, at, sink),
            Response::OrderReplaced(body, _) => self.replaced(body, at, sink),
            Response::OrderCanceled(body, _) => {
                let qty = body.quantity.get();
                self.canceled(body.timestamp.get(), body.user_ref_num.get(), qty, body.reason, sink)
            }
            Response::AiqCanceled(body, _) => {
                let qty = body.quantity.get();
                self.canceled(body.timestamp.get(), body.user_ref_num.get(), qty, body.reason, sink)
            }
            Response::OrderExecuted(body, _) => self.executed(body, at, sink),
            Response::BrokenTrade(body, _) => self.broken(body, sink),
            Response::Rejected(body, _) => self.rejected(body, sink),
            Response::CancelPending(body, _) => {
                self.held(body.timestamp.get(), body.user_ref_num.get(), body.message_type, sink)
            }
            Response::CancelReject(body, _) => {
                self.held(body.timestamp.get(), body.user_ref_num.get(), body.message_type, sink)
            }
            Response::OrderPriorityUpdate(body, _) => self.priority(body, at, sink),
            Response::OrderModified(body, _) => self.modified(body, at, sink),
            Response::OrderRestated(body, options) => self.restated(body, options, at, sink),
            Response::AccountQueryResponse(body, _) => {
                let next = next_number(body);
                self.account(next, highest);
                u32::try_from(next.saturating_sub(1)).unwrap_or(u32::MAX)
            }
        }
    }

    /// Room for [`ANSWER_CELLS`] was found before; a sink that refuses nevertheless is counted.
    fn put<R: Record, S: RecordSink>(&mut self, record: &R, sink: &mut S) {
        if sink.put(record, self.source, flags::RESPONSE).is_err() {
            self.counters.refused += 1;
        }
    }

    /// Keeps an answer as it came, since it may be a fill. Parts of a long one that the sink has no room for are counted.
    pub(super) fn unread<S: RecordSink>(&mut self, at: Message<'_>, unread: Unread, sink: &mut S) {
        self.counters.malformed += 1;
        for part in at.parts(unread, self.source) {
            self.put(&part, sink);
        }
    }

    fn event_ns(&self, nanos: u64) -> EventNanos {
        EventNanos(self.day.start_ns().saturating_add_unsigned(nanos))
    }

    fn by_symbol<S: RecordSink>(
        &mut self,
        symbol: Symbol,
        at: Message<'_>,
        sink: &mut S,
    ) -> Option<Instrument> {
        let found = self.instruments.iter().find(|instrument| instrument.symbol == symbol).copied();
        if found.is_none() {
            let text = "OUCH: an order in an instrument that is not configured";
            self.unread(at, Unread::all(RejectReason::UNKNOWN_KEY, text), sink);
        }
        found
    }

    /// The price grid of an order: its instrument's. For an order that is not in the table, the one grid that all
    /// instruments share, where they do.
    fn grid_of(&self, client: u32) -> Option<Instrument> {
        if let Some(order) = self.orders.find(client) {
            return self.instrument(order.instrument).ok().copied();
        }
        let (first, rest) = self.instruments.split_first()?;
        rest.iter().all(|other| other.tick_e4 == first.tick_e4).then_some(*first)
    }

    /// A price in ticks. One off the grid is reported and rounded down: an answer about our own order is never dropped.
    fn ticks<S: RecordSink>(
        &mut self,
        grid: &Instrument,
        price_e4: u64,
        at: Message<'_>,
        sink: &mut S,
    ) -> Ticks {
        grid.ticks(price_e4).unwrap_or_else(|| {
            let text = "OUCH: a price off the price grid, rounded down";
            self.unread(at, Unread::part(RejectReason::OUT_OF_RANGE, text), sink);
            Ticks(i64::try_from(price_e4 / u64::from(grid.tick_e4)).unwrap_or(i64::MAX))
        })
    }
}

/// The lowest order number that the venue has not seen: beyond 32 bits where it has none left.
fn next_number(answer: &AccountQueryResponse) -> u64 {
    match answer.next_user_ref_num.get() {
        0 => u64::from(u32::MAX) + 1,
        next => u64::from(next),
    }
}

/// Whether two names of sessions are one: a venue may pad with blanks on either side.
pub(in crate::nasdaq) fn same(one: SessionId, other: SessionId) -> bool {
    one.0.trim_ascii() == other.0.trim_ascii()
}

pub(in crate::nasdaq) fn side_of(letter: u8) -> SideCode {
    match letter {
        b'B' => SideCode::BUY,
        b'S' | b'T' | b'E' => SideCode::SELL,
        _ => SideCode::UNKNOWN,
    }
}

/// The liquidity flags of the equities' fee schedule, as far as they say who made the market.
pub(in crate::nasdaq) fn liquidity_of(letter: u8) -> Liquidity {
    match letter {
        b'A' | b'J' | b'k' | b'e' | b'j' | b'7' | b'8' => Liquidity::ADDED,
        b'R' | b'm' | b'r' | b't' => Liquidity::REMOVED,
        b'O' | b'M' | b'C' | b'L' | b'H' | b'K' => Liquidity::CROSS,
        _ => Liquidity::UNKNOWN,
    }
}
