//! The desk's book of fills held against the venue's drop copy, execution by execution, by match number.
//!
//! Either may be first, since they come over different connections: what one has and the other lacks is a break once
//! `drop_copy_grace_ms` have passed. A break freezes its instrument (no new orders, quotes cancelled) and says what
//! differs; where both agree again it is released, else an operator states the position and rearms. Fills are looked for
//! in the drop copy only while that is connected.
//!
//! After a changed session the drop copy says what the order session cannot: its executions of orders in doubt are booked,
//! and an order that it shows to be gone is gone. Once no order and no position is in doubt the latch is released.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use pricewright_core::kernel::table::{
    DropCopyExecution, DropCopyOrder, DropCopyState, KillLatched, PositionBreak, VenueBroken, VenueExecuted,
};
use pricewright_core::kernel::{
    Control, EventNanos, InstrumentId, Liquidity, Nanos, Probe, RejectReason, SessionPhase, SideCode,
    SourceId, Text, Ticks,
};
use pricewright_core::market::order::{Booked, BookedFill, OwnOrder};

use super::desk::Desk;
use super::doubt::Known;
use super::state::Turn;

/// The timer of the reconciliation: beyond those of all instruments.
pub(super) const RECONCILE_TIMER: u32 = 1 << 20;
/// Executions that may wait for their other half, breaks among them.
pub(super) const MAX_WAITING: usize = 1024;
/// Heartbeats of the drop copy after which it has everything that happened before: the first may have been on its way.
const BEATS: u8 = 2;

/// What an entry of the list waits for, with the number that `PositionBreak::what` has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wait {
    /// Our own book lacks it.
    Ours = 1,
    /// The drop copy lacks it.
    Theirs = 2,
    /// Nothing: they differ.
    Differs = 3,
    /// Our own book lacks the break.
    OurBreak = 4,
}

/// An execution that one side has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    what: Wait,
    client: u64,
    match_number: u64,
    price: Ticks,
    qty: u32,
    liquidity: Liquidity,
    /// What the other side says, where they differ.
    other: (Ticks, u32),
    instrument: InstrumentId,
    side: SideCode,
    /// When it becomes a break.
    due: Nanos,
    /// It is one, and was said.
    told: bool,
}

/// The drop copy, as far as the desk was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DropCopyBook {
    /// Whose records they are, once it spoke.
    pub(super) source: Option<SourceId>,
    phase: Option<SessionPhase>,
    session: u32,
    /// When its session was first heard of: what was ordered since is in it.
    since: Nanos,
    /// When it was last logged in to.
    entered: Nanos,
    waiting: Vec<Waiting>,
    /// Heartbeats since the order session was last ready, or this was logged in to.
    beats: u8,
    /// Executions that nobody here can check any more.
    unchecked: u64,
}

impl DropCopyBook {
    pub(super) fn new() -> Self {
        Self {
            source: None,
            phase: None,
            session: u32::MAX,
            since: Nanos::ZERO,
            entered: Nanos::ZERO,
            waiting: Vec::with_capacity(MAX_WAITING),
            beats: 0,
            unchecked: 0,
        }
    }

    /// Reserves what the hot path needs, for one that was read from a snapshot.
    pub(super) fn reserve(&mut self) {
        self.waiting.reserve(MAX_WAITING.saturating_sub(self.waiting.len()));
    }

    /// The order session begins anew: heartbeats count from here.
    pub(super) fn count_beats(&mut self) {
        self.beats = 0;
    }

    /// An entry of this match and order.
    fn position(&self, what: Wait, client: u64, match_number: u64) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        waiting
            .position(|entry| (entry.what, entry.client, entry.match_number) == (what, client, match_number))
    }

    fn has(&self, what: Wait, client: u64) -> bool {
        self.waiting.iter().any(|entry| entry.what == what && entry.client == client)
    }

    /// Breaks of an instrument that were said and hold.
    fn breaks(&self, id: InstrumentId) -> bool {
        self.waiting.iter().any(|entry| entry.instrument == id && entry.told)
    }

    /// What an operator states of an instrument makes all of it moot.
    fn forget(&mut self, id: InstrumentId) {
        self.waiting.retain(|entry| entry.instrument != id);
    }

    fn is_current(&self, now: Nanos, grace: Nanos) -> bool {
        matches!(self.phase, Some(SessionPhase::CATCHING_UP | SessionPhase::READY))
            && now >= self.entered + grace
    }
}

impl Desk {
    fn grace(&self) -> Nanos {
        Nanos(self.config.drop_copy_grace_ms.saturating_mul(1_000_000))
    }

