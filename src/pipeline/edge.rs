//! The two edges of a pipeline: a feed offers records, a gateway takes decisions and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use pricewright_core::kernel::{DecisionRef, Nanos, RecordBuf, RecordSink};

use super::sequencer::DecisionSink;
use crate::clock::Clock;
use crate::error::Result;

/// A transport with its decoder.
pub trait Feed: Send {
    /// Receives what is there, at most about `budget` packets, and offers the records to `sink`. A record that `sink`
    /// cannot take now is offered again at the next call; nothing is lost.
    ///
    /// # Errors
    /// Where the transport fails for good.
    fn poll<C: Clock, S: RecordSink>(&mut self, clock: &mut C, sink: &mut S, budget: usize) -> Result<usize>;

    /// True once the input has ended and everything was offered.
    fn ended(&self) -> bool;
}

/// An encoder with its session and transport.
pub trait Gateway: DecisionSink + Send {
    /// Hands what was encoded to the transport. Returns whether anything left.
    ///
    /// # Errors
    /// Where the transport fails for good.
    fn flush(&mut self, now: Nanos) -> Result<bool>;

    /// Receives answers, keeps the session alive, and puts answers and send reports into `answers`.
    ///
    /// # Errors
    /// Where the transport fails for good.
    fn poll(&mut self, now: Nanos, answers: &mut RecordBuf) -> Result<usize>;

    /// A turn found nothing to do: time for what can wait.
    fn idle(&mut self, _now: Nanos) {}

    /// Orders that may rest at the venue, by the gateway's own count.
    fn open_orders(&self) -> usize;

    /// Orders that the venue has not confirmed to be gone, also where there is no session to hear of it: what the run's end
    /// says.
    fn unconfirmed(&self) -> usize;

    /// True while decisions wait that may not leave yet.
    fn is_holding(&self) -> bool {
        false
    }

    /// Latches and cancels every order of the gateway's own table: for when the machine can no longer be asked.
    fn cancel_all(&mut self, now: Nanos);

    /// Cancels every order of the gateway's own table, without a latch: where the decisions that do so may be held back.
    fn pull(&mut self, _now: Nanos) {}

    /// Ends the session.
    fn close(&mut self, now: Nanos);
}

/// Stands on the sequencer's thread where decisions are taken from the journal: by a gateway on another thread, or by
/// tailers alone.
#[derive(Clone, Debug, Default)]
pub struct RemoteGateway {
    seen: Option<Arc<Seen>>,
    /// The last decision that a gateway elsewhere has to take.
    decided: u64,
}

/// What the gateway's thread tells.
#[derive(Debug, Default)]
struct Seen {
    open_orders: AtomicUsize,
    read: AtomicU64,
    cancel: AtomicBool,
}

impl RemoteGateway {
    /// For a gateway on another thread, which calls [`Self::report`]; the default is for tailers alone.
    pub fn watching() -> Self {
        Self { seen: Some(Arc::default()), decided: 0 }
    }

    /// Says how many orders may rest, answers not yet offered among them, and up to which record the journal was read;
    /// called by the gateway's thread, after it has offered its answers.
    pub fn report(&self, open_orders: usize, read: u64) {
        // Release: partner of the acquires in `open_orders`; who sees the number sees the answers in the ring.
        if let Some(seen) = &self.seen {
            seen.open_orders.store(open_orders, Ordering::Release);
            seen.read.store(read, Ordering::Release);
        }
    }
}

impl RemoteGateway {
    /// True once after [`Gateway::cancel_all`] was called on the sequencer's thread; asked by the gateway's.
    pub fn take_cancel(&self) -> bool {
        // Relaxed: it publishes nothing else. A load first: the line is the other thread's.
        self.seen.as_ref().is_some_and(|seen| {
            seen.cancel.load(Ordering::Relaxed) && seen.cancel.swap(false, Ordering::Relaxed)
        })
    }
}

impl DecisionSink for RemoteGateway {
    #[inline]
    fn decide(&mut self, seq: u64, _now: Nanos, _decision: DecisionRef<'_>) {
        self.decided = seq;
    }
}

impl Gateway for RemoteGateway {
    #[inline]
    fn flush(&mut self, _now: Nanos) -> Result<bool> {
        Ok(false)
    }

    #[inline]
    fn poll(&mut self, _now: Nanos, _answers: &mut RecordBuf) -> Result<usize> {
        Ok(0)
    }

    fn open_orders(&self) -> usize {
        let Some(seen) = &self.seen else { return 0 };
        let unread = seen.read.load(Ordering::Acquire) < self.decided;
        let open = seen.open_orders.load(Ordering::Acquire);
        // A decision that the gateway has not read may be an order.
        if unread { open.max(1) } else { open }
    }

    /// The gateway's own thread says it, at its end.
    fn unconfirmed(&self) -> usize {
        0
    }

    /// The gateway's own thread does it, at its next turn.
    fn cancel_all(&mut self, _now: Nanos) {
        if let Some(seen) = &self.seen {
            seen.cancel.store(true, Ordering::Relaxed);
        }
    }

    fn close(&mut self, _now: Nanos) {}
}
