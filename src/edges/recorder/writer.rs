//! The thread that writes a recording: the only one that waits for its file.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::ring::Consumer;
use super::{End, Shared};
use crate::io::IoError;
use crate::io::recording::PacketWriter;

/// How soon it looks again where no packet has come.
const NAP: Duration = Duration::from_millis(5);

pub(super) struct RecordingWriter<W: Write> {
    pub(super) file: PacketWriter<W>,
    pub(super) rings: [Consumer; 2],
    pub(super) shared: Arc<Shared>,
}

impl<W: Write> RecordingWriter<W> {
    /// Writes what comes until `finish` says that all has been received. Where it is dropped instead, or a packet is
    /// missing, the file gets no end mark.
    ///
    /// # Errors
    /// Where the file cannot be written, which has been said then.
    pub(super) fn run(self, finish: &Receiver<()>) -> Result<(), IoError> {
        let shared = Arc::clone(&self.shared);
        let done = self.write_all(finish);
        if let Err(error) = &done
            && shared.end(End::Failed)
        {
            tracing::error!(%error, "the recording ends here, the run goes on without it");
        }
        done
    }

    fn write_all(mut self, finish: &Receiver<()>) -> Result<(), IoError> {
        loop {
            let asked = finish.recv_timeout(NAP);
            while self.write_next()? {}
            match asked {
                Err(RecvTimeoutError::Timeout) if self.shared.is(End::Open) => {}
                Ok(()) if self.shared.is(End::Open) => return self.file.finish().map(|_| ()),
                _ => return self.file.flush(),
            }
        }
    }

    /// Writes the earliest of the packets that are there; false where none is.
    fn write_next(&mut self) -> Result<bool, IoError> {
        let stamped = self.rings.iter_mut().filter_map(|ring| ring.next_stamp().map(|stamp| (stamp, ring)));
        let earliest = stamped.min_by_key(|(stamp, _)| *stamp);
        let Some(packet) = earliest.and_then(|(_, ring)| ring.take()) else { return Ok(false) };
        self.file.write(&packet)?;
        // Only its changing is looked at: no other memory depends on it.
        self.shared.written.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}