    pub(super) fn on_copy_state<P: Probe>(&mut self, event: &DropCopyState, turn: &mut Turn<'_, P>) {
        let copy = &mut self.state.copy;
        (copy.source, copy.phase) = (Some(event.source), Some(event.phase));
        if event.phase == SessionPhase::CATCHING_UP {
            if copy.session != event.session {
                (copy.session, copy.since) = (event.session, turn.now);
            }
            // What is missing may be of any order until now: it proves only what is ordered from here on.
            if event.missing > 0 {
                copy.since = turn.now + Nanos(1);
            }
            (copy.entered, copy.beats) = (turn.now, 0);
        } else if event.phase == SessionPhase::READY {
            copy.beats = copy.beats.saturating_add(1);
        }
        if event.phase == SessionPhase::CATCHING_UP {
            self.arm_reconcile(turn);
        }
        self.resolve(turn);
    }

    pub(super) fn on_copy_order<P: Probe>(&mut self, event: &DropCopyOrder, turn: &mut Turn<'_, P>) {
        self.state.orders.copied(event);
        self.resolve(turn);
    }

    pub(super) fn on_copy_execution<P: Probe>(&mut self, event: &DropCopyExecution, turn: &mut Turn<'_, P>) {
        if event.broken == 1 {
            self.copied_break(event, turn);
        } else {
            self.state.orders.copied_less(event.client, event.qty);
            self.copied_fill(event, turn);
        }
        self.resolve(turn);
    }

    fn copied_fill<P: Probe>(&mut self, event: &DropCopyExecution, turn: &mut Turn<'_, P>) {
        match self.state.orders.booked(event.client, event.match_number) {
            Booked::Fill(fill, _) => {
                let copy = &mut self.state.copy;
                if let Some(at) = copy.position(Wait::Theirs, event.client, event.match_number) {
                    copy.waiting.remove(at);
                }
                self.compare(&fill, event.price, event.qty, turn);
                self.release_frozen(fill.instrument, turn);
            }
            Booked::Forgotten => self.state.copy.unchecked = self.state.copy.unchecked.saturating_add(1),
            Booked::No if self.is_in_doubt(event.client) => self.book_copied(event, turn),
            Booked::No => self.wait_for(Wait::Ours, event, turn),
        }
    }

    fn copied_break<P: Probe>(&mut self, event: &DropCopyExecution, turn: &mut Turn<'_, P>) {
        match self.state.orders.booked(event.client, event.match_number) {
            Booked::Fill(_, true) | Booked::Forgotten => {}
            Booked::Fill(_, false) if self.state.session_doubt => {
                turn.step("the drop copy has the break of a fill that the lost session may have said");
                self.on_broken(&broken_of(event), turn);
            }
            Booked::Fill(fill, false) => {
                let of_fill =
                    DropCopyExecution { instrument: fill.instrument, side: fill.side.into(), ..*event };
                self.wait_for(Wait::OurBreak, &of_fill, turn);
            }
            // Its execution waits for our own book, and is gone now.
            Booked::No => {
                let copy = &mut self.state.copy;
                if let Some(at) = copy.position(Wait::Ours, event.client, event.match_number) {
                    let gone = copy.waiting.remove(at);
                    self.release_frozen(gone.instrument, turn);
                }
            }
        }
    }

    fn is_in_doubt(&self, client: u64) -> bool {
        self.state.orders.get(client).is_some_and(|order| order.doubt)
    }

    /// An execution of an order in doubt is booked from the drop copy: the order session that said it is gone.
    fn book_copied<P: Probe>(&mut self, event: &DropCopyExecution, turn: &mut Turn<'_, P>) {
        turn.step("the drop copy has an execution that the lost session may have said");
        self.book_from_copy(&executed_of(event), turn);
    }

    fn book_from_copy<P: Probe>(&mut self, executed: &VenueExecuted, turn: &mut Turn<'_, P>) {
        self.on_executed(executed, turn);
        let copy = &mut self.state.copy;
        if let Some(at) = copy.position(Wait::Theirs, executed.client, executed.match_number) {
            copy.waiting.remove(at);
        }
    }

    /// Our own book has a fill: the drop copy has it already, or shall have it.
    pub(super) fn booked_own<P: Probe>(&mut self, fill: &BookedFill, turn: &mut Turn<'_, P>) {
        if self.state.copy.phase.is_none() {
            return;
        }
        let copy = &mut self.state.copy;
        if let Some(at) = copy.position(Wait::Ours, fill.client, fill.match_number) {
            let theirs = copy.waiting.remove(at);
            self.compare(fill, theirs.price, theirs.qty, turn);
            self.release_frozen(fill.instrument, turn);
            return;
        }
        let entry = Waiting {
            what: Wait::Theirs,
            client: fill.client,
            match_number: fill.match_number,
            price: fill.price,
            qty: fill.qty,
            liquidity: fill.liquidity,
            other: (Ticks(0), 0),
            instrument: fill.instrument,
            side: fill.side.into(),
            due: turn.now + self.grace(),
            told: false,
        };
        self.enter_waiting(entry, turn);
    }

