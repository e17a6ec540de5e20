//! A named pipe as an output: its reader is waited for as long as the run goes on, and for a while at its end.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::io::wait::nap;
use crate::pipeline::run_control::RunControl;

/// How soon a full pipe is tried again.
const AGAIN: Duration = Duration::from_millis(1);

/// The end that is written, which does not block.
pub(super) struct Pipe {
    file: File,
    control: RunControl,
    /// How long the end of a run waits for a reader that takes nothing.
    linger: Duration,
    /// When it first did.
    ending: Option<Instant>,
}

impl Pipe {
    /// Waits for its reader until `control` ends the run, and for `linger` from then on.
    pub(super) fn new(file: File, control: RunControl, linger: Duration) -> Self {
        Self { file, control, linger, ending: None }
    }

    fn has_waited(&mut self) -> bool {
        self.control.threads().stop_requested()
            && self.ending.get_or_insert_with(Instant::now).elapsed() >= self.linger
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.has_waited() {
                        let what = "its reader takes nothing, and the run has ended; the journal has what is missing";
                        return Err(io::Error::new(io::ErrorKind::BrokenPipe, what));
                    }
                    nap(AGAIN);
                }
                result => {
                    self.ending = None;
                    return result;
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
