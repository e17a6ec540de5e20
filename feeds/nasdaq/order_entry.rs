//! The order gateway, client side: OUCH 5.0 over SoupBinTCP out, core's records in.
//!
//! Guarantees:
//! - Every sequenced message of the venue becomes one mark with its sequence and then what it means, once and in order,
//!   over any number of connections: each login goes on at the next sequence.
//! - Orders leave only in phase READY, which is reached when the venue's answer to an account query of this connection
//!   arrives: everything that was missed comes before it. An answer to a query of an earlier connection is told apart.
//! - A venue that does not go on where its last session stood is said (`SessionChanged`) before anything else: answers are
//!   lost. What cannot be read or attributed is kept as it came (`VenueUnread`): it may be a fill.
//! - **The kill latch lies here.** While it is set, nothing but cancels leaves, and every order in this gateway's own table
//!   is cancelled, without the machine, again and again until the venue confirms. [`OrderEntry::cancel_all`] does so at once.
//! - A cancel because of an answer that is overdue goes with an account query: what the venue says of the order's number
//!   becomes a `SendReport`.
//! - An order that waited past its `expires`, is off its grid, out of order or does not fit is never sent; the machine is
//!   told by a `SendReport`.
//!
//! Client order numbers are used as UserRefNum, so that they must rise and fit into 32 bits. One lot is one share.

use pricewright_core::kernel::table::{CancelOrder, DecisionRef, PlaceOrder, ReplaceOrder, SendReport};
use pricewright_core::kernel::{
    CancelReason, InstrumentId, Nanos, RecordSink, RejectReason, SendOutcome, SessionPhase, SideCode,
    SourceId, TimeInForce, flags,
};
use zerocopy::big_endian::{U32, U64};

use super::instrument::{Instrument, InstrumentError, InstrumentSpec};
use super::ouch::{self, AppendageBuf, Body, MAX_MESSAGE, tag, time_in_force};
use super::soupbintcp::{
    ClientConfig, ClientEvent, ClientSession, Deframer, OutBuffer, OutFull, Password, SessionError, SoupError,
};
use super::{Alpha, SessionDay, SessionId};
use answers::{ANSWER_CELLS, Answers, Change, Numbers, same};
use orders::LiveOrders;
use unread::{Message, Unread};

pub use answers::Counters;
pub use orders::LiveOrder;
pub use venue::{VenueEvent, VenueSession, append_answer};

pub(super) mod answers;
mod orders;
mod queries;
pub(super) mod unread;
mod venue;

/// What an order gateway is made of.
#[derive(Clone, Debug)]
pub struct OrderEntryConfig {
    /// The gateway's number.
    pub source: SourceId,
    /// The user.
    pub username: Alpha<6>,
    /// The password.
    pub password: Password,
    /// The session to go on in; blank for the venue's current one.
    pub session: SessionId,
    /// The next sequence wanted: the one after the last that the journal has, 1 at the beginning.
    pub next_sequence: u64,
    /// Sessions that the journal defines already, in the order of their numbers.
    pub sessions: Vec<SessionId>,
    /// The instruments that may be traded.
    pub instruments: Vec<InstrumentSpec>,
    /// Which midnight the venue's stamps count from.
    pub day: SessionDay,
    /// Orders that may be live or on their way at once.
    pub live_capacity: usize,
    /// Orders that were live when the journal ended.
    pub live: Vec<LiveOrder>,
    /// Account queries of connections before, of other processes too, whose answers may still come. Where it is too high,
    /// logging in takes as many round trips more.
    pub unanswered: u32,
    /// The highest of our order numbers that the venue has spoken of since its numbering began; 0 for none.
    pub acknowledged: u32,
    /// The first of our order numbers in the venue's present numbering.
    pub numbered_from: u32,
    /// Bytes of each of the two buffers.
    pub buffer: usize,
}

/// The connection is of no more use: close it and call [`OrderEntry::on_disconnected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The stream cannot be read.
    #[error(transparent)]
    Stream(#[from] SoupError),
    /// The venue broke the protocol, or is silent.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The venue's session is another one, and was not entered at its beginning: log in to it from its first message.
    #[error("the venue's session is another one now")]
    Another,
}

