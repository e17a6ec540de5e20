//! The market data feed: ITCH 5.0 over MoldUDP64 in, core's records out.
//!
//! Guarantees: every message of the session is looked at once and in order. Each packet that brings something new
//! becomes one [`Mark`] that says which positions it covers, then its events, the last of them flagged
//! [`market_flags::LAST_IN_BATCH`]. Messages about instruments that are not configured, and types that carry no event,
//! leave no record, so that the mark alone moves the position. Before anything is written, the sink must have room for
//! the worst case; where it has not, the packet is not taken and is to be offered again.
//!
//! A message that cannot be used and is about a configured instrument (a price off the grid, a type or a size that is not
//! known) becomes a [`Malformed`] event, and a [`BookCleared`] of [`Health::STALE`] makes the instrument's book one that
//! nobody believes until it begins anew; the feed and all other books stay as they are. Unknown messages about other
//! instruments are counted and passed over. Types that never change a displayed book do no harm to it: a print off the
//! grid, an imbalance of another size is reported. Only what may be about all instruments and cannot be read makes the
//! feed stale with [`HealthReason::BAD_DATA`] until the next session.
//!
//! Locate codes are learned from the stock directory at the session's beginning; a directory that gives a code or an
//! instrument another meaning within the session makes those instruments stale. Once market hours have begun, an
//! instrument that is not listed is stale with [`HealthReason::UNLISTED`] until it is. Whoever resumes in the middle has them
//! from nowhere, so the beginning is re-requested and read silently until all configured instruments are known; then the
//! feed goes on at its position.
//!
//! [`market_flags::LAST_IN_BATCH`]: pricewright_core::kernel::table::market_flags::LAST_IN_BATCH
//! [`BookCleared`]: pricewright_core::kernel::table::BookCleared
//! [`Health::STALE`]: pricewright_core::kernel::Health::STALE
//! [`HealthReason::UNLISTED`]: pricewright_core::kernel::HealthReason::UNLISTED
//! [`HealthReason::BAD_DATA`]: pricewright_core::kernel::HealthReason::BAD_DATA
//! [`Mark`]: pricewright_core::kernel::table::Mark
//! [`Malformed`]: pricewright_core::kernel::table::Malformed

use pricewright_core::kernel::{Health, HealthReason, InstrumentId, Nanos, RecordSink, SourceId};

use super::glimpse::recovery::RecoveryConfig;
use super::instrument::{Instrument, InstrumentError, InstrumentSpec};
use super::moldudp64::recovery::{Counters as LineCounters, Line};
use super::moldudp64::{HEADER_LEN, Receiver, ReceiverConfig};
use super::{SessionDay, SessionId, Symbol};
use emit::{Emitter, State};

pub use super::moldudp64::recovery::{Arrival, NotTaken};
pub use emit::{Counters, MAX_CELLS_PER_MESSAGE, OVERHEAD_CELLS};

mod directory;
mod emit;
mod event;
mod snapshot;

/// What a market data feed is made of.
#[derive(Clone, Debug)]
pub struct MarketDataConfig {
    /// The feed's number.
    pub source: SourceId,
    /// The instruments; others are passed over.
    pub instruments: Vec<InstrumentSpec>,
    /// Which midnight the venue's stamps count from.
    pub day: SessionDay,
    /// Lines, patience, time-outs, buffers.
    pub receiver: ReceiverConfig,
    /// Sessions that the journal defines already, in the order of their numbers.
    pub sessions: Vec<SessionId>,
    /// The market whose data it is, one of [`itch::market`](super::itch::market): halts on other markets alone do not concern
    /// it.
    pub market: u8,
    /// Where to go on; `None` begins with the first session that is heard.
    pub resume: Option<Resume>,
    /// How lost books come back by snapshots; `None` where there is no source of them.
    pub recovery: Option<RecoveryConfig>,
    /// Books that were lost where the journal ends; [`ALL_INSTRUMENTS`](pricewright_core::kernel::table::ALL_INSTRUMENTS)
    /// for all.
    pub lost: Vec<InstrumentId>,
}

/// A position in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The session.
    pub session: SessionId,
    /// The sequence after the last that the journal covers.
    pub next_sequence: u64,
    /// Events of the messages from there on that the journal holds all the same: it ends in the middle of a packet.
    pub taken: u32,
}

/// The feed: MoldUDP64 receiver, ITCH decoder and locate codes of one channel.
#[derive(Clone, Debug)]
pub struct MarketData {
    receiver: Receiver,
    state: State,
}

