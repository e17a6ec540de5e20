//! The two edges of a pipeline: a feed offers records, a gateway takes decisions and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

    /// Orders that may rest at the venue, by the gateway's own count.
    fn open_orders(&self) -> usize;

    /// Latches and cancels every order of the gateway's own table: for when the machine can no longer be asked.
    fn cancel_all(&mut self, now: Nanos);

    /// Ends the session.
    fn close(&mut self, now: Nanos);
}

/// Stands on the sequencer's thread where decisions are taken from the journal: by a gateway on another thread, or by
/// tailers alone.
#[derive(Clone, Debug, Default)]
pub struct RemoteGateway {
    open_orders: Arc<AtomicUsize>,
}

impl RemoteGateway {
    /// Says how many orders may rest; called by the gateway's thread.
    pub fn report(&self, open_orders: usize) {
        // Relaxed: a count on its own; who reads it asks again.
        self.open_orders.store(open_orders, Ordering::Relaxed);
    }
}

impl DecisionSink for RemoteGateway {
    #[inline]
    fn decide(&mut self, _seq: u64, _now: Nanos, _decision: DecisionRef<'_>) {}
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
        self.open_orders.load(Ordering::Relaxed)
    }

    /// The gateway's own thread does it when it closes after a failure.
    fn cancel_all(&mut self, _now: Nanos) {}

    fn close(&mut self, _now: Nanos) {}
}
