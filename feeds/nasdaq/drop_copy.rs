//! The drop copy, client side: a read-only SoupBinTCP session with copies of an account's OUCH 5.0 messages that change
//! an order's fate (accepted, replaced, cancelled, executed, broken, modified, refused), of the day, from sequence 1.
//!
//! Guarantees:
//! - Every message becomes a mark with its sequence and what it means, once and in order, over any number of connections
//!   and processes. Those that the journal has already are read again, since an execution names neither instrument nor
//!   side, but not offered again.
//! - What cannot be read or attributed is kept as it came (`VenueUnread`).
//! - The state is said after a login, whenever the venue has nothing more to say (its heartbeat), and at an end.
//!
//! It is used on a thread of its own and allocates.

use std::collections::BTreeMap;

use pricewright_core::kernel::table::{
    Define, DropCopyExecution, DropCopyOrder, DropCopyState, Mark, VenueUnread,
};
use pricewright_core::kernel::{
    Column, EventNanos, InstrumentId, Liquidity, Liveness, Nanos, Record, RecordSink, RejectReason,
    SessionPhase, SideCode, SourceId, Text, Ticks, flags,
};

use super::instrument::{Instrument, InstrumentError, InstrumentSpec};
use super::order_entry::answers::{liquidity_of, same, side_of};
use super::order_entry::unread::{Message, Unread};
use super::ouch::{self, Response, decode_response};
use super::soupbintcp::{
    ClientConfig, ClientEvent, ClientSession, Deframer, OutBuffer, OutFull, Packet, Password,
};
use super::{Alpha, SessionDay, SessionId, Symbol};
use crate::nasdaq::order_entry::ConnectionError;

/// Cells that one packet may need: parts of a message longer than OUCH 5.0 has are counted where there is no room.
const PACKET_CELLS: usize =
    Mark::CELLS + DropCopyExecution::CELLS + VenueUnread::CELLS + Define::CELLS + 2 * DropCopyState::CELLS;

/// What a drop copy is made of.
#[derive(Clone, Debug)]
pub struct DropCopyConfig {
    /// Its number.
    pub source: SourceId,
    /// The user.
    pub username: Alpha<6>,
    /// The password.
    pub password: Password,
    /// The instruments that may be traded.
    pub instruments: Vec<InstrumentSpec>,
    /// Which midnight the venue's stamps count from.
    pub day: SessionDay,
    /// Sessions that the journal defines already, in the order of their numbers.
    pub sessions: Vec<SessionId>,
    /// The session that the journal followed last, and the next sequence in it.
    pub followed: Option<(SessionId, u64)>,
    /// Bytes of each of the two buffers.
    pub buffer: usize,
}

/// An order that was spoken of.
#[derive(Clone, Copy, Debug)]
struct Known {
    instrument: Instrument,
    side: SideCode,
}

/// The client.
#[derive(Debug)]
pub struct DropCopy {
    session: ClientSession,
    deframer: Deframer,
    out: OutBuffer,
    copies: Copies,
    /// What is to be said once there is room.
    untold: Option<(SessionPhase, u8)>,
    /// The venue's letter for why it refused the last login.
    refusal: Option<u8>,
}

/// Messages to records.
#[derive(Debug)]
struct Copies {
    source: SourceId,
    day: SessionDay,
    instruments: Vec<Instrument>,
    sessions: Vec<SessionId>,
    session_id: u32,
    known: BTreeMap<u32, Known>,
    /// Messages of this session below this sequence are in the journal.
    journalled: (SessionId, u64),
    /// Messages of this session that the venue did not give at the last login.
    missing: u64,
    refused: u64,
}

impl DropCopy {
    /// A client without a connection.
    ///
    /// # Errors
    /// Where an instrument cannot be used as configured.
    pub fn new(config: DropCopyConfig) -> Result<Self, InstrumentError> {
        let session = ClientConfig {
            username: config.username,
            password: config.password,
            session: SessionId::BLANK,
            next_sequence: 1,
        };
        let copies = Copies {
            source: config.source,
            day: config.day,
            instruments: Instrument::table(&config.instruments)?,
            sessions: config.sessions,
            session_id: 0,
            known: BTreeMap::new(),
            journalled: config.followed.unwrap_or((SessionId::BLANK, 1)),
            missing: 0,
            refused: 0,
        };
        Ok(Self {
            session: ClientSession::new(session),
            deframer: Deframer::new(config.buffer),
            out: OutBuffer::new(config.buffer),
            copies,
            untold: None,
            refusal: None,
        })
    }

