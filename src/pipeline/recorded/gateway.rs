//! The order session of a recorded run: what it sends goes nowhere, what it receives comes from the recording.

use pricewright_core::kernel::{DecisionRef, Nanos, RecordBuf, RecordSink as _};
use pricewright_feeds::nasdaq::order_entry::{ConnectionError, DecisionError, OrderEntry};

use crate::error::{Error, Result};
use crate::pipeline::edge::Gateway;
use crate::pipeline::sequencer::DecisionSink;

/// Cells reserved for answers between two polls.
const ANSWER_CELLS: usize = 8192;

/// An order session without a connection.
#[derive(Debug)]
pub(super) struct RecordedGateway {
    entry: OrderEntry,
    answers: RecordBuf,
    connected: bool,
}

impl RecordedGateway {
    pub(super) fn new(entry: OrderEntry) -> Self {
        Self { entry, answers: RecordBuf::with_capacity(ANSWER_CELLS), connected: false }
    }

    /// Takes what one receive of the recorded session gave; nothing means that a connection began there.
    ///
    /// # Errors
    /// Where a login does not fit the session's buffer.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Nanos) -> Result<()> {
        if bytes.is_empty() {
            self.disconnect();
            self.connected = true;
            return self.entry.on_connected(now).map_err(|error| Error::Failed(format!("login: {error}")));
        }
        let mut rest = bytes;
        while self.connected && !rest.is_empty() {
            let spare = self.entry.spare();
            let (part, more) = rest.split_at(rest.len().min(spare.len()));
            for (target, byte) in spare.iter_mut().zip(part) {
                *target = *byte;
            }
            if part.is_empty() {
                return Err(Error::Failed(
                    "the recorded session has a packet that fits no buffer".to_owned(),
                ));
            }
            rest = more;
            let outcome = self.entry.on_received(part.len(), now, &mut self.answers);
            self.judge(outcome);
        }
        self.drop_output();
        Ok(())
    }

    /// A session that breaks is down until the recording brings the next connection.
    fn judge(&mut self, outcome: std::result::Result<(), ConnectionError>) {
        if let Err(error) = outcome {
            tracing::warn!(%error, "the recorded venue session is down");
            self.disconnect();
        }
    }

    fn disconnect(&mut self) {
        if self.connected {
            self.connected = false;
            self.entry.on_disconnected(&mut self.answers);
        }
    }

    fn drop_output(&mut self) -> bool {
        let pending = self.entry.output().len();
        self.entry.consume(pending);
        pending > 0
    }
}

impl DecisionSink for RecordedGateway {
    fn decide(&mut self, seq: u64, now: Nanos, decision: DecisionRef<'_>) {
        match self.entry.on_decision(now, seq, decision, &mut self.answers) {
            // The buffer grows rather than refuse.
            Ok(()) | Err(DecisionError::NotTaken) => {}
            Err(error) => tracing::debug!(%error, seq, "an order did not leave"),
        }
    }
}

impl Gateway for RecordedGateway {
    fn flush(&mut self, _now: Nanos) -> Result<bool> {
        Ok(self.drop_output())
    }

    fn poll(&mut self, now: Nanos, answers: &mut RecordBuf) -> Result<usize> {
        if self.connected {
            let outcome = self.entry.on_poll(now, &mut self.answers);
            self.judge(outcome);
            self.drop_output();
        }
        let mut taken = 0;
        for answer in self.answers.iter() {
            // A buffer takes everything.
            let _taken = answers.push(answer);
            taken += 1;
        }
        self.answers.clear();
        Ok(taken)
    }

    /// None can be waited for: the recording says what became of them, or does not.
    fn open_orders(&self) -> usize {
        0
    }

    fn unconfirmed(&self) -> usize {
        0
    }

    fn cancel_all(&mut self, now: Nanos) {
        self.entry.latch();
        self.entry.cancel_all(now);
        self.drop_output();
    }

    fn close(&mut self, _now: Nanos) {
        self.disconnect();
    }
}
