//! The receiving side: any number of lines in, every message once and in order out.
//!
//! Guarantees: each message of a session is delivered exactly once, in order of sequence, whatever the lines lose,
//! repeat or reorder, as long as the re-request server answers in the end. Nothing is skipped silently: what lies ahead
//! of a hole is held in a bounded buffer, what does not fit there is counted and asked for again.
//!
//! - The first copy of a message counts, whichever line brings it.
//! - A hole shows when a later packet, a heartbeat or the end of the session arrives before it is filled. From that
//!   moment the health is not valid. Only after [`ReceiverConfig::patience`] the messages are re-requested, so that the
//!   other line has its chance.
//! - Answers to re-requests arrive through [`Receiver::on_packet`] as line [`Receiver::request_line`].
//! - Another session resets everything and expects sequence 1. Stragglers of a session that was left are dropped.

use pricewright_core::kernel::{Health, HealthReason, Nanos};

use super::decode::{Messages, Packet, PacketError, decode};
use super::encode::request;
use super::message::HEADER_LEN;
use crate::nasdaq::SessionId;
use reorder::{Place, ReorderBuffer};
use requests::Requests;

mod reorder;
mod requests;

/// How many sessions that were left are remembered, to know their stragglers.
const LEFT_SESSIONS: usize = 8;

/// What a receiver is made of.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// Lines that carry the session, the re-request line not counted.
    pub lines: usize,
    /// How long a hole may stay before it is re-requested.
    pub patience: Nanos,
    /// Silence on all lines after which the data is stale.
    pub silence: Nanos,
    /// How long an answer to a re-request may take before it is sent again.
    pub request_timeout: Nanos,
    /// Messages asked for at once.
    pub request_messages: u16,
    /// Re-requests that may be unanswered at once.
    pub requests_outstanding: usize,
    /// Sendings of one re-request without an answer after which the hole counts as unrecoverable. Asking goes on.
    pub request_attempts: u32,
    /// Packets that can be held while a hole before them is filled.
    pub reorder_packets: usize,
    /// Bytes of the largest packet that can be held.
    pub max_packet: usize,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            lines: 2,
            patience: Nanos(500_000),
            silence: Nanos::from_secs(3),
            request_timeout: Nanos::from_millis(20),
            request_messages: 256,
            requests_outstanding: 4,
            request_attempts: 50,
            reorder_packets: 256,
            max_packet: 1500,
        }
    }
}

/// What is delivered at once: the messages of one packet that were not delivered before.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The line that brought it.
    pub line: u16,
    /// When it was received.
    pub received: Nanos,
    /// Sequence of the first message.
    pub first: u64,
    /// The messages, at least one.
    pub messages: Messages<'a>,
}

/// The health changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Now.
    pub health: Health,
    /// Why.
    pub reason: HealthReason,
    /// The next sequence to be delivered.
    pub expected: u64,
    /// The sequence that showed the change: the next after everything known to exist.
    pub seen: u64,
    /// Messages known to exist and neither delivered nor held.
    pub missing: u64,
}

/// Takes what a receiver delivers.
pub trait Subscriber {
    /// True where `messages` messages, a session change and two transitions can be taken now.
    fn has_room(&self, messages: u16) -> bool;

    /// A session begins or is resumed; its next message has sequence `next`. Called before its first batch.
    fn on_session(&mut self, session: SessionId, next: u64);

    /// Messages in order.
    fn on_batch(&mut self, batch: Batch<'_>);

    /// The health changed.
    fn on_transition(&mut self, transition: Transition);
}

/// The subscriber had no room: nothing was taken, offer the same packet again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken;

/// What a receiver has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets taken, all lines.
    pub packets: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Data packets that brought nothing new.
    pub duplicates: u64,
    /// Times that a hole made the data invalid.
    pub gaps: u64,
    /// Messages delivered from answers to re-requests.
    pub recovered: u64,
    /// Re-requests sent, repetitions included.
    pub requests: u64,
    /// Packets that the reorder buffer could not hold; their messages are asked for again.
    pub overflow: u64,
    /// Packets that are no MoldUDP64.
    pub malformed: u64,
    /// Packets of a session that was left.
    pub stragglers: u64,
    /// Messages known to exist when their session was left, and never delivered.
    pub abandoned: u64,
}

impl Counters {
    fn count(&mut self, delivered: u64, recovered: bool) {
        self.delivered += delivered;
        if recovered {
            self.recovered += delivered;
        }
    }
}

/// What is known about one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Packets received.
    pub packets: u64,
    /// The next sequence, as far as this line has shown.
    pub next: u64,
    /// When it was last heard.
    pub heard: Nanos,
}

/// The receiving side of a MoldUDP64 session.
#[derive(Clone, Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    session: Option<SessionId>,
    left: [SessionId; LEFT_SESSIONS],
    left_count: usize,
    /// Whether the subscriber knows the session.
    announced: bool,
    next: u64,
    /// The sequence after everything known to exist, and since when that is known.
    horizon: u64,
    horizon_since: Nanos,
    heard: Option<Nanos>,
    silent: bool,
    ended: bool,
    held: ReorderBuffer,
    requests: Requests,
    published: (Health, HealthReason),
    counters: Counters,
    lines: Box<[Line]>,
}