    /// A connection stands: writes the login.
    ///
    /// # Errors
    /// [`OutFull`] where the buffer is too small for a login.
    pub fn on_connected(&mut self, now: Nanos) -> Result<(), OutFull> {
        self.deframer.clear();
        self.out.clear();
        self.session.connect(now, &mut self.out)
    }

    /// The connection is gone. The next one goes on behind the last message, or from the beginning of another session.
    pub fn on_disconnected<S: RecordSink>(&mut self, sink: &mut S) {
        self.session.disconnect();
        self.deframer.clear();
        self.out.clear();
        match self.untold {
            Some((SessionPhase::REFUSED, _)) => {}
            _ => self.untold = Some((SessionPhase::DOWN, 0)),
        }
        tell(&mut self.untold, &self.session, &self.copies, sink);
    }

    /// Where the transport receives into.
    pub fn spare(&mut self) -> &mut [u8] {
        self.deframer.spare()
    }

    /// Says that `count` bytes were received into [`Self::spare`] at `now`, and takes what they hold as far as the sink has
    /// room; to be called with 0 where it had none.
    ///
    /// # Errors
    /// [`ConnectionError`] where the connection is of no more use.
    pub fn on_received<S: RecordSink>(
        &mut self,
        count: usize,
        now: Nanos,
        sink: &mut S,
    ) -> Result<(), ConnectionError> {
        self.deframer.commit(count);
        tell(&mut self.untold, &self.session, &self.copies, sink);
        while sink.room() >= PACKET_CELLS {
            let Some(packet) = self.deframer.packet()? else { break };
            let beats = matches!(packet, Packet::ServerHeartbeat);
            match self.session.on_packet(packet, now)? {
                ClientEvent::Nothing if beats && self.session.is_open() => {
                    self.untold = Some((SessionPhase::READY, 0));
                }
                ClientEvent::Nothing => {}
                ClientEvent::Unsequenced(bytes) => {
                    let text = "drop copy: a message outside the sequence";
                    let unread = Unread::all(RejectReason::UNKNOWN_TYPE, text);
                    self.copies.unread(Message { position: 0, bytes }, unread, sink);
                }
                ClientEvent::LoggedIn { session, next } => {
                    self.copies.enter(session, next, sink);
                    self.refusal = None;
                    self.untold = Some((SessionPhase::CATCHING_UP, 0));
                }
                ClientEvent::Refused(reason) => {
                    self.untold = Some((SessionPhase::REFUSED, reason));
                    self.refusal = Some(reason);
                    self.session.resume_at(SessionId::BLANK, 1);
                }
                ClientEvent::Ended => self.untold = Some((SessionPhase::ENDED, 0)),
                ClientEvent::Message { sequence, bytes } => {
                    let is_new = sequence >= self.copies.journalled.1;
                    self.copies.on_message(sequence, bytes, now, is_new.then_some(&mut *sink));
                }
            }
            tell(&mut self.untold, &self.session, &self.copies, sink);
        }
        Ok(())
    }

    /// Sends heartbeats and notices silence. To be called at least every 100 ms.
    ///
    /// # Errors
    /// [`ConnectionError`] where the connection is of no more use.
    pub fn on_poll(&mut self, now: Nanos) -> Result<(), ConnectionError> {
        Ok(self.session.poll(now, &mut self.out)?)
    }

    /// Bytes for the transport to send.
    pub fn output(&self) -> &[u8] {
        self.out.pending()
    }

    /// Says that the transport took the first `count` bytes of [`Self::output`].
    pub fn consume(&mut self, count: usize) {
        self.out.consume(count);
    }

    /// When the login was sent that the venue has not answered so far.
    pub fn login_sent(&self) -> Option<Nanos> {
        self.session.login_sent()
    }

    /// The venue's letter for why it refused the last login; `None` where it did not.
    pub fn refusal(&self) -> Option<u8> {
        self.refusal
    }

    /// Records that the sink refused although it had said that there was room.
    pub fn refused(&self) -> u64 {
        self.copies.refused
    }
}

/// Says what is to be said, where there is room; else it is said later.
fn tell<S: RecordSink>(
    untold: &mut Option<(SessionPhase, u8)>,
    session: &ClientSession,
    copies: &Copies,
    sink: &mut S,
) {
    let Some((phase, reason)) = *untold else { return };
    let state = DropCopyState {
        sequence: session.next_sequence(),
        session: copies.session_id,
        source: copies.source,
        phase,
        reason,
        missing: if phase == SessionPhase::CATCHING_UP { copies.missing } else { 0 },
    };
    if sink.put(&state, copies.source, flags::RESPONSE).is_ok() {
        *untold = None;
    }
}

