//! What feeds and gateways need to know of a journal to go on where it ends: the journal owns positions.

use std::collections::BTreeMap;

use pricewright_core::kernel::table::{Define, PlaceOrder, ReplaceOrder, VenueAccepted, market_flags};
use pricewright_core::kernel::{
    CancelReason, Cell, Column, DecisionRef, EventRef, InstrumentId, Liveness, Record as _, RecordRef,
    SendOutcome, SessionPhase, SideCode, SourceId, Text, flags, write_record,
};
use serde::{Deserialize, Serialize};

use self::latest::Latest;
use self::lost::LostBooks;
use super::file_lines::FileLines;

mod latest;
mod lost;

/// Where every source stands, gathered while a journal is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    defines: Vec<Defined>,
    positions: Vec<Position>,
    lines: FileLines,
    orders: BTreeMap<u64, OpenOrder>,
    latched: bool,
    latest: Latest,
    unanswered_queries: u32,
    numbers: OrderNumbers,
    lost: LostBooks,
}

/// What the journal says of our order numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderNumbers {
    /// The highest that an order of ours had.
    pub highest: u64,
    /// The highest that the venue has spoken of since its numbering began.
    pub acknowledged: u64,
    /// The first that the venue's present numbering says anything about.
    pub numbered_from: u64,
    /// The session began anew, and its numbering was not told yet.
    pub changed: bool,
}

/// An order that may rest at the venue, by what the journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side.
    pub side: SideCode,
    /// Lots that may be open.
    pub open: u32,
    /// The decision that asked for it.
    decision: u64,
    /// The order that it is to replace while the venue has not said so; 0 for all others. Where that order leaves first,
    /// the venue passes over the replacement in silence.
    pub prior: u64,
}

/// An interned string of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defined {
    /// Whose number it is.
    pub source: SourceId,
    /// Which column.
    pub column: Column,
    /// The number.
    pub id: u32,
    /// The string.
    pub text: String,
}

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The source.
    pub source: SourceId,
    /// The sender's session, as defined.
    pub session: u32,
    /// The next position expected.
    pub next: u64,
    /// The last packet, where the journal ends before its last event.
    pub unfinished: Option<Unfinished>,
}

/// A packet whose mark is in the journal, and of whose events perhaps not all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Its first position.
    pub first: u64,
    /// Its events that are there.
    pub taken: u32,
}

impl Position {
    /// Where to go on so that nothing is lost, and how many events from there on the journal holds already. A packet that
    /// carries no event looks like one whose events are missing; it is read again, which changes nothing.
    pub fn restart(&self) -> (u64, u32) {
        self.unfinished.map_or((self.next, 0), |packet| (packet.first, packet.taken))
    }
}

/// How far an event brings its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Others follow.
    More,
    /// It is the last.
    Last,
}

/// `None` for events that belong to no packet, or do not show how far it came. A message of a venue is one event.
fn progress_of(event: EventRef<'_>) -> Option<Progress> {
    let flags = match event {
        EventRef::OrderAdd(event) => event.flags,
        EventRef::OrderExecuted(event) => event.flags,
        EventRef::OrderExecutedAt(event) => event.flags,
        EventRef::OrderReduced(event) => event.flags,
        EventRef::OrderDeleted(event) => event.flags,
        EventRef::OrderReplaced(event) => event.flags,
        EventRef::Trade(event) => event.flags,
        EventRef::CrossTrade(event) => event.flags,
        EventRef::TradeBroken(event) => event.flags,
        EventRef::TradingStatus(event) => event.flags,
        EventRef::MarketPhase(event) => event.flags,
        EventRef::MarketHalt(event) => event.flags,
        EventRef::SessionState(state) if state.phase != SessionPhase::READY => return None,
        // What the answer to an account query said.
        EventRef::SendReport(report) if matches!(report.outcome, SendOutcome::UNSEEN | SendOutcome::SEEN) => {
            return Some(Progress::Last);
        }
        EventRef::SessionState(_)
        | EventRef::VenueAccepted(_)
        | EventRef::VenueReplaced(_)
        | EventRef::VenueCanceled(_)
        | EventRef::VenueExecuted(_)
        | EventRef::VenueRejected(_)
        | EventRef::VenueBroken(_)
        | EventRef::VenueCancelHeld(_)
        | EventRef::VenueRestated(_)
        | EventRef::DropCopyExecution(_)
        | EventRef::DropCopyOrder(_)
        | EventRef::VenueDay(_) => return Some(Progress::Last),
        EventRef::VenueUnread(unread) if unread.is_last() => return Some(Progress::Last),
        _ => return None,
    };
    // What a snapshot brought is none of the last packet's events.
    if flags & market_flags::SNAPSHOT != 0 {
        return None;
    }
    Some(if flags & market_flags::LAST_IN_BATCH == 0 { Progress::More } else { Progress::Last })
}

