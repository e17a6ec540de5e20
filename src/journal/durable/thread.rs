//! A durable writer on a thread of its own, for journals that are written outside of a pipeline.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, park_timeout};
use std::time::Duration;

use super::writer::{DurableReport, DurableWriter};
use crate::journal::error::JournalError;

/// How long the thread sleeps where nothing is new.
const IDLE: Duration = Duration::from_micros(50);

/// The thread. Where it is dropped it ends by itself, and nobody hears how.
#[derive(Debug)]
pub struct DurableThread {
    stop: Stop,
    handle: JoinHandle<Result<DurableReport, JournalError>>,
}

/// Dropped, it asks the thread to end.
#[derive(Debug)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        // Release: partner of the acquire in the thread, so that it sees what was appended before.
        self.0.store(true, Ordering::Release);
    }
}

impl DurableThread {
    /// Starts it.
    ///
    /// # Errors
    /// Where the kernel gives no thread.
    pub fn spawn(mut durable: DurableWriter) -> io::Result<Self> {
        let stop = Stop(Arc::default());
        let stopped = Arc::clone(&stop.0);
        let body = move || {
            // Acquire: partner of the release in `Stop`.
            while !stopped.load(Ordering::Acquire) {
                if durable.poll()? == 0 {
                    park_timeout(IDLE);
                }
            }
            durable.finish()?;
            Ok(durable.report().clone())
        };
        let handle = Builder::new().name("durable".to_owned()).spawn(body)?;
        Ok(Self { stop, handle })
    }

    /// Makes everything durable that is committed, ends the thread, and says what it has done. Call it when the writer
    /// was closed.
    ///
    /// # Errors
    /// Where the disk failed.
    pub fn finish(self) -> Result<DurableReport, JournalError> {
        let Self { stop, handle } = self;
        drop(stop);
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