    /// Our own book has the break of a fill: neither side waits for that fill any more.
    pub(super) fn broken_own<P: Probe>(&mut self, fill: &BookedFill, turn: &mut Turn<'_, P>) {
        let same = |entry: &Waiting| (entry.client, entry.match_number) == (fill.client, fill.match_number);
        self.state.copy.waiting.retain(|entry| !same(entry));
        self.release_frozen(fill.instrument, turn);
    }

    /// Both have it: price and lots must be the same.
    fn compare<P: Probe>(&mut self, ours: &BookedFill, price: Ticks, qty: u32, turn: &mut Turn<'_, P>) {
        if (ours.price, ours.qty) == (price, qty) {
            return;
        }
        let entry = Waiting {
            what: Wait::Differs,
            client: ours.client,
            match_number: ours.match_number,
            price: ours.price,
            qty: ours.qty,
            liquidity: ours.liquidity,
            other: (price, qty),
            instrument: ours.instrument,
            side: ours.side.into(),
            due: turn.now,
            told: true,
        };
        if self.state.copy.position(Wait::Differs, ours.client, ours.match_number).is_none() {
            self.enter_waiting(entry, turn);
            self.freeze(&entry, turn);
        }
    }

    fn wait_for<P: Probe>(&mut self, what: Wait, event: &DropCopyExecution, turn: &mut Turn<'_, P>) {
        if self.state.copy.position(what, event.client, event.match_number).is_some() {
            return;
        }
        let entry = Waiting {
            what,
            client: event.client,
            match_number: event.match_number,
            price: event.price,
            qty: event.qty,
            liquidity: event.liquidity,
            other: (Ticks(0), 0),
            instrument: event.instrument,
            side: event.side,
            due: turn.now + self.grace(),
            told: false,
        };
        self.enter_waiting(entry, turn);
    }

    fn enter_waiting<P: Probe>(&mut self, entry: Waiting, turn: &mut Turn<'_, P>) {
        if self.state.copy.waiting.len() >= MAX_WAITING {
            let letter = (entry.match_number, RejectReason::CAPACITY);
            let text = "too many executions wait for the order session or the drop copy: the latch is set";
            self.dead_letter(letter, self.state.gateway, text, turn);
            self.latch(Control::POSITION_BREAK, MAX_WAITING as i64, 0, Text::default(), turn);
            self.act_on_all(turn);
            return;
        }
        let first = self.state.copy.waiting.iter().all(|waiting| waiting.told);
        self.state.copy.waiting.push(entry);
        if first && !entry.told {
            turn.out.arm(RECONCILE_TIMER, entry.due);
        }
    }