impl Copies {
    /// A session is entered: messages that the journal has of it are not offered again.
    fn enter<S: RecordSink>(&mut self, session: SessionId, next: u64, sink: &mut S) {
        if !same(self.journalled.0, session) {
            self.journalled = (session, 1);
            self.known.clear();
            self.day.begin_session();
        }
        // Asked for from its beginning, or behind the last message: what lies before is not to be had.
        self.missing = next.saturating_sub(self.journalled.1);
        let known = self.sessions.iter().position(|known| same(*known, session));
        self.session_id = u32::try_from(known.unwrap_or(self.sessions.len())).unwrap_or(u32::MAX);
        if known.is_none() {
            self.sessions.push(session);
            let (id, source) = (self.session_id, self.source);
            let text = Text::excerpt(session.as_str());
            self.put(&Define { id, column: Column::SESSION, source, text }, sink);
        }
    }

    fn put<R: Record, S: RecordSink>(&mut self, record: &R, sink: &mut S) {
        self.refused += u64::from(sink.put(record, self.source, flags::RESPONSE).is_err());
    }

    fn unread<S: RecordSink>(&mut self, at: Message<'_>, unread: Unread, sink: &mut S) {
        for part in at.parts(unread, self.source) {
            self.put(&part, sink);
        }
    }

    /// Takes a message; without a sink only what later ones need is kept.
    fn on_message<S: RecordSink>(&mut self, sequence: u64, bytes: &[u8], now: Nanos, sink: Option<&mut S>) {
        let at = Message { position: sequence, bytes };
        let decoded = decode_response(bytes);
        if let Ok(Response::OrderAccepted(body, _)) = &decoded {
            self.learn(body.user_ref_num.get(), body.symbol, body.side);
        } else if let Ok(Response::OrderReplaced(body, _)) = &decoded {
            self.learn(body.user_ref_num.get(), body.symbol, body.side);
        }
        let Some(sink) = sink else { return };
        self.journalled.1 = sequence.saturating_add(1);
        let (session, source) = (self.session_id, self.source);
        self.put(
            &Mark { first: sequence, received: now, count: 1, session, line: 0, source, queued_ns: 0 },
            sink,
        );
        // Every message of the venue has its stamp behind the type.
        if let Some(stamp) = bytes.get(1..9).and_then(|stamp| stamp.try_into().ok()) {
            self.day.start_of(u64::from_be_bytes(stamp), now);
        }
        match decoded {
            Ok(response) => self.take(response, at, sink),
            Err(error) => self.unread(at, Unread::undecodable(&error), sink),
        }
    }

    fn learn(&mut self, client: u32, symbol: Symbol, side: u8) {
        if let Some(instrument) = self.instruments.iter().find(|instrument| instrument.symbol == symbol) {
            self.known.insert(client, Known { instrument: *instrument, side: side_of(side) });
        }
    }

    fn take<S: RecordSink>(&mut self, response: Response<'_>, at: Message<'_>, sink: &mut S) {
        let order = match response {
            Response::OrderExecuted(body, _) => return self.executed(body, at, sink),
            Response::BrokenTrade(body, _) => return self.broken(body, sink),
            Response::OrderAccepted(body, _) => Said {
                venue_order: body.order_reference.get(),
                price: body.price.get(),
                live: body.order_state != b'D',
                ..Said::new(body.timestamp.get(), body.user_ref_num.get(), body.quantity.get(), b'A')
            },
            Response::OrderReplaced(body, _) => Said {
                prior: body.original.get(),
                venue_order: body.order_reference.get(),
                price: body.price.get(),
                live: body.order_state != b'D',
                ..Said::new(body.timestamp.get(), body.user_ref_num.get(), body.quantity.get(), b'U')
            },
            Response::OrderCanceled(body, _) => Said {
                reason: body.reason,
                ..Said::new(body.timestamp.get(), body.user_ref_num.get(), body.quantity.get(), b'C')
            },
            Response::AiqCanceled(body, _) => Said {
                reason: body.reason,
                ..Said::new(body.timestamp.get(), body.user_ref_num.get(), body.quantity.get(), b'D')
            },
            Response::Rejected(body, _) => {
                Said { live: false, ..Said::new(body.timestamp.get(), body.user_ref_num.get(), 0, b'J') }
            }
            Response::OrderModified(body, _) => {
                let open = body.quantity.get();
                Said {
                    live: open > 0,
                    ..Said::new(body.timestamp.get(), body.user_ref_num.get(), open, b'M')
                }
            }
            _ => return,
        };
        self.order(order, at, sink);
    }

