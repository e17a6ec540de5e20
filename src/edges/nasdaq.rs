//! ITCH 5.0 over MoldUDP64 in: two or more UDP lines, and a socket that asks for what both lost.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::channel::Receiver;
use pricewright_core::kernel::{Column, DisplayUnits, Health, InstrumentId, Nanos, RecordSink};
use pricewright_feeds::nasdaq::glimpse::recovery::RecoveryConfig;
use pricewright_feeds::nasdaq::market_data::{Arrival, MarketData, MarketDataConfig, Resume as FeedResume};
use pricewright_feeds::nasdaq::moldudp64::ReceiverConfig as LineConfig;
use pricewright_feeds::nasdaq::{SessionDay, SessionId};

use serde::Serialize;

use super::glimpse::{BookWatch, SnapshotFetcher};
use super::instruments::instruments;
use super::kernel_queue::KernelQueue;
use super::recorder::Tap;
use crate::clock::Clock;
use crate::config::NasdaqFeed as Settings;
use crate::error::{Error, Result};
use crate::io::udp::{BATCH_LEN, DATAGRAM_LEN, ReceiverConfig, UdpReceiver};
use crate::pipeline::edge::Feed;
use crate::pipeline::resume::Resume;
use crate::pipeline::topology::FEED_SOURCE;

/// Packets that can wait for room in a ring: one batch of each of four lines and of the answers.
const HELD_PACKETS: usize = 5 * 32;

/// The market data feed with its sockets.
pub struct NasdaqFeed {
    market: MarketData,
    lines: Vec<LineSocket>,
    /// Sends re-requests; answers come back to it.
    requests: LineSocket,
    /// When the last poll ended; what the next one receives came after that, or while nothing was received.
    polled: Nanos,
    /// The last re-request could not be sent.
    request_failed: bool,
    rerequest: SocketAddrV4,
    held: Held,
    recorder: Option<Tap>,
    monitor: LineMonitor,
    senders: Senders,
    /// Books that were made stale alone, as far as they were named.
    named: u64,
    /// Where snapshots come from, where there is a source of them.
    snapshots: Option<SnapshotFetcher>,
    /// Books that the machine found wrong.
    suspects: Option<Receiver<InstrumentId>>,
}

/// Who may send, and how many packets of others were refused.
struct Senders {
    /// Empty: anybody.
    allowed: Vec<Ipv4Addr>,
    refused: u64,
}

impl Senders {
    /// Whether a packet may be taken. One of a stranger is counted.
    #[inline]
    fn may(&mut self, from: impl FnOnce() -> SocketAddrV4) -> bool {
        let may = self.allowed.is_empty() || self.allowed.contains(from().ip());
        self.refused += u64::from(!may);
        may
    }
}

/// What the receiving thread has counted, for people to read from other threads.
#[derive(Clone, Debug, Default)]
pub struct LineMonitor {
    counts: Arc<[AtomicU64; 14]>,
}

/// What was received since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineCounts {
    /// Packets taken, all lines.
    pub packets: u64,
    /// Packets that brought nothing new.
    pub duplicates: u64,
    /// Times that messages were missing on all lines.
    pub gaps: u64,
    /// Messages that came as answers to re-requests.
    pub recovered: u64,
    /// Re-requests sent.
    pub requests: u64,
    /// Datagrams that the kernel dropped before they could be received.
    pub kernel_drops: u64,
    /// Packets of senders that `sources` does not name.
    pub refused: u64,
    /// Packets that were not believed: of another session, or with a sequence far beyond all that is known.
    pub disbelieved: u64,
    /// Times that what a packet had claimed to exist was withdrawn, since no other bore it out.
    pub withdrawn: u64,
    /// Stamps of the kernel that cannot be right, because the wall clock stepped; they were cut off.
    pub odd_stamps: u64,
    /// Snapshots (GLIMPSE) that books were restored from.
    pub snapshots: u64,
    /// Snapshots that could not be had, or did not fit.
    pub snapshots_refused: u64,
    /// How long books were lost until the latest of those restored them, in ns.
    pub recovery_ns_last: u64,
    /// The longest such time, in ns.
    pub recovery_ns_max: u64,
}