impl Receiver {
    /// A receiver that takes the first session it hears, from its beginning.
    pub fn new(config: ReceiverConfig) -> Self {
        Self::starting_at(config, None, 1)
    }

    /// A receiver that goes on in `session` at sequence `next`.
    pub fn resume(config: ReceiverConfig, session: SessionId, next: u64) -> Self {
        Self::starting_at(config, Some(session), next.max(1))
    }

    fn starting_at(config: ReceiverConfig, session: Option<SessionId>, next: u64) -> Self {
        Self {
            session,
            left: [SessionId::BLANK; LEFT_SESSIONS],
            left_count: 0,
            announced: false,
            next,
            horizon: next,
            horizon_since: Nanos::ZERO,
            heard: None,
            silent: false,
            ended: false,
            held: ReorderBuffer::new(config.reorder_packets, config.max_packet),
            requests: Requests::new(
                config.requests_outstanding,
                config.request_messages,
                config.request_timeout,
            ),
            published: (Health::UNKNOWN, HealthReason(0)),
            counters: Counters::default(),
            lines: vec![Line::default(); config.lines + 1].into_boxed_slice(),
            config,
        }
    }

    /// The line number under which answers to re-requests are given to [`Self::on_packet`].
    pub fn request_line(&self) -> u16 {
        u16::try_from(self.config.lines).unwrap_or(u16::MAX)
    }

