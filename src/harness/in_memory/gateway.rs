//! The order gateway without sockets: the real session and encoder, and a wire that is a buffer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pricewright_core::kernel::{DecisionRef, Nanos, RecordBuf, RecordSink as _};
use pricewright_feeds::nasdaq::order_entry::{ConnectionError, OrderEntry, OrderEntryConfig};
use pricewright_feeds::nasdaq::soupbintcp::{Password, ServerConfig};
use pricewright_feeds::nasdaq::{Alpha, InstrumentSpec, SessionDay, SessionId};

use super::venue::Venue;
use crate::error::{Error, Result};
use crate::pipeline::edge::Gateway;
use crate::pipeline::sequencer::DecisionSink;
use crate::pipeline::topology::GATEWAY_SOURCE;

/// Orders that may be live at once.
const LIVE_CAPACITY: usize = 4096;
/// Bytes of each buffer of the session, and of the wire.
const BUFFER_LEN: usize = 64 << 10;
/// Cells reserved for send reports between two polls.
const REPORT_CELLS: usize = 8192;
/// The venue's session.
const SESSION: &str = "INMEMORY";
/// The user.
const USER: &str = "DESK";

/// How many bytes of orders have left; shared with who measures.
#[derive(Clone, Debug, Default)]
pub struct BytesOut {
    bytes: Arc<AtomicU64>,
}

impl BytesOut {
    /// The bytes so far.
    #[inline]
    pub fn get(&self) -> u64 {
        // Relaxed: a count; writer and reader are one thread, or the reader is in no hurry.
        self.bytes.load(Ordering::Relaxed)
    }

    #[inline]
    fn add(&self, count: usize) {
        // One writer: a load and a store are enough.
        self.bytes.store(self.get() + count as u64, Ordering::Relaxed);
    }
}

/// The gateway, its wire and the venue at the other end.
#[derive(Debug)]
pub struct MemoryGateway {
    entry: OrderEntry,
    venue: Venue,
    /// What has left and has not reached the venue yet.
    wire: Vec<u8>,
    reports: RecordBuf,
    out: BytesOut,
}

impl MemoryGateway {
    /// A gateway that is connected and has sent its login. `day_start_ns` is the venue's midnight.
    ///
    /// # Errors
    /// Where an instrument cannot be traded.
    pub fn new(instruments: Vec<InstrumentSpec>, day_start_ns: i64, now: Nanos) -> Result<Self> {
        let (username, session) =
            (Alpha::new(USER).unwrap_or_default(), SessionId::new(SESSION).unwrap_or_default());
        let password = Password(Alpha::BLANK);
        let mut entry = OrderEntry::new(OrderEntryConfig {
            source: GATEWAY_SOURCE,
            username,
            password,
            session: SessionId::default(),
            next_sequence: 1,
            sessions: Vec::new(),
            instruments,
            day: SessionDay::fixed(day_start_ns),
            live_capacity: LIVE_CAPACITY,
            live: Vec::new(),
            unanswered: 0,
            acknowledged: 0,
            numbered_from: 0,
            buffer: BUFFER_LEN,
        })
        .map_err(|error| Error::Usage(format!("instruments: {error}")))?;
        entry.on_connected(now).map_err(|error| Error::Failed(format!("login: {error}")))?;
        let mut gateway = Self {
            entry,
            venue: Venue::new(ServerConfig { username, password, session }, Nanos(day_start_ns), now),
            wire: Vec::with_capacity(BUFFER_LEN),
            reports: RecordBuf::with_capacity(REPORT_CELLS),
            out: BytesOut::default(),
        };
        gateway.send();
        Ok(gateway)
    }

    /// The count of what leaves.
    pub fn bytes_out(&self) -> BytesOut {
        self.out.clone()
    }

    /// Puts on the wire what was encoded. Returns whether there was anything.
    fn send(&mut self) -> bool {
        let output = self.entry.output();
        let count = output.len();
        if count == 0 {
            return false;
        }
        self.wire.extend_from_slice(output);
        self.entry.consume(count);
        self.out.add(count);
        true
    }

    fn exchange(
        &mut self,
        now: Nanos,
        answers: &mut RecordBuf,
    ) -> core::result::Result<usize, ConnectionError> {
        self.venue.receive(&self.wire, now)?;
        self.wire.clear();
        let mut work = 0;
        loop {
            let output = self.venue.output();
            let spare = self.entry.spare();
            let count = output.len().min(spare.len());
            if count == 0 {
                break;
            }
            if let (Some(target), Some(source)) = (spare.get_mut(..count), output.get(..count)) {
                target.copy_from_slice(source);
            }
            self.venue.consume(count);
            self.entry.on_received(count, now, answers)?;
            work += count;
        }
        self.entry.on_poll(now, answers)?;
        Ok(work)
    }
}

impl DecisionSink for MemoryGateway {
    #[inline]
    fn decide(&mut self, seq: u64, now: Nanos, decision: DecisionRef<'_>) {
        // What does not leave is reported to the machine by the session itself.
        let _reported = self.entry.on_decision(now, seq, decision, &mut self.reports);
    }
}

impl Gateway for MemoryGateway {
    #[inline]
    fn flush(&mut self, _now: Nanos) -> Result<bool> {
        Ok(self.send())
    }

    fn poll(&mut self, now: Nanos, answers: &mut RecordBuf) -> Result<usize> {
        for report in self.reports.iter() {
            // A buffer of this kind takes everything.
            let _taken = answers.push(report);
        }
        self.reports.clear();
        let work = self
            .exchange(now, answers)
            .map_err(|error| Error::Failed(format!("the venue in memory: {error}")))?;
        self.send();
        Ok(work)
    }

    fn open_orders(&self) -> usize {
        self.entry.live_orders().len()
    }

    fn unconfirmed(&self) -> usize {
        self.open_orders()
    }

    fn cancel_all(&mut self, now: Nanos) {
        self.entry.latch();
        self.entry.cancel_all(now);
        self.send();
    }

    fn close(&mut self, _now: Nanos) {
        // The venue goes with the process: nobody has to hear the logout.
        let _said = self.entry.logout();
        self.send();
    }
}