impl LineCounts {
    /// A sentence about books that were restored from snapshots; `None` where none was needed.
    pub fn recovery(&self) -> Option<String> {
        let millis = |ns: u64| ns as f64 / 1e6;
        let refused = match self.snapshots_refused {
            0 => String::new(),
            count => format!("; {count} more could not be had or did not fit"),
        };
        (self.snapshots + self.snapshots_refused > 0).then(|| {
            format!(
                "Books restored from snapshots (GLIMPSE): {} times, the latest after {:.1} ms, the slowest after {:.1} ms{refused}.",
                self.snapshots,
                millis(self.recovery_ns_last),
                millis(self.recovery_ns_max),
            )
        })
    }

    /// Sentences about what this machine itself lost, and what it did not take; `None` where there is nothing to say.
    pub fn complaint(&self) -> Option<String> {
        let mut sentences = Vec::new();
        if self.kernel_drops > 0 {
            sentences.push(format!(
                "The kernel dropped {} datagrams before they could be received (a larger net.core.rmem_max or a core of \
                 its own for the hot thread helps).",
                self.kernel_drops
            ));
        }
        if self.refused > 0 {
            sentences.push(format!(
                "{} datagrams of senders that [feed.nasdaq] sources does not name were refused.",
                self.refused
            ));
        }
        if self.disbelieved > 0 {
            sentences.push(format!(
                "{} packets were not believed: of another session, or with a sequence far beyond all that is known.",
                self.disbelieved
            ));
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

impl LineMonitor {
    /// What was counted up to a moment ago.
    pub fn read(&self) -> LineCounts {
        // Relaxed: numbers for people; nothing else hangs on them.
        let read = |at: usize| self.counts.get(at).map_or(0, |count| count.load(Ordering::Relaxed));
        LineCounts {
            packets: read(0),
            duplicates: read(1),
            gaps: read(2),
            recovered: read(3),
            requests: read(4),
            kernel_drops: read(5),
            snapshots: read(6),
            snapshots_refused: read(7),
            recovery_ns_last: read(8),
            recovery_ns_max: read(9),
            refused: read(10),
            disbelieved: read(11),
            odd_stamps: read(12),
            withdrawn: read(13),
        }
    }

    fn write(&self, counted: LineCounts) {
        let LineCounts { packets, duplicates, gaps, recovered, requests, kernel_drops, .. } = counted;
        let LineCounts { snapshots, snapshots_refused, recovery_ns_last, recovery_ns_max, .. } = counted;
        let LineCounts { refused, disbelieved, odd_stamps, withdrawn, .. } = counted;
        let lines = [packets, duplicates, gaps, recovered, requests, kernel_drops];
        let recoveries = [snapshots, snapshots_refused, recovery_ns_last, recovery_ns_max];
        let doubts = [refused, disbelieved, odd_stamps, withdrawn];
        let values = lines.into_iter().chain(recoveries).chain(doubts);
        for (count, value) in self.counts.iter().zip(values) {
            count.store(value, Ordering::Relaxed);
        }
    }
}

/// A socket with what is known of its queue in the kernel.
struct LineSocket {
    socket: UdpReceiver,
    queue: KernelQueue,
}

impl LineSocket {
    fn open(config: &ReceiverConfig) -> Result<Self> {
        Ok(Self { socket: UdpReceiver::open(config)?, queue: KernelQueue::default() })
    }
}

/// One round of receiving: the clock, and a time before which the round did not begin.
struct Round<'a, C> {
    clock: &'a mut C,
    began: Nanos,
}

/// Packets that were received but found no room behind; offered again before anything else is received.
struct Held {
    packets: Box<[HeldPacket]>,
    first: usize,
    len: usize,
}

struct HeldPacket {
    line: u16,
    arrival: Arrival,
    len: usize,
    bytes: [u8; DATAGRAM_LEN],
}

impl NasdaqFeed {
    /// Opens the sockets that `settings` name; `units` gives the instruments; goes on where `resume` says.
    ///
    /// # Errors
    /// Where a socket cannot be opened, an instrument cannot be traded on this feed, or the journal's session is none.
    pub fn open(
        settings: &Settings,
        units: &DisplayUnits,
        resume: &Resume,
        day: SessionDay,
        recorder: Option<Tap>,
    ) -> Result<Self> {
        let market = market_data(settings, units, resume, day)?;
        let lines = settings.lines.iter().map(|line| open_line(*line, settings)).collect::<Result<_>>()?;
        let local =
            if settings.rerequest.ip().is_loopback() { Ipv4Addr::LOCALHOST } else { settings.interface };
        let requests = LineSocket::open(&ReceiverConfig::new(SocketAddrV4::new(local, 0)))?;
        let polled = Nanos::ZERO;
        let (rerequest, held, monitor) = (settings.rerequest, Held::new(), LineMonitor::default());
        let mut allowed = settings.sources.clone();
        if !allowed.is_empty() {
            // Answers come from whom we ask.
            allowed.push(*settings.rerequest.ip());
        }
        let senders = Senders { allowed, refused: 0 };
        let request_failed = false;
        let snapshots = SnapshotFetcher::start(settings, &instruments(units)?)?;
        let suspects = None;
        Ok(Self {
            market,
            lines,
            requests,
            polled,
            request_failed,
            rerequest,
            held,
            recorder,
            monitor,
            senders,
            named: 0,
            snapshots,
            suspects,
        })
    }

    /// A tailer that tells this feed which books the machine found wrong, from record `first_seq` on; `None` where there is
    /// no source of snapshots, so that nothing could be done about it.
    pub fn watch_books(&mut self, first_seq: u64) -> Option<BookWatch> {
        self.snapshots.as_ref()?;
        let (watch, suspects) = BookWatch::new(first_seq);
        self.suspects = Some(suspects);
        Some(watch)
    }

    /// The decoder, for its counters.
    pub fn market(&self) -> &MarketData {
        &self.market
    }

    /// Shows what is counted to other threads.
    pub fn monitor(&self) -> LineMonitor {
        self.monitor.clone()
    }

    fn show(&self) {
        let counted = self.market.line_counters();
        let recovery = self.market.recovery_counters().copied().unwrap_or_default();
        self.monitor.write(LineCounts {
            packets: counted.packets,
            duplicates: counted.duplicates,
            gaps: counted.gaps,
            recovered: counted.recovered,
            requests: counted.requests,
            kernel_drops: self.lines.iter().map(|line| line.socket.kernel_drops()).sum(),
            odd_stamps: self.lines.iter().map(|line| line.queue.odd()).sum(),
            refused: self.senders.refused,
            disbelieved: counted.stragglers.saturating_add(counted.implausible),
            withdrawn: counted.withdrawn,
            snapshots: recovery.restored,
            snapshots_refused: recovery.failed + recovery.too_old + recovery.ahead,
            recovery_ns_last: recovery.last.0.unsigned_abs(),
            recovery_ns_max: recovery.longest.0.unsigned_abs(),
        });
    }

    /// Names the instruments whose books are not believed, when there is another.
    #[cold]
    fn name_stale(&mut self) {
        self.named = self.market.counters().stale_books;
        for (id, reason) in self.market.stale() {
            let symbol = self.market.symbol(id).unwrap_or_default();
            let reason = reason.name();
            tracing::warn!(%symbol, reason, "the instrument's book is stale, and is not quoted until it begins anew");
        }
    }

    /// Asks for snapshots and takes what has come, where there is a source of them.
    fn fetch<C: Clock, S: RecordSink>(&mut self, clock: &mut C, sink: &mut S) -> Result<usize> {
        let Self { market, snapshots: Some(snapshots), suspects, recorder, .. } = self else { return Ok(0) };
        let suspected = suspects.as_ref().is_some_and(|suspects| !suspects.is_empty());
        if !suspected && !market.is_recovering() && !snapshots.is_waiting() {
            return Ok(0);
        }
        let now = clock.now();
        if let Some(suspects) = suspects {
            while let Ok(instrument) = suspects.try_recv() {
                if let Some(recorder) = recorder {
                    recorder.mistrusted(now, instrument);
                }
                market.mistrust(instrument, now, sink);
            }
        }
        if market.asks_for_snapshot(now) {
            snapshots.ask();
        }
        let mut work = 0;
        if let Some(answer) = snapshots.take() {
            work = 1;
            match answer {
                Some(snapshot) => {
                    if let Some(recorder) = recorder {
                        recorder.snapshot(now, &snapshot);
                    }
                    market.on_snapshot(snapshot, now);
                }
                None => market.on_no_snapshot(now),
            }
        }
        if let Some((snapshot, took)) = market.used_snapshot() {
            work = 1;
            snapshots.give_back(snapshot, took);
        }
        Ok(work)
    }

    fn receive<C: Clock, S: RecordSink>(&mut self, clock: &mut C, sink: &mut S) -> Result<usize> {
        let Self { market, lines, requests, held, recorder, senders, polled, .. } = self;
        let round = &mut Round { clock, began: *polled };
        let mut received = 0;
        for (line, socket) in (0u16..).zip(lines.iter_mut()) {
            received += receive_line((line, socket, senders), market, held, recorder, round, sink)?;
        }
        // Nobody answers where nobody was asked, and a system call is not free.
        if market.health() != Health::VALID {
            let line = market.request_line();
            received += receive_line((line, requests, senders), market, held, recorder, round, sink)?;
        }
        Ok(received)
    }

    fn request<C: Clock>(&mut self, clock: &mut C) {
        let now = clock.now();
        while let Some(request) = self.market.next_request(now) {
            let sent = self.requests.socket.send_to(&request, self.rerequest);
            // It is asked for again after its time-out; it is told once, since this is the hot thread.
            if let Err(error) = &sent
                && !self.request_failed
            {
                tracing::warn!(%error, to = %self.rerequest, "re-requests are not sent");
            }
            self.request_failed = sent.is_err();
            if self.request_failed {
                break;
            }
        }
    }
}

fn receive_line<C: Clock, S: RecordSink>(
    (line, from, senders): (u16, &mut LineSocket, &mut Senders),
    market: &mut MarketData,
    held: &mut Held,
    recorder: &mut Option<Tap>,
    round: &mut Round<'_, C>,
    sink: &mut S,
) -> Result<usize> {
    let LineSocket { socket, queue } = from;
    let batch = socket.recv_batch().map_err(|source| Error::Failed(format!("line {line}: {source}")))?;
    if batch.is_empty() {
        queue.emptied(round.began);
        return Ok(0);
    }
    let now = round.clock.now();
    for packet in batch.iter().filter(|packet| senders.may(|| packet.from())) {
        // The stamp came with the datagram, and the clock was read already: no call is made for it.
        let waited = packet.kernel_stamp().and_then(|stamp| round.clock.since_wall(stamp));
        let arrival = Arrival { received: now, queued_ns: queue.waited(waited, now) };
        if let Some(recorder) = recorder {
            recorder.datagram(line, arrival, packet.bytes);
        }
        if !held.is_empty() || market.on_packet(line, packet.bytes, arrival, sink).is_err() {
            held.keep(line, arrival, packet.bytes);
        }
    }
    if batch.len() < BATCH_LEN {
        queue.emptied(round.began);
    }
    Ok(batch.len())
}

impl Feed for NasdaqFeed {
    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        clock: &mut C,
        sink: &mut S,
        _budget: usize,
    ) -> Result<usize> {
        let offered = self.held.offer(&mut self.market, sink);
        let mut work = offered;
        // While packets wait, the sockets' own buffers hold the rest.
        if self.held.is_empty() {
            work += self.receive(clock, sink)?;
        }
        work += self.fetch(clock, sink)?;
        self.polled = clock.now();
        self.market.on_poll(self.polled, sink);
        self.request(clock);
        if work > 0 {
            self.show();
            if self.market.counters().stale_books != self.named {
                self.name_stale();
            }
        }
        Ok(work)
    }

    fn ended(&self) -> bool {
        false
    }
}

impl Held {
    fn new() -> Self {
        let packet = || HeldPacket { line: 0, arrival: Arrival::default(), len: 0, bytes: [0; DATAGRAM_LEN] };
        Self { packets: core::iter::repeat_with(packet).take(HELD_PACKETS).collect(), first: 0, len: 0 }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// There is room for every batch that one round of receiving can bring, and nothing is received while any waits.
    fn keep(&mut self, line: u16, arrival: Arrival, bytes: &[u8]) {
        if let Some(packet) = self.packets.get_mut(self.first + self.len)
            && let Some(target) = packet.bytes.get_mut(..bytes.len())
        {
            target.copy_from_slice(bytes);
            (packet.line, packet.arrival, packet.len) = (line, arrival, bytes.len());
            self.len += 1;
        }
    }

    fn offer<S: RecordSink>(&mut self, market: &mut MarketData, sink: &mut S) -> usize {
        let mut taken = 0;
        while self.len > 0
            && let Some(packet) = self.packets.get(self.first)
        {
            let bytes = packet.bytes.get(..packet.len).unwrap_or(&[]);
            if market.on_packet(packet.line, bytes, packet.arrival, sink).is_err() {
                break;
            }
            self.first += 1;
            self.len -= 1;
            taken += 1;
        }
        if self.len == 0 {
            self.first = 0;
        }
        taken
    }
}

/// The decoder that `settings` ask for, without its sockets.
///
/// # Errors
/// Where an instrument cannot be traded on this feed, or the journal's session is none.
pub fn market_data(
    settings: &Settings,
    units: &DisplayUnits,
    resume: &Resume,
    day: SessionDay,
) -> Result<MarketData> {
    let sessions = sessions(resume)?;
    let position = resume.position(FEED_SOURCE).and_then(|position| {
        let session = *sessions.get(usize::try_from(position.session).ok()?)?;
        let (next_sequence, taken) = position.restart();
        Some(FeedResume { session, next_sequence, taken })
    });
    let config = MarketDataConfig {
        source: FEED_SOURCE,
        instruments: instruments(units)?,
        day,
        receiver: LineConfig {
            lines: settings.lines.len(),
            patience: micros(settings.patience_us),
            silence: micros(settings.silence_ms.saturating_mul(1000)),
            ..LineConfig::default()
        },
        sessions,
        market: settings.market.code(),
        resume: position,
        recovery: settings.glimpse.map(|_| recovery(settings)),
        lost: resume.lost_books(FEED_SOURCE),
    };
    MarketData::new(config).map_err(|error| Error::Usage(format!("instruments: {error}")))
}

/// How lost books come back by snapshots.
fn recovery(settings: &Settings) -> RecoveryConfig {
    RecoveryConfig {
        gap_messages: settings.glimpse_gap_messages,
        buffer_bytes: settings.glimpse_buffer_mib as usize * (1 << 20),
        ..RecoveryConfig::default()
    }
}

fn open_line(address: SocketAddrV4, settings: &Settings) -> Result<LineSocket> {
    let config =
        ReceiverConfig { interface: settings.interface, kernel_stamps: true, ..ReceiverConfig::new(address) };
    LineSocket::open(&config)
}

fn micros(micros: u64) -> Nanos {
    Nanos(i64::try_from(micros.saturating_mul(1000)).unwrap_or(i64::MAX))
}

fn sessions(resume: &Resume) -> Result<Vec<SessionId>> {
    resume
        .strings(FEED_SOURCE, Column::SESSION)
        .iter()
        .map(|text| SessionId::new(text))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::Usage("the journal's market data session is no MoldUDP64 session".to_owned()))
}

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod tests;