/// Why a decision did not become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// The sink has no room for the report: nothing was done, offer the decision again.
    #[error("no room for the report")]
    NotTaken,
    /// Not ready for orders. Reported as failed, as everything below.
    #[error("the session is not ready")]
    NotReady,
    /// The number does not fit into 32 bits.
    #[error("order number {0} does not fit into a UserRefNum")]
    ClientNumber(u64),
    /// The venue ignores a number that does not rise.
    #[error("order number {number} does not rise above {highest}")]
    NotRising {
        /// The order's number.
        number: u32,
        /// The highest number used.
        highest: u32,
    },
    /// The instrument is not configured.
    #[error("instrument {0} is not configured")]
    Instrument(InstrumentId),
    /// Side, price or time in force is none that can be sent.
    #[error("side, price or time in force cannot be sent")]
    Order,
    /// As many orders are live as the table holds.
    #[error("the table of live orders is full")]
    TableFull,
    /// The transport does not take the bytes as fast as they come.
    #[error(transparent)]
    SendBuffer(#[from] OutFull),
}

/// The gateway of one session with the venue.
#[derive(Clone, Debug)]
pub struct OrderEntry {
    source: SourceId,
    session: ClientSession,
    deframer: Deframer,
    out: OutBuffer,
    answers: Answers,
    latched: bool,
    /// While latched: when the table's orders are cancelled again.
    sweep_at: Nanos,
    highest: u32,
    /// The session whose answers the journal has, and the next of them, while another was asked for.
    left: Option<(SessionId, u64)>,
}

/// How long after the latch the gateway cancels what is then still in its table: the machine's own cancels come first.
const SWEEP_AFTER: Nanos = Nanos::from_millis(100);
/// How often it does so again.
const SWEEP_AGAIN: Nanos = Nanos::from_millis(1_000);

