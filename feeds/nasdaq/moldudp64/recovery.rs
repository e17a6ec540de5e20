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
//! - Another session resets everything and expects sequence 1. It is believed at once where the present one has ended or
//!   fallen silent; beside a live one only after several packets of data that go on from one another on one line. A
//!   session that was left comes back only with data beyond what it had shown, and only where nothing else is alive.
//! - One packet decides nothing that cannot be undone. A sequence that lies far ahead of all that is known counts only
//!   when several packets of a line agree on it, and is taken back where neither the other lines nor the re-request server
//!   bear it out. A nearer one counts at once, since a loss must show, and is withdrawn if a moment later all lines go on
//!   below it. The end of a session is taken back when the session goes on.
//! - Life is what brings the stream to where it was or further. Heartbeats that lie behind are none: for long enough, they
//!   are a fault with a reason of its own.

use pricewright_core::kernel::{Health, HealthReason, Nanos};

use super::decode::{Messages, Packet, PacketError, decode};
use super::encode::request;
use super::message::HEADER_LEN;
use crate::nasdaq::{HIGHEST_SEQUENCE, SessionId};
use claims::{Claim, LEAP, Left, QUORUM};
use doubt::Doubt;
use reorder::{Place, ReorderBuffer};
use requests::Requests;

mod claims;
mod contract;
mod doubt;
mod reorder;
mod requests;

pub use contract::{Arrival, Batch, Counters, Line, NotTaken, Subscriber, Transition};

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