impl Resume {
    /// Takes a record of the journal.
    pub fn take(&mut self, record: RecordRef<'_>) {
        self.lines.take(&record);
        self.latest.take(&record);
        self.lost.take(&record);
        match EventRef::of(&record) {
            Some(EventRef::Mark(mark)) => {
                let next = mark.first.saturating_add(u64::from(mark.count));
                let unfinished = Some(Unfinished { first: mark.first, taken: 0 });
                let position = Position { source: mark.source, session: mark.session, next, unfinished };
                match self.positions.iter_mut().find(|known| known.source == mark.source) {
                    Some(known) => *known = position,
                    None => self.positions.push(position),
                }
            }
            Some(EventRef::Define(define)) => self.defines.push(Defined {
                source: define.source,
                column: define.column,
                id: define.id,
                text: define.text.as_str().to_owned(),
            }),
            Some(event) => {
                self.advanced(record.header().source, event);
                self.answered(event);
            }
            None if record.header().flags & flags::NOT_SENT == 0 => {
                self.decided(record.header().seq, DecisionRef::of(&record));
            }
            None => {}
        }
    }

    /// Notes that an event of the source's last packet is there.
    fn advanced(&mut self, source: SourceId, event: EventRef<'_>) {
        let Some(progress) = progress_of(event) else { return };
        let Some(position) = self.positions.iter_mut().find(|known| known.source == source) else { return };
        match (&mut position.unfinished, progress) {
            (Some(packet), Progress::More) => packet.taken += 1,
            (unfinished, _) => *unfinished = None,
        }
    }

    fn decided(&mut self, seq: u64, decision: Option<DecisionRef<'_>>) {
        let (client, order) = match decision {
            Some(DecisionRef::KillLatched(latch)) => {
                self.latched = latch.released == 0;
                return;
            }
            Some(DecisionRef::OrderInDoubt(order)) if order.resolved != 0 => {
                self.gone(order.client);
                return;
            }
            // It goes with an account query, whose answer may come after a restart.
            Some(DecisionRef::CancelOrder(cancel)) if cancel.reason == CancelReason::UNANSWERED => {
                self.unanswered_queries = self.unanswered_queries.saturating_add(1);
                return;
            }
            Some(DecisionRef::PlaceOrder(PlaceOrder { client, instrument, side, qty, .. })) => (
                client,
                OpenOrder { instrument: *instrument, side: *side, open: *qty, decision: seq, prior: 0 },
            ),
            Some(DecisionRef::ReplaceOrder(ReplaceOrder {
                client, prior, instrument, side, qty, ..
            })) if self.orders.contains_key(prior) => (
                client,
                OpenOrder { instrument: *instrument, side: *side, open: *qty, decision: seq, prior: *prior },
            ),
            _ => return,
        };
        self.numbers.highest = self.numbers.highest.max(*client);
        self.orders.insert(*client, order);
    }

    /// The venue spoke of an order of ours.
    fn acknowledged(&mut self, event: EventRef<'_>) {
        let client = match event {
            EventRef::VenueAccepted(answer) => answer.client,
            EventRef::VenueReplaced(answer) => answer.client,
            EventRef::VenueCanceled(answer) => answer.client,
            EventRef::VenueExecuted(answer) => answer.client,
            EventRef::VenueRejected(answer) => answer.client,
            EventRef::VenueCancelHeld(answer) => answer.client,
            EventRef::VenueRestated(answer) => answer.client,
            _ => return,
        };
        self.numbers.acknowledged = self.numbers.acknowledged.max(client);
        self.numbers.highest = self.numbers.highest.max(client);
    }