impl OrderEntry {
    /// A gateway without a connection.
    ///
    /// # Errors
    /// Where an instrument cannot be used as configured.
    pub fn new(config: OrderEntryConfig) -> Result<Self, InstrumentError> {
        let instruments = Instrument::table(&config.instruments)?;
        let highest = config.live.iter().map(|order| order.client).max().unwrap_or(0);
        let orders = LiveOrders::new(config.live_capacity, &config.live);
        let session = ClientSession::new(ClientConfig {
            username: config.username,
            password: config.password,
            session: config.session,
            next_sequence: config.next_sequence.max(1),
        });
        Ok(Self {
            source: config.source,
            session,
            deframer: Deframer::new(config.buffer),
            out: OutBuffer::new(config.buffer),
            answers: Answers::new(
                config.source,
                config.day,
                instruments,
                orders,
                config.sessions,
                Numbers {
                    unanswered: config.unanswered,
                    acknowledged: config.acknowledged,
                    numbered_from: config.numbered_from,
                },
            ),
            latched: false,
            sweep_at: Nanos::ZERO,
            highest,
            left: None,
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

    /// The connection is gone.
    pub fn on_disconnected<S: RecordSink>(&mut self, sink: &mut S) {
        self.session.disconnect();
        self.deframer.clear();
        self.out.clear();
        if !matches!(self.answers.phase(), SessionPhase::REFUSED | SessionPhase::ENDED) {
            self.answers.enter(SessionPhase::DOWN, 0);
        }
        self.answers.tell(self.session.next_sequence(), sink);
    }

    /// Where the transport receives into. Empty while the sink has no room for what was received before: then nothing
    /// should be received.
    pub fn spare(&mut self) -> &mut [u8] {
        self.deframer.spare()
    }

    /// Says that `count` bytes were received into [`Self::spare`] at `now`, and takes what they hold.
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
        self.take_packets(now, sink)
    }

    /// Sends heartbeats, notices silence, and takes what waited for room. To be called at least every 100 ms.
    ///
    /// # Errors
    /// [`ConnectionError`] where the connection is of no more use.
    pub fn on_poll<S: RecordSink>(&mut self, now: Nanos, sink: &mut S) -> Result<(), ConnectionError> {
        self.take_packets(now, sink)?;
        self.sweep(now);
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

    /// Sends a decision of the machine. Decisions that are no orders are passed over, except that `KillLatched` sets or
    /// releases the latch. `seq` is the decision's sequence in the journal.
    ///
    /// # Errors
    /// [`DecisionError::NotTaken`] where the decision is to be offered again; else why it was reported as failed.
    pub fn on_decision<S: RecordSink>(
        &mut self,
        now: Nanos,
        seq: u64,
        decision: DecisionRef<'_>,
        sink: &mut S,
    ) -> Result<(), DecisionError> {
        let (client, expires, is_cancel) = match decision {
            DecisionRef::PlaceOrder(order) => (order.client, order.expires, false),
            DecisionRef::ReplaceOrder(order) => (order.client, order.expires, false),
            DecisionRef::CancelOrder(order) => (order.client, now, true),
            DecisionRef::KillLatched(latch) => {
                if latch.released == 0 && !self.latched {
                    self.sweep_at = now + SWEEP_AFTER;
                }
                self.latched = latch.released == 0;
                return Ok(());
            }
            // Known from elsewhere to be gone: nothing is left to cancel.
            DecisionRef::OrderInDoubt(order) if order.resolved != 0 => {
                self.answers.forget(order.client);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if sink.room() < ANSWER_CELLS {
            return Err(DecisionError::NotTaken);
        }
        let result = match decision {
            _ if self.latched && !is_cancel => Ok(SendOutcome::KILLED),
            _ if expires < now => Ok(SendOutcome::EXPIRED),
            DecisionRef::PlaceOrder(order) => self.place(order, now).map(|()| SendOutcome::SENT),
            DecisionRef::ReplaceOrder(order) => self.replace(order, now).map(|()| SendOutcome::SENT),
            DecisionRef::CancelOrder(order) => self.cancel(order, seq, now).map(|()| SendOutcome::SENT),
            _ => return Ok(()),
        };
        let outcome = *result.as_ref().unwrap_or(&SendOutcome::FAILED);
        let (sent, source) = (now, self.source);
        let report = SendReport { client, decision: seq, sent, outcome, spare: 0, source, spare2: 0 };
        sink.put(&report, source, flags::RESPONSE).map_err(|_| DecisionError::NotTaken)?;
        result.map(|_| ())
    }

    /// Sets the kill latch: from now on nothing but cancels leaves.
    pub fn latch(&mut self) {
        self.latched = true;
    }

    /// Whether the kill latch is set.
    pub fn is_latched(&self) -> bool {
        self.latched
    }

    /// Cancels every live order from this gateway's own table. Returns how many cancels were written; fewer than
    /// [`Self::live_orders`] where there is no session or the buffer is full. Cancelling twice does no harm.
    pub fn cancel_all(&mut self, now: Nanos) -> usize {
        let mut count = 0;
        for order in self.answers.orders() {
            let body = cancel_request(order.client);
            if send(&mut self.session, &mut self.out, &body, &AppendageBuf::default(), now).is_err() {
                break;
            }
            count += 1;
        }
        let complete = count == self.answers.orders().len();
        self.sweep_at = now + if complete { SWEEP_AGAIN } else { SWEEP_AFTER };
        count
    }

    /// While latched, what rests in spite of it is cancelled again.
    fn sweep(&mut self, now: Nanos) {
        let phase = self.answers.phase();
        let open = matches!(phase, SessionPhase::READY | SessionPhase::CATCHING_UP);
        if self.latched && open && now >= self.sweep_at && !self.answers.orders().is_empty() {
            self.cancel_all(now);
        }
    }

    /// The orders that are live or on their way, by rising number.
    pub fn live_orders(&self) -> &[LiveOrder] {
        self.answers.orders()
    }

    /// Says good-bye to the venue.
    ///
    /// # Errors
    /// [`SessionError`] where there is no session or the buffer is full.
    pub fn logout(&mut self) -> Result<(), SessionError> {
        self.session.logout(&mut self.out)
    }

    /// The venue's letter for why it refused the last login; `None` where it did not.
    pub fn refusal(&self) -> Option<u8> {
        self.answers.refusal()
    }

    /// When the login was sent that the venue has not answered so far.
    #[inline]
    pub fn login_sent(&self) -> Option<Nanos> {
        self.session.login_sent()
    }

    /// Where the session stands.
    pub fn phase(&self) -> SessionPhase {
        self.answers.phase()
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        self.answers.counters()
    }

    /// The session and the next sequence in it.
    pub fn position(&self) -> (SessionId, u64) {
        (self.session.session(), self.session.next_sequence())
    }

    /// Wants another session at the next login: for a new day, after the venue refused or ended the old one.
    pub fn resume_at(&mut self, session: SessionId, next_sequence: u64) {
        if self.left.is_none() && !self.session.session().is_blank() {
            self.left = Some(self.position());
        }
        self.session.resume_at(session, next_sequence);
    }

    fn take_packets<S: RecordSink>(&mut self, now: Nanos, sink: &mut S) -> Result<(), ConnectionError> {
        self.answers.tell(self.session.next_sequence(), sink);
        while sink.room() >= ANSWER_CELLS {
            let Some(packet) = self.deframer.packet()? else { break };
            let before = (self.session.session(), self.session.next_sequence());
            match self.session.on_packet(packet, now)? {
                ClientEvent::Nothing => {}
                // OUCH has none: whatever it is, it may be a fill.
                ClientEvent::Unsequenced(bytes) => {
                    let text = "OUCH: a message outside the sequence";
                    let unread = Unread::all(RejectReason::UNKNOWN_TYPE, text);
                    self.answers.unread(Message { position: 0, bytes }, unread, sink);
                }
                ClientEvent::LoggedIn { session, next } => {
                    let change = change(self.left.unwrap_or(before), session, next);
                    if change.is_some() && before.1 > 1 && next > 1 && !same(before.0, session) {
                        self.session.resume_at(before.0, before.1);
                        return Err(ConnectionError::Another);
                    }
                    self.left = None;
                    self.answers.catch_up(session, change, sink);
                }
                ClientEvent::Refused(reason) => self.answers.enter(SessionPhase::REFUSED, reason),
                ClientEvent::Ended => self.answers.enter(SessionPhase::ENDED, 0),
                ClientEvent::Message { sequence, bytes } => {
                    let seen = self.answers.on_message(sequence, bytes, now, self.highest, sink);
                    self.highest = self.highest.max(seen);
                }
            }
            self.query(now)?;
            self.answers.tell(self.session.next_sequence(), sink);
        }
        self.answers.tell_verdicts(now, sink);
        self.query(now)?;
        Ok(())
    }

    /// Sends an account query where one is wanted.
    fn query(&mut self, now: Nanos) -> Result<(), SessionError> {
        if !self.answers.take_query() {
            return Ok(());
        }
        let query = ouch::AccountQuery { message_type: ouch::AccountQuery::TYPE };
        match send(&mut self.session, &mut self.out, &query, &AppendageBuf::default(), now) {
            // It leaves once the transport took what waits before it.
            Err(SessionError::Full(_)) => {
                self.answers.ask_again();
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn place(&mut self, order: &PlaceOrder, now: Nanos) -> Result<(), DecisionError> {
        let number = self.number_of_new(order.client)?;
        let instrument = self.answers.instrument(order.instrument)?;
        let price = instrument.price_e4(order.price).ok_or(DecisionError::Order)?;
        let (time_in_force, options) = time_in_force_of(order.tif)?;
        let body = ouch::EnterOrder {
            message_type: ouch::EnterOrder::TYPE,
            user_ref_num: U32::new(number),
            side: side_of(order.side)?,
            quantity: U32::new(order.qty),
            symbol: instrument.symbol,
            price: U64::new(price),
            time_in_force,
            display: b'Y',
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            client_order: client_text(number),
        };
        let live = LiveOrder {
            client: number,
            instrument: order.instrument,
            side: order.side,
            open: order.qty,
            prior: 0,
        };
        self.send_new(&body, &options, live, now)
    }

    fn replace(&mut self, order: &ReplaceOrder, now: Nanos) -> Result<(), DecisionError> {
        let number = self.number_of_new(order.client)?;
        let original = u32::try_from(order.prior).map_err(|_| DecisionError::ClientNumber(order.prior))?;
        let instrument = self.answers.instrument(order.instrument)?;
        let price = instrument.price_e4(order.price).ok_or(DecisionError::Order)?;
        let (time_in_force, options) = time_in_force_of(order.tif)?;
        let body = ouch::ReplaceOrder {
            message_type: ouch::ReplaceOrder::TYPE,
            original: U32::new(original),
            user_ref_num: U32::new(number),
            quantity: U32::new(order.qty),
            price: U64::new(price),
            time_in_force,
            display: b'Y',
            intermarket_sweep: b'N',
            client_order: client_text(number),
        };
        let live = LiveOrder {
            client: number,
            instrument: order.instrument,
            side: order.side,
            open: order.qty,
            prior: original,
        };
        self.send_new(&body, &options, live, now)
    }

    fn cancel(&mut self, order: &CancelOrder, seq: u64, now: Nanos) -> Result<(), DecisionError> {
        let number = u32::try_from(order.client).map_err(|_| DecisionError::ClientNumber(order.client))?;
        send(&mut self.session, &mut self.out, &cancel_request(number), &AppendageBuf::default(), now)
            .map_err(decision_error)?;
        if order.reason == CancelReason::UNANSWERED {
            self.answers.inquire(number, seq);
            self.query(now).map_err(decision_error)?;
        }
        Ok(())
    }

    /// The UserRefNum of a new order, where the session is ready and the number may be used.
    fn number_of_new(&self, client: u64) -> Result<u32, DecisionError> {
        if self.answers.phase() != SessionPhase::READY {
            return Err(DecisionError::NotReady);
        }
        let number = u32::try_from(client).map_err(|_| DecisionError::ClientNumber(client))?;
        if number <= self.highest {
            return Err(DecisionError::NotRising { number, highest: self.highest });
        }
        if self.answers.is_full() {
            return Err(DecisionError::TableFull);
        }
        Ok(number)
    }

    fn send_new<B: Body>(
        &mut self,
        body: &B,
        options: &AppendageBuf,
        live: LiveOrder,
        now: Nanos,
    ) -> Result<(), DecisionError> {
        send(&mut self.session, &mut self.out, body, options, now).map_err(decision_error)?;
        self.highest = live.client;
        self.answers.track(live);
        Ok(())
    }
}

/// What has changed where a session goes on in `session` at `found` instead of where `left` stood.
fn change(left: (SessionId, u64), session: SessionId, found: u64) -> Option<Change> {
    let (before, wanted) = left;
    let goes_on = wanted == found && (before.is_blank() || same(before, session));
    (!goes_on).then_some(Change { before, wanted, found })
}

fn send<B: Body>(
    session: &mut ClientSession,
    out: &mut OutBuffer,
    body: &B,
    options: &AppendageBuf,
    now: Nanos,
) -> Result<(), SessionError> {
    let mut bytes = [0; MAX_MESSAGE];
    let len = ouch::write(body, options, &mut bytes).unwrap_or(0);
    session.send(bytes.get(..len).unwrap_or(&[]), now, out)
}

fn decision_error(error: SessionError) -> DecisionError {
    match error {
        SessionError::Full(full) => DecisionError::SendBuffer(full),
        _ => DecisionError::NotReady,
    }
}

fn cancel_request(number: u32) -> ouch::CancelOrder {
    ouch::CancelOrder {
        message_type: ouch::CancelOrder::TYPE,
        user_ref_num: U32::new(number),
        quantity: U32::new(0),
    }
}

fn side_of(side: SideCode) -> Result<u8, DecisionError> {
    match side {
        SideCode::BUY => Ok(b'B'),
        SideCode::SELL => Ok(b'S'),
        SideCode::SELL_SHORT => Ok(b'T'),
        SideCode::SELL_SHORT_EXEMPT => Ok(b'E'),
        _ => Err(DecisionError::Order),
    }
}

/// The letter of a time in force, and the options that it takes.
fn time_in_force_of(tif: TimeInForce) -> Result<(u8, AppendageBuf), DecisionError> {
    let mut options = AppendageBuf::default();
    match tif {
        TimeInForce::DAY => Ok((time_in_force::DAY, options)),
        TimeInForce::IOC => Ok((time_in_force::IOC, options)),
        TimeInForce::POST_ONLY => {
            options.push(tag::POST_ONLY, b"P");
            Ok((time_in_force::DAY, options))
        }
        _ => Err(DecisionError::Order),
    }
}

/// The number in digits, for the eyes of the venue's staff.
fn client_text(mut number: u32) -> Alpha<14> {
    let mut text = Alpha::BLANK;
    let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
    for byte in text.0.iter_mut().take(digits).rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
}

#[cfg(test)]
mod tests;