    /// The timer for what waits longest, not before the drop copy may be looked at.
    fn arm_reconcile<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        let due = self.state.copy.waiting.iter().filter(|entry| !entry.told).map(|entry| entry.due).min();
        if let Some(due) = due {
            let soon = turn.now + self.grace();
            let due = if due <= turn.now { soon } else { due };
            turn.out.arm(RECONCILE_TIMER, due);
        }
    }

    /// What has waited long enough is a break.
    pub(super) fn on_reconcile<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        let current = self.state.copy.is_current(turn.now, self.grace());
        for at in 0..self.state.copy.waiting.len() {
            let Some(entry) = self.state.copy.waiting.get_mut(at) else { break };
            let due = entry.due <= turn.now && (current || entry.what != Wait::Theirs);
            if entry.told || !due {
                continue;
            }
            entry.told = true;
            let entry = *entry;
            self.freeze(&entry, turn);
        }
        self.arm_reconcile(turn);
    }

    /// Says what differs and freezes the instrument.
    fn freeze<P: Probe>(&mut self, entry: &Waiting, turn: &mut Turn<'_, P>) {
        turn.step("the drop copy and our own book differ: the instrument is frozen");
        turn.emit(&entry.to_break());
        match self.state.instrument_mut(entry.instrument) {
            Some(instrument) => {
                instrument.frozen = true;
                self.act(entry.instrument, turn);
            }
            // Nobody knows which instrument: none can be trusted.
            None => {
                let client = i64::try_from(entry.client).unwrap_or(i64::MAX);
                self.latch(Control::POSITION_BREAK, client, 0, Text::default(), turn);
                self.act_on_all(turn);
            }
        }
    }

    /// Releases a frozen instrument where nothing differs any more.
    pub(super) fn release_frozen<P: Probe>(&mut self, id: InstrumentId, turn: &mut Turn<'_, P>) {
        if self.state.copy.breaks(id) {
            return;
        }
        let Some(instrument) = self.state.instrument_mut(id).filter(|instrument| instrument.frozen) else {
            return;
        };
        instrument.frozen = false;
        turn.step("the drop copy and our own book agree again, or an operator stated the position");
        turn.emit(&PositionBreak {
            match_number: 0,
            client: 0,
            our_price: Ticks(0),
            their_price: Ticks(0),
            our_qty: 0,
            their_qty: 0,
            instrument: id,
            what: 0,
            side: SideCode::UNKNOWN,
            spare: 0,
        });
        self.act(id, turn);
    }

    /// An operator stated the instrument's position: what differed there is moot. It stays frozen until a rearm.
    pub(super) fn reconcile_stated(&mut self, id: InstrumentId) {
        self.state.copy.forget(id);
    }

    /// The first instrument that is frozen by a break that holds.
    pub(super) fn broken_instrument(&self) -> Option<InstrumentId> {
        let frozen = |id: &InstrumentId| self.state.instrument(*id).is_some_and(|state| state.frozen);
        self.state.ids().find(|id| frozen(id) && self.state.copy.breaks(*id))
    }

    /// After a changed session: what the drop copy says of orders in doubt, and whether anything is left.
    pub(super) fn resolve<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        if !self.state.session_doubt {
            return;
        }
        self.state.orders.take_copied_places();
        self.book_waiting(turn);
        while let Some(order) = self.known_by_copy() {
            self.conclude_order(&order, Known::Copied, turn);
        }
        let copy = &self.state.copy;
        let settled = self.state.phase == SessionPhase::READY && copy.beats >= BEATS;
        let whole = self.state.ordered_from.is_none_or(|from| copy.since <= from);
        let left = self.state.orders.in_doubt().next().is_some()
            || copy.waiting.iter().any(|entry| entry.what == Wait::Ours);
        if !settled || !whole || left {
            return;
        }
        self.state.instruments.iter_mut().for_each(|instrument| instrument.doubtful = false);
        (self.state.session_doubt, self.state.ordered_from) = (false, None);
        turn.step("the drop copy has shown what became of every order");
        if self.state.gate.latch() == Control::SESSION_CHANGE && !self.state.latched_twice {
            let control = self.state.gate.release();
            let (spare, operator) = ([0; 5], Text::excerpt("drop copy"));
            turn.emit(&KillLatched { value: 0, limit: 0, control, released: 1, spare, operator });
            self.act_on_all(turn);
        }
    }

    /// Executions of orders in doubt that came before the change was known.
    fn book_waiting<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        for _ in 0..MAX_WAITING {
            let orders = &self.state.orders;
            let doubtful = |entry: &Waiting| {
                orders.get(entry.client).is_some_and(|order| order.doubt && entry.what == Wait::Ours)
            };
            let Some(at) = self.state.copy.waiting.iter().position(doubtful) else { return };
            let entry = self.state.copy.waiting.remove(at);
            turn.step("the drop copy has an execution that the lost session may have said");
            self.book_from_copy(&entry.executed(), turn);
            self.release_frozen(entry.instrument, turn);
        }
    }

    /// An order in doubt of which the drop copy says that it is gone, or that it never was.
    fn known_by_copy(&self) -> Option<OwnOrder> {
        let copy = &self.state.copy;
        let settled = self.state.phase == SessionPhase::READY && copy.beats >= BEATS;
        let known = |order: &&OwnOrder| {
            let never = !order.copied.seen && settled && order.placed >= copy.since;
            (order.is_copied_dead() || never) && !copy.has(Wait::Ours, order.client)
        };
        self.state.orders.in_doubt().find(known).copied()
    }
}

impl Waiting {
    fn to_break(self) -> PositionBreak {
        let ((our_price, our_qty), (their_price, their_qty)) = match self.what {
            Wait::Ours | Wait::OurBreak => ((Ticks(0), 0), (self.price, self.qty)),
            Wait::Theirs | Wait::Differs => ((self.price, self.qty), self.other),
        };
        PositionBreak {
            match_number: self.match_number,
            client: self.client,
            our_price,
            their_price,
            our_qty,
            their_qty,
            instrument: self.instrument,
            what: self.what as u8,
            side: self.side,
            spare: 0,
        }
    }

    fn executed(&self) -> VenueExecuted {
        VenueExecuted {
            event_ns: EventNanos(0),
            client: self.client,
            match_number: self.match_number,
            price: self.price,
            qty: self.qty,
            liquidity: self.liquidity,
            spare: [0; 3],
        }
    }
}

fn executed_of(event: &DropCopyExecution) -> VenueExecuted {
    let &DropCopyExecution { event_ns, client, match_number, price, qty, liquidity, .. } = event;
    VenueExecuted { event_ns, client, match_number, price, qty, liquidity, spare: [0; 3] }
}

fn broken_of(event: &DropCopyExecution) -> VenueBroken {
    let &DropCopyExecution { event_ns, client, match_number, reason, .. } = event;
    VenueBroken { event_ns, client, match_number, reason, spare: [0; 7] }
}