    fn answered(&mut self, event: EventRef<'_>) {
        self.acknowledged(event);
        match event {
            EventRef::VenueAccepted(answer) if answer.live == Liveness::DEAD => self.gone(answer.client),
            // One that no decision asked for rests all the same.
            EventRef::VenueAccepted(answer) => {
                let &VenueAccepted { instrument, side, qty: open, .. } = answer;
                let unknown = OpenOrder { instrument, side, open, decision: 0, prior: 0 };
                self.orders.entry(answer.client).or_insert(unknown);
            }
            EventRef::VenueReplaced(answer) => {
                let replacement = self.orders.remove(&answer.client);
                self.gone(answer.prior);
                if let Some(order) = replacement.filter(|_| answer.live == Liveness::LIVE) {
                    self.orders.insert(answer.client, OpenOrder { open: answer.qty, prior: 0, ..order });
                }
            }
            EventRef::VenueCanceled(answer) => self.reduced(answer.client, answer.qty),
            EventRef::VenueExecuted(answer) => self.reduced(answer.client, answer.qty),
            EventRef::VenueRejected(answer) => self.gone(answer.client),
            EventRef::SessionChanged(_) => self.numbers.changed = true,
            // An account query follows each login, and its answer makes ready.
            EventRef::SessionState(state) if state.phase == SessionPhase::CATCHING_UP => {
                self.unanswered_queries = self.unanswered_queries.saturating_add(1);
            }
            EventRef::SessionState(state) if state.phase == SessionPhase::READY => {
                self.unanswered_queries = self.unanswered_queries.saturating_sub(1);
                self.numbered(state.next_client);
            }
            // What the venue has never seen rests nowhere.
            EventRef::SendReport(report) if report.outcome == SendOutcome::UNSEEN => {
                self.unanswered_queries = self.unanswered_queries.saturating_sub(1);
                self.gone(report.client);
            }
            EventRef::SendReport(report) if report.outcome == SendOutcome::SEEN => {
                self.unanswered_queries = self.unanswered_queries.saturating_sub(1);
            }
            // A cancel that did not leave says nothing about its order: only the order's own decision counts.
            EventRef::SendReport(report)
                if report.outcome != SendOutcome::SENT
                    && self
                        .orders
                        .get(&report.client)
                        .is_some_and(|order| order.decision == report.decision) =>
            {
                self.gone(report.client);
            }
            _ => {}
        }
    }

    /// The venue said which of our numbers is next. What it has never seen rests nowhere; where it has spoken of a higher
    /// one, its numbering began anew and judges no older order.
    fn numbered(&mut self, next: u64) {
        let numbers = &mut self.numbers;
        let unused = core::mem::take(&mut numbers.changed) && next == 1;
        if unused || (next != 0 && next <= numbers.acknowledged) {
            (numbers.acknowledged, numbers.numbered_from) = (0, numbers.highest + 1);
        } else if next != 0 {
            let from = next.max(numbers.numbered_from);
            self.orders.retain(|client, _| *client < from);
        }
    }

    /// An order leaves, and with it the replacements that were on their way for it.
    fn gone(&mut self, client: u64) {
        self.orders.remove(&client);
        let followers: Vec<u64> = self
            .orders
            .iter()
            .filter(|(_, order)| order.prior == client)
            .map(|(client, _)| *client)
            .collect();
        followers.into_iter().for_each(|follower| self.gone(follower));
    }

    fn reduced(&mut self, client: u64, qty: u32) {
        if let Some(order) = self.orders.get_mut(&client) {
            order.open = order.open.saturating_sub(qty);
            if order.open == 0 {
                self.gone(client);
            }
        }
    }

    /// True where the kill latch is set: no new order may leave.
    pub fn is_latched(&self) -> bool {
        self.latched
    }

    /// Gives `take` the dictionary and the journal's last word on each article, as records; definitions with sequence 0.
    ///
    /// # Errors
    /// What `take` says.
    pub fn tell<E>(&self, mut take: impl FnMut(RecordRef<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut cells = [Cell::ZERO; Define::CELLS];
        for Defined { source, column, id, text } in &self.defines {
            let define = Define { id: *id, column: *column, source: *source, text: Text::excerpt(text) };
            write_record(&mut cells, &define, *source, 0);
            if let Some(record) = RecordRef::first_of(&cells) {
                take(record)?;
            }
        }
        self.latest.each(take)
    }

    /// The dictionary.
    pub fn defines(&self) -> &[Defined] {
        &self.defines
    }

    /// Orders that may rest at the venue, by rising number.
    pub fn open_orders(&self) -> impl Iterator<Item = (u64, &OpenOrder)> {
        self.orders.iter().map(|(client, order)| (*client, order))
    }

    /// Logins at the venue whose account query was not answered, as far as the journal says.
    pub fn unanswered_queries(&self) -> u32 {
        self.unanswered_queries
    }

    /// What the journal says of our order numbers.
    pub fn numbers(&self) -> OrderNumbers {
        self.numbers
    }

    /// Instruments whose books of `source` are not to be believed where the journal ends;
    /// [`ALL_INSTRUMENTS`](pricewright_core::kernel::table::ALL_INSTRUMENTS) for all.
    pub fn lost_books(&self, source: SourceId) -> Vec<InstrumentId> {
        self.lost.of(source)
    }

    /// Where `source` stands; `None` where nothing of it is in the journal.
    pub fn position(&self, source: SourceId) -> Option<Position> {
        self.positions.iter().find(|position| position.source == source).copied()
    }

    /// The lines of files that the journal holds.
    pub fn lines(&self) -> &FileLines {
        &self.lines
    }

    /// The strings of a source's column in the order of their numbers.
    pub fn strings(&self, source: SourceId, column: Column) -> Vec<String> {
        self.defines
            .iter()
            .filter(|define| define.source == source && define.column == column)
            .map(|define| define.text.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests;