    fn order<S: RecordSink>(&mut self, said: Said, at: Message<'_>, sink: &mut S) {
        let known = self.known.get(&said.client).copied();
        let price = match known {
            Some(known) => self.ticks(&known.instrument, said.price, at, sink),
            None if matches!(said.letter, b'A' | b'U') => {
                let text = "drop copy: an order in an instrument that is not configured";
                return self.unread(at, Unread::all(RejectReason::UNKNOWN_KEY, text), sink);
            }
            None => Ticks(0),
        };
        let record = DropCopyOrder {
            event_ns: self.event_ns(said.stamp),
            client: u64::from(said.client),
            prior: u64::from(said.prior),
            venue_order: said.venue_order,
            price,
            qty: said.qty,
            instrument: known.map_or(InstrumentId(u16::MAX), |known| known.instrument.id),
            side: known.map_or(SideCode::UNKNOWN, |known| known.side),
            live: if said.live { Liveness::LIVE } else { Liveness::DEAD },
            message: said.letter,
            reason: said.reason,
            source: self.source,
            spare: 0,
        };
        self.put(&record, sink);
    }

    fn executed<S: RecordSink>(&mut self, body: &ouch::OrderExecuted, at: Message<'_>, sink: &mut S) {
        let client = body.user_ref_num.get();
        let Some(known) = self.known.get(&client).copied() else {
            let text = "drop copy: an execution of an order that it never spoke of";
            return self.unread(at, Unread::all(RejectReason::UNKNOWN_KEY, text), sink);
        };
        let price = self.ticks(&known.instrument, body.price.get(), at, sink);
        let record = DropCopyExecution {
            event_ns: self.event_ns(body.timestamp.get()),
            client: u64::from(client),
            match_number: body.match_number.get(),
            price,
            qty: body.quantity.get(),
            instrument: known.instrument.id,
            side: known.side,
            liquidity: liquidity_of(body.liquidity),
            broken: 0,
            reason: 0,
            source: self.source,
            spare: 0,
        };
        self.put(&record, sink);
    }

    fn broken<S: RecordSink>(&mut self, body: &ouch::BrokenTrade, sink: &mut S) {
        let client = body.user_ref_num.get();
        let known = self.known.get(&client);
        let record = DropCopyExecution {
            event_ns: self.event_ns(body.timestamp.get()),
            client: u64::from(client),
            match_number: body.match_number.get(),
            price: Ticks(0),
            qty: 0,
            instrument: known.map_or(InstrumentId(u16::MAX), |known| known.instrument.id),
            side: known.map_or(SideCode::UNKNOWN, |known| known.side),
            liquidity: Liquidity::UNKNOWN,
            broken: 1,
            reason: body.reason,
            source: self.source,
            spare: 0,
        };
        self.put(&record, sink);
    }

    fn ticks<S: RecordSink>(
        &mut self,
        grid: &Instrument,
        price: u64,
        at: Message<'_>,
        sink: &mut S,
    ) -> Ticks {
        grid.ticks(price).unwrap_or_else(|| {
            let text = "drop copy: a price off the price grid, rounded down";
            self.unread(at, Unread::part(RejectReason::OUT_OF_RANGE, text), sink);
            Ticks(i64::try_from(price / u64::from(grid.tick_e4)).unwrap_or(i64::MAX))
        })
    }

    fn event_ns(&self, nanos: u64) -> EventNanos {
        EventNanos(self.day.start_ns().saturating_add_unsigned(nanos))
    }
}

/// What a message says of an order.
#[derive(Clone, Copy)]
struct Said {
    stamp: u64,
    client: u32,
    prior: u32,
    venue_order: u64,
    price: u64,
    qty: u32,
    live: bool,
    letter: u8,
    reason: u8,
}

impl Said {
    fn new(stamp: u64, client: u32, qty: u32, letter: u8) -> Self {
        Self { stamp, client, prior: 0, venue_order: 0, price: 0, qty, live: true, letter, reason: 0 }
    }
}

#[cfg(test)]
mod tests;