/// The receiving side of a MoldUDP64 session.
#[derive(Clone, Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    session: Option<SessionId>,
    left: Left,
    /// What each line says that is not believed so far.
    claims: Box<[Claim]>,
    /// The sequence from which on nothing is believed, because it was tried and proved wrong.
    refused: u64,
    /// Where the horizon stood before it leapt, while nothing bears the leap out.
    leapt_from: Option<u64>,
    /// Whether the subscriber knows the session.
    announced: bool,
    next: u64,
    /// The sequence after everything known to exist, and since when that is known.
    horizon: u64,
    horizon_since: Nanos,
    /// What is known to exist whatever the lines say: the journal has it.
    floor: u64,
    /// What speaks against the horizon.
    doubt: Doubt,
    /// When the receiver began to listen.
    started: Option<Nanos>,
    /// When a line last brought the stream to its horizon or further.
    heard: Option<Nanos>,
    /// Why the stream counts as dead, while it does.
    silent: Option<HealthReason>,
    ended: bool,
    /// Packets since the end that do not repeat it.
    after_end: u32,
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

    /// A receiver that goes on in `session` at sequence `next`. Everything before `known` was there already: lines that
    /// stand before it lie behind.
    pub fn resume(config: ReceiverConfig, session: SessionId, next: u64, known: u64) -> Self {
        let mut receiver = Self::starting_at(config, Some(session), next.max(1));
        receiver.horizon = known.clamp(receiver.next, HIGHEST_SEQUENCE.max(receiver.next));
        receiver.floor = receiver.horizon;
        receiver.lines.iter_mut().for_each(|line| line.next = receiver.horizon);
        receiver
    }

    /// Names a session of an earlier day: it is not begun again.
    pub fn leave(&mut self, session: SessionId) {
        self.left.push(session, HIGHEST_SEQUENCE);
    }

    fn starting_at(config: ReceiverConfig, session: Option<SessionId>, next: u64) -> Self {
        Self {
            session,
            left: Left::default(),
            claims: vec![Claim::default(); config.lines + 1].into_boxed_slice(),
            refused: u64::MAX,
            leapt_from: None,
            announced: false,
            next,
            horizon: next,
            horizon_since: Nanos::ZERO,
            floor: next,
            doubt: Doubt::default(),
            started: None,
            heard: None,
            silent: None,
            ended: false,
            after_end: 0,
            held: ReorderBuffer::new(config.reorder_packets, config.max_packet),
            requests: Requests::new(
                config.requests_outstanding,
                config.request_messages,
                config.request_timeout,
                config.request_attempts,
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

    /// The sequence after everything that is known to exist.
    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    /// True where messages are missing and the re-request server was asked for them in vain.
    pub fn is_unrecoverable(&self) -> bool {
        self.next < self.horizon && self.published.1 == HealthReason::UNRECOVERABLE
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

    /// Takes a packet that `line` brought at `arrival`.
    ///
    /// # Errors
    /// [`NotTaken`] where the subscriber has no room: nothing changed, offer the packet again.
    pub fn on_packet<S: Subscriber>(
        &mut self,
        line: u16,
        bytes: &[u8],
        arrival: impl Into<Arrival>,
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
        self.take(line, packet, bytes, arrival.into(), subscriber);
        Ok(Ok(()))
    }

    /// Delivers what waited for room, and notices silence.
    pub fn on_poll<S: Subscriber>(&mut self, now: Nanos, subscriber: &mut S) {
        self.drain(subscriber);
        self.started.get_or_insert(now);
        if self.leapt_from.is_some() {
            self.judge_leap(now);
        }
        if self.is_silent(now) {
            self.silent = Some(self.why_silent(now));
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
        arrival: Arrival,
        subscriber: &mut S,
    ) {
        let now = arrival.received;
        self.counters.packets += 1;
        self.started.get_or_insert(now);
        if !self.is_believed(line, &packet, now) {
            return;
        }
        self.enter_session(packet.session(), subscriber);
        self.take_end(line, &packet);
        self.hear(line, &packet, now);
        if let Packet::Data { first, messages, .. } = packet {
            self.on_data(Batch { line, arrival, first, messages }, bytes, subscriber);
        }
        self.drain(subscriber);
        if self.next < self.horizon && line != self.request_line() {
            self.weigh(&packet, now);
        }
        self.settle(subscriber);
    }

    /// Whether a packet may change anything. What one packet may not say alone is noted as its line's claim.
    #[inline]
    fn is_believed(&mut self, line: u16, packet: &Packet<'_>, now: Nanos) -> bool {
        let next = packet.next();
        let leaps = next.saturating_sub(self.horizon) > LEAP || next > HIGHEST_SEQUENCE;
        if leaps || self.session != Some(packet.session()) {
            return self.is_claim_believed(line, packet, now);
        }
        // The line stands by what is known.
        self.claims.get_mut(usize::from(line)).map(Claim::forget).is_some()
    }

    /// [`Self::is_believed`], of a packet of another session or far ahead of all that is known.
    #[cold]
    fn is_claim_believed(&mut self, line: u16, packet: &Packet<'_>, now: Nanos) -> bool {
        let (session, next) = (packet.session(), packet.next());
        let same = self.session == Some(session);
        // An answer to a request that is not ours begins nothing.
        if !same && line == self.request_line() {
            self.counters.stragglers += 1;
            return false;
        }
        if next > HIGHEST_SEQUENCE {
            self.counters.implausible += 1;
            return false;
        }
        let known = if same { self.horizon } else { 1 };
        let leaps = next.saturating_sub(known) > LEAP;
        let Some(claim) = self.claims.get_mut(usize::from(line)) else { return false };
        if same && next >= self.refused && next.saturating_sub(self.next) > LEAP {
            self.counters.implausible += 1;
            return false;
        }
        let is_data = matches!(packet, Packet::Data { .. });
        if !same && self.session.is_some() {
            let believed = self.changes_session(line, session, next, is_data, now);
            self.counters.stragglers += u64::from(!believed);
            return believed;
        }
        let believed = claim.hear(session, next, is_data).packets >= QUORUM || !leaps;
        self.counters.implausible += u64::from(!believed);
        if believed && leaps {
            self.leapt_from.get_or_insert(known);
        }
        believed
    }

    /// Whether a packet of another session than the present one, which exists, ends that one.
    fn changes_session(
        &mut self,
        line: u16,
        session: SessionId,
        next: u64,
        is_data: bool,
        now: Nanos,
    ) -> bool {
        let is_over = self.ended || self.is_silent(now);
        let left = self.left.shown(session);
        if left.is_some_and(|shown| !is_over || next <= shown) {
            return false;
        }
        let Some(claim) = self.claims.get_mut(usize::from(line)) else { return false };
        let Claim { packets, data, .. } = *claim.hear(session, next, is_data);
        match left {
            Some(_) => data >= QUORUM,
            None if is_over => packets >= QUORUM || next <= 1 + LEAP,
            None if self.heard.is_none() => packets >= QUORUM,
            None => data >= QUORUM,
        }
    }

    fn enter_session<S: Subscriber>(&mut self, session: SessionId, subscriber: &mut S) {
        match self.session {
            Some(current) if current == session => {}
            None => self.session = Some(session),
            Some(current) => {
                self.left.push(current, self.horizon);
                self.counters.abandoned =
                    self.counters.abandoned.saturating_add(self.horizon.saturating_sub(self.next));
                self.session = Some(session);
                self.announced = false;
                self.next = 1;
                self.horizon = 1;
                self.floor = 1;
                (self.refused, self.leapt_from) = (u64::MAX, None);
                self.ended = false;
                self.held.clear();
                self.requests.clear();
                self.lines.iter_mut().for_each(|line| line.next = 1);
                self.claims.fill(Claim::default());
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

    /// The session ends where a packet says so that lies not behind, and goes on where data follows, or several packets
    /// that know nothing of an end.
    fn take_end(&mut self, line: u16, packet: &Packet<'_>) {
        let next = packet.next();
        match packet {
            _ if line == self.request_line() => {}
            Packet::EndOfSession { .. } if next >= self.horizon => (self.ended, self.after_end) = (true, 0),
            Packet::EndOfSession { .. } => {}
            _ if next > self.horizon => self.ended = false,
            Packet::Heartbeat { .. } if next == self.horizon => {
                self.after_end = self.after_end.saturating_add(1);
                self.ended &= self.after_end < QUORUM;
            }
            _ => {}
        }
    }

    fn hear(&mut self, line: u16, packet: &Packet<'_>, now: Nanos) {
        let (is_request, horizon, next) = (line == self.request_line(), self.horizon, packet.next());
        if let Some(line) = self.lines.get_mut(usize::from(line)) {
            line.packets += 1;
            line.heard = now;
            line.next = line.next.max(next);
        }
        if let Some(claim) = self.claims.get_mut(usize::from(line)) {
            claim.stand(packet.first(), next);
        }
        if next >= horizon && !is_request {
            self.heard = Some(now);
            self.silent = None;
        }
        if next >= horizon {
            self.claimed(now);
        }
        if next > horizon {
            self.horizon = next;
            self.horizon_since = now;
        }
    }

    /// Whether nothing has brought the stream on, or to where it was, for too long.
    fn is_silent(&self, now: Nanos) -> bool {
        let since = self.heard.or(self.started);
        since.is_some_and(|since| now - since >= self.config.silence)
    }

    /// Lines that speak on long after the last that was new lie behind; one that had been further counts anew.
    fn why_silent(&self, now: Nanos) -> HealthReason {
        let last = self.heard.or(self.started).unwrap_or(now);
        let long_after = Nanos(last.0.saturating_add(self.config.silence.0 / 2));
        let mut reason = HealthReason::SILENCE;
        for (line, claim) in self.speaking(now).filter(|(line, _)| line.heard >= long_after) {
            if claim.stands < line.next {
                return HealthReason::WENT_BACK;
            }
            reason = HealthReason::BEHIND;
        }
        reason
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
            let place = Place { first: batch.first, end, line: batch.line, arrival: batch.arrival };
            if !self.held.insert(place, bytes) {
                self.counters.overflow += 1;
                return;
            }
        }
        if batch.line == self.request_line() {
            self.requests.answered(batch.first, end, batch.arrival.received);
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
                let Place { first, line, arrival, .. } = place;
                let recovered = line == self.request_line();
                let batch = Batch { line, arrival, first, messages };
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
        if let Some(reason) = self.silent.filter(|_| !self.ended) {
            return (Health::STALE, reason);
        }
        if self.heard.is_none() {
            return (Health::UNKNOWN, HealthReason(0));
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
            HealthReason::SILENCE
            | HealthReason::BEHIND
            | HealthReason::WENT_BACK
            | HealthReason::END_OF_SESSION => HealthReason::HEARD,
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