    /// The session, where one is known.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The next sequence to be delivered.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// The health as last told to the subscriber.
    pub fn health(&self) -> Health {
        self.published.0
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is known about each line; the last is the re-request line.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Takes a packet that `line` brought at `now`.
    ///
    /// # Errors
    /// [`NotTaken`] where the subscriber has no room: nothing changed, offer the packet again.
    pub fn on_packet<S: Subscriber>(
        &mut self,
        line: u16,
        bytes: &[u8],
        now: Nanos,
        subscriber: &mut S,
    ) -> Result<Result<(), PacketError>, NotTaken> {
        let packet = match decode(bytes) {
            Ok(packet) => packet,
            Err(error) => {
                self.counters.malformed += 1;
                return Ok(Err(error));
            }
        };
        let count = match packet {
            Packet::Data { messages, .. } => messages.left(),
            _ => 0,
        };
        self.drain(subscriber);
        if !subscriber.has_room(count) || self.held.first_at_or_before(self.next).is_some() {
            return Err(NotTaken);
        }
        self.take(line, packet, bytes, now, subscriber);
        Ok(Ok(()))
    }

    /// Delivers what waited for room, and notices silence.
    pub fn on_poll<S: Subscriber>(&mut self, now: Nanos, subscriber: &mut S) {
        self.drain(subscriber);
        if let Some(heard) = self.heard
            && now - heard >= self.config.silence
        {
            self.silent = true;
        }
        if subscriber.has_room(0) {
            self.settle(subscriber);
        }
    }

    /// The next re-request to be sent by unicast to the re-request server, where one is due.
    pub fn next_request(&mut self, now: Nanos) -> Option<[u8; HEADER_LEN]> {
        let session = self.session.filter(|_| self.heard.is_some())?;
        if self.next >= self.horizon {
            self.requests.clear();
            return None;
        }
        let shown = (self.horizon, self.horizon_since);
        let (first, count) = self.requests.due(now, self.next, shown, self.config.patience, &self.held)?;
        self.counters.requests += 1;
        Some(request(session, first, count))
    }

    /// Goes on at `sequence` without delivering what lies before it. For a consumer that has it from elsewhere.
    pub fn skip_to(&mut self, sequence: u64) {
        self.next = self.next.max(sequence);
        self.horizon = self.horizon.max(sequence);
        self.held.release_before(self.next);
    }

    fn take<S: Subscriber>(
        &mut self,
        line: u16,
        packet: Packet<'_>,
        bytes: &[u8],
        now: Nanos,
        subscriber: &mut S,
    ) {
        self.counters.packets += 1;
        if self.is_straggler(line, packet.session()) {
            self.counters.stragglers += 1;
            return;
        }
        self.enter_session(packet.session(), subscriber);
        self.hear(line, packet.next(), now);
        match packet {
            Packet::Data { first, messages, .. } => {
                self.on_data(Batch { line, received: now, first, messages }, bytes, subscriber);
            }
            Packet::EndOfSession { .. } => self.ended = true,
            Packet::Heartbeat { .. } => {}
        }
        self.drain(subscriber);
        self.settle(subscriber);
    }

    /// True for a session that was left, and for an answer to a request that is not ours: neither begins a session.
    fn is_straggler(&self, line: u16, session: SessionId) -> bool {
        if self.session == Some(session) {
            return false;
        }
        line == self.request_line() || self.left.iter().take(self.left_count).any(|left| *left == session)
    }

    fn enter_session<S: Subscriber>(&mut self, session: SessionId, subscriber: &mut S) {
        match self.session {
            Some(current) if current == session => {}
            None => self.session = Some(session),
            Some(current) => {
                if let Some(slot) = self.left.get_mut(self.left_count % LEFT_SESSIONS) {
                    *slot = current;
                }
                self.left_count += 1;
                self.counters.abandoned += self.horizon - self.next;
                self.session = Some(session);
                self.announced = false;
                self.next = 1;
                self.horizon = 1;
                self.ended = false;
                self.held.clear();
                self.requests.clear();
                self.lines.iter_mut().for_each(|line| line.next = 1);
                subscriber.on_session(session, 1);
                self.announced = true;
                self.publish(Health::RECOVERING, HealthReason::SESSION_CHANGE, subscriber);
            }
        }
        if !self.announced {
            self.announced = true;
            subscriber.on_session(session, self.next);
        }
    }

    fn hear(&mut self, line: u16, next: u64, now: Nanos) {
        if let Some(line) = self.lines.get_mut(usize::from(line)) {
            line.packets += 1;
            line.heard = now;
            line.next = line.next.max(next);
        }
        if line != self.request_line() || self.heard.is_none() {
            self.heard = Some(now);
            self.silent = false;
        }
        if next > self.horizon {
            self.horizon = next;
            self.horizon_since = now;
        }
    }

    fn on_data<S: Subscriber>(&mut self, batch: Batch<'_>, bytes: &[u8], subscriber: &mut S) {
        let end = batch.first + u64::from(batch.messages.left());
        if end <= self.next || self.held.covers(batch.first, end) {
            self.counters.duplicates += 1;
            return;
        }
        if batch.first <= self.next {
            let count = deliver(batch, self.next, subscriber);
            self.next += count;
            self.counters.count(count, batch.line == self.request_line());
        } else {
            let place = Place { first: batch.first, end, line: batch.line, received: batch.received };
            if !self.held.insert(place, bytes) {
                self.counters.overflow += 1;
                return;
            }
        }
        if batch.line == self.request_line() {
            self.requests.answered(batch.first, end, batch.received);
        }
    }

    /// Delivers held packets as long as the next one is among them and there is room.
    fn drain<S: Subscriber>(&mut self, subscriber: &mut S) {
        while let Some(index) = self.held.first_at_or_before(self.next) {
            let Some((place, bytes)) = self.held.get(index) else { return };
            let Ok(Packet::Data { messages, .. }) = decode(bytes) else { return };
            if place.end > self.next {
                if !subscriber.has_room(messages.left()) {
                    return;
                }
                let Place { first, line, received, .. } = place;
                let recovered = line == self.request_line();
                let batch = Batch { line, received, first, messages };
                let count = deliver(batch, self.next, subscriber);
                self.next += count;
                self.counters.count(count, recovered);
            }
            self.held.release(index);
        }
    }

    fn settle<S: Subscriber>(&mut self, subscriber: &mut S) {
        let (health, reason) = self.state();
        let (published, before) = self.published;
        if health == published && (reason == before || health == Health::VALID) {
            return;
        }
        if reason == HealthReason::GAP && before != HealthReason::UNRECOVERABLE {
            self.counters.gaps += 1;
        }
        self.publish(health, reason, subscriber);
    }

    fn state(&self) -> (Health, HealthReason) {
        let gap = self.next < self.horizon;
        if self.heard.is_none() {
            return (Health::UNKNOWN, HealthReason(0));
        }
        if self.silent && !self.ended {
            return (Health::STALE, HealthReason::SILENCE);
        }
        if gap && self.requests.worst_attempts() >= self.config.request_attempts {
            return (Health::STALE, HealthReason::UNRECOVERABLE);
        }
        if gap {
            return (Health::RECOVERING, HealthReason::GAP);
        }
        if self.ended {
            return (Health::STALE, HealthReason::END_OF_SESSION);
        }
        let reason = match self.published.1 {
            HealthReason::SILENCE => HealthReason::HEARD,
            HealthReason::GAP | HealthReason::UNRECOVERABLE => HealthReason::FILLED,
            _ => HealthReason::START,
        };
        (Health::VALID, reason)
    }

    fn publish<S: Subscriber>(&mut self, health: Health, reason: HealthReason, subscriber: &mut S) {
        self.published = (health, reason);
        let missing = self.held.missing(self.next, self.horizon);
        subscriber.on_transition(Transition {
            health,
            reason,
            expected: self.next,
            seen: self.horizon,
            missing,
        });
    }
}

/// Gives the subscriber what `batch` has from sequence `next` on; returns how many messages that were.
fn deliver<S: Subscriber>(batch: Batch<'_>, next: u64, subscriber: &mut S) -> u64 {
    let messages = batch.messages.after(next - batch.first);
    let count = u64::from(messages.left());
    subscriber.on_batch(Batch { first: next, messages, ..batch });
    count
}

#[cfg(test)]
mod tests;