impl MarketData {
    /// Cells that a ring must have at least, so that any packet of at most `max_packet` bytes can ever be taken by a feed of
    /// so many instruments.
    pub const fn worst_case_cells(max_packet: usize, instruments: usize) -> usize {
        OVERHEAD_CELLS + instruments + max_packet.saturating_sub(HEADER_LEN) / 2 * MAX_CELLS_PER_MESSAGE
    }

    /// A feed that has heard nothing yet.
    ///
    /// # Errors
    /// Where an instrument cannot be used as configured.
    pub fn new(config: MarketDataConfig) -> Result<Self, InstrumentError> {
        let instruments = Instrument::table(&config.instruments)?;
        let mut receiver = match config.resume {
            None => Receiver::new(config.receiver),
            Some(resume) => Receiver::resume(config.receiver, resume.session, 1, resume.next_sequence),
        };
        let present = config.resume.map(|resume| resume.session);
        let past = config.sessions.iter().filter(|session| Some(**session) != present);
        past.for_each(|session| receiver.leave(*session));
        let mut state =
            State::new(config.source, config.day, config.market, instruments, config.sessions, config.resume);
        state.recover_by(config.recovery, &config.lost);
        Ok(Self { receiver, state })
    }

    /// Takes a packet that `line` brought; answers to re-requests have line [`Self::request_line`].
    ///
    /// # Errors
    /// [`NotTaken`] where the sink has no room for the worst case: nothing changed, offer the packet again.
    pub fn on_packet<S: RecordSink>(
        &mut self,
        line: u16,
        bytes: &[u8],
        arrival: impl Into<Arrival>,
        sink: &mut S,
    ) -> Result<(), NotTaken> {
        let arrival: Arrival = arrival.into();
        if sink.room() < self.state.overhead() {
            return Err(NotTaken);
        }
        self.state.now = arrival.received;
        let mut emitter = Emitter { state: &mut self.state, sink };
        if let Err(error) = self.receiver.on_packet(line, bytes, arrival, &mut emitter)? {
            emitter.malformed_packet(error, self.receiver.next_sequence(), bytes.len());
        }
        self.skip_what_was_journalled(arrival.received, sink);
        Ok(())
    }

    /// Delivers what waited for room, and notices silence. To be called now and then.
    pub fn on_poll<S: RecordSink>(&mut self, now: Nanos, sink: &mut S) {
        self.state.now = now;
        self.receiver.on_poll(now, &mut Emitter { state: &mut self.state, sink });
        self.skip_what_was_journalled(now, sink);
        self.recover(now, sink);
    }

    /// The next re-request to be sent by unicast to the re-request server, where one is due. Call until `None`.
    pub fn next_request(&mut self, now: Nanos) -> Option<[u8; HEADER_LEN]> {
        if self.state.wide {
            return None;
        }
        self.receiver.next_request(now)
    }

    /// The line number of answers to re-requests.
    pub fn request_line(&self) -> u16 {
        self.receiver.request_line()
    }

    /// The health as last told.
    pub fn health(&self) -> Health {
        self.state.health()
    }

    /// The session and the next position in it, where a session is known.
    pub fn position(&self) -> Option<Resume> {
        let next_sequence = self.receiver.next_sequence().max(self.state.quiet_until());
        self.receiver.session().map(|session| Resume { session, next_sequence, taken: 0 })
    }

    /// What the receiver counted.
    pub fn line_counters(&self) -> &LineCounters {
        self.receiver.counters()
    }

    /// What is known about each line; the last is the re-request line.
    pub fn lines(&self) -> &[Line] {
        self.receiver.lines()
    }

    /// What the decoder counted.
    pub fn counters(&self) -> &Counters {
        self.state.counters()
    }

    /// Configured symbols that the session's stock directory has not named so far.
    pub fn unlisted(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.state.unlisted()
    }

    /// The symbol of an instrument.
    pub fn symbol(&self, id: InstrumentId) -> Option<Symbol> {
        self.state.symbol(id)
    }

    /// Instruments whose books are not to be believed, and why, whatever the health of the feed.
    pub fn stale(&self) -> impl Iterator<Item = (InstrumentId, HealthReason)> + '_ {
        self.state.stale()
    }

    /// Goes on at the journal's position once all locate codes are known.
    fn skip_what_was_journalled<S: RecordSink>(&mut self, now: Nanos, sink: &mut S) {
        let quiet_until = self.state.quiet_until();
        if self.state.is_listed() && self.receiver.next_sequence() < quiet_until {
            self.receiver.skip_to(quiet_until);
            self.receiver.on_poll(now, &mut Emitter { state: &mut self.state, sink });
        }
    }
}

#[cfg(test)]
mod tests;
