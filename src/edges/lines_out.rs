//! Decisions out as JSON lines, taken from the journal by the helper: prices to standard output, a file or TCP clients,
//! dead letters to a file or standard error.
//!
//! A file gets every decision of the journal once, whatever crashes in between ([`super::output_file`]). Standard output
//! and clients get those of this run, and those of a crashed run that had not been journalled yet; what was journalled but
//! not written when a process died is in the journal alone.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use pricewright_core::kernel::{DecisionRef, EndReason, EventRef, RecordRef};
use pricewright_feeds::jsonl::encode::{Encoder, Written};

use super::output_file;
use crate::config::JsonlGateway;
use crate::error::{Error, Result};
use crate::io::tcp::TcpConnection;
use crate::io::wait::nap;
use crate::pipeline::helper::Tailer;
use crate::pipeline::run_control::RunControl;

/// How long the end of a run waits for clients to take what is theirs.
const LINGER: Duration = Duration::from_secs(1);

/// Writes each decision once, in the journal's order.
pub struct LinesOut {
    encoder: Encoder,
    prices: Vec<Out>,
    dead_letters: Option<Out>,
    answers: Answers,
    line: Vec<u8>,
    control: RunControl,
}

/// A client that is to be answered.
#[derive(Debug)]
pub struct Peer {
    /// The connection's number, as the marks of its lines carry it.
    pub number: u16,
    /// To write to.
    pub connection: TcpConnection,
}

/// Prices to all connected clients.
struct Answers {
    peers: Vec<Peer>,
    new_peers: Option<Receiver<Peer>>,
    /// Have ended their input; are let go once they have taken what is pending.
    leaving: Vec<Peer>,
    first_seq: u64,
}

struct Out {
    to: BufWriter<Box<dyn Write + Send>>,
    name: PathBuf,
    /// The first record that is to be written.
    first_seq: u64,
}

impl Out {
    fn new(to: Box<dyn Write + Send>, name: &Path, first_seq: u64) -> Self {
        Self { to: BufWriter::new(to), name: name.to_path_buf(), first_seq }
    }

    fn append(path: &Path, next_seq: u64) -> Result<Self> {
        let (file, first_seq): (File, u64) = output_file::open(path, next_seq)?;
        Ok(Self::new(Box::new(file), path, first_seq))
    }

    fn write(&mut self, seq: u64, bytes: &[u8]) -> Result<()> {
        if seq < self.first_seq {
            return Ok(());
        }
        self.to.write_all(bytes).map_err(|source| self.complain(source))
    }

    fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|source| self.complain(source))
    }

    fn complain(&self, source: io::Error) -> Error {
        Error::File { path: self.name.clone(), source, mend: "write where there is room" }
    }
}

/// True where the reader of a pipe has closed it.
fn is_closed(error: &Error) -> bool {
    matches!(error, Error::File { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

impl LinesOut {
    /// Writes as `settings` say; the run's first record is `first_seq`, and `control` ends it where nobody reads its
    /// standard output any more.
    ///
    /// # Errors
    /// Where a file cannot be opened, or is no file of this journal's decisions.
    pub fn open(
        settings: &JsonlGateway,
        encoder: Encoder,
        first_seq: u64,
        new_peers: Option<Receiver<Peer>>,
        control: RunControl,
    ) -> Result<Self> {
        let JsonlGateway { stdout, file, dead_letter, .. } = settings;
        let mut prices = Vec::new();
        if *stdout {
            prices.push(Out::new(Box::new(io::stdout()), Path::new("standard output"), first_seq));
        }
        if let Some(path) = file {
            prices.push(Out::append(path, first_seq)?);
        }
        let dead_letters = match dead_letter {
            Some(path) => Out::append(path, first_seq)?,
            None => Out::new(Box::new(io::stderr()), Path::new("standard error"), first_seq),
        };
        let answers = Answers { peers: Vec::new(), new_peers, leaving: Vec::new(), first_seq };
        Ok(Self { encoder, prices, dead_letters: Some(dead_letters), answers, line: Vec::new(), control })
    }

    fn decision(&mut self, seq: u64, decision: DecisionRef<'_>) -> Result<()> {
        // Taken, so that the outputs can be borrowed beside it; given back below.
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let written = self
            .encoder
            .encode(decision, seq, &mut line)
            .map_err(|error| Error::Failed(format!("record {seq} cannot be written as JSON: {error}")))?;
        let done = match written {
            Written::Price => {
                self.answers.send(seq, &line);
                self.each_price(|out| out.write(seq, &line))
            }
            Written::DeadLetter => self.dead_letter(|out| out.write(seq, &line)),
            Written::Nothing => Ok(()),
        };
        self.line = line;
        done
    }

    /// Does `work` on each output of prices. Where the reader of one is gone (`| head`) nobody wants the run any more: it
    /// ends as if it had been asked to.
    fn each_price(&mut self, mut work: impl FnMut(&mut Out) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        self.prices.retain_mut(|out| match work(out) {
            Err(error) if is_closed(&error) => {
                tracing::info!(%error, "the run ends");
                self.control.stop(EndReason::OPERATOR);
                false
            }
            Err(error) => {
                result = Err(error);
                true
            }
            Ok(()) => true,
        });
        result
    }

    /// Does `work` on the output of dead letters. Where its reader is gone they are in the journal alone.
    fn dead_letter(&mut self, work: impl FnOnce(&mut Out) -> Result<()>) -> Result<()> {
        let Some(out) = &mut self.dead_letters else { return Ok(()) };
        match work(out) {
            Err(error) if is_closed(&error) => {
                self.dead_letters = None;
                Ok(())
            }
            result => result,
        }
    }
}

impl Answers {
    /// Clients that have come since.
    fn join(&mut self) {
        if let Some(new_peers) = &self.new_peers {
            self.peers.extend(new_peers.try_iter());
        }
    }

    /// A client that does not read, or is gone, is disconnected: it loses its answers and no one else's.
    fn send(&mut self, seq: u64, line: &[u8]) {
        if seq < self.first_seq {
            return;
        }
        self.join();
        self.peers.retain_mut(|peer| match peer.connection.send(line) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, number = peer.number, "a client is disconnected");
                hang_up(peer);
                false
            }
        });
    }

    /// The client's last line was decided on, and what was decided has been sent.
    fn input_ended(&mut self, number: u16) {
        self.join();
        if let Some(at) = self.peers.iter().position(|peer| peer.number == number) {
            self.leaving.push(self.peers.remove(at));
        }
    }

    fn flush(&mut self) {
        self.join();
        self.peers.retain_mut(|peer| {
            let there = peer.connection.flush().is_ok();
            if !there {
                hang_up(peer);
            }
            there
        });
        self.leaving.retain_mut(|peer| match peer.connection.flush() {
            Ok(pending) if pending > 0 => true,
            Ok(_) | Err(_) => {
                hang_up(peer);
                false
            }
        });
    }

    fn close(&mut self) {
        self.leaving.append(&mut self.peers);
        let start = Instant::now();
        self.flush();
        while !self.leaving.is_empty() && start.elapsed() < LINGER {
            nap(Duration::from_millis(1));
            self.flush();
        }
    }
}

/// Ends the connection for its reader on this side, too, which has a handle of its own.
fn hang_up(peer: &Peer) {
    // Where this fails the client has gone already.
    let _gone = peer.connection.shutdown();
}

impl Tailer for LinesOut {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        let seq = record.header().seq;
        match EventRef::of(&record) {
            Some(EventRef::Define(define)) => {
                self.encoder.define(define).map_err(|error| Error::Failed(error.to_string()))
            }
            // A mark without lines ends a connection's input (see `super::jsonl`).
            Some(EventRef::Mark(mark)) if mark.count == 0 && seq >= self.answers.first_seq => {
                self.answers.input_ended(mark.line);
                Ok(())
            }
            Some(_) => Ok(()),
            None => DecisionRef::of(&record).map_or(Ok(()), |decision| self.decision(seq, decision)),
        }
    }

    fn begins_at(&self) -> Option<u64> {
        let outputs = self.prices.iter().chain(&self.dead_letters).map(|out| out.first_seq);
        outputs.chain([self.answers.first_seq]).min()
    }

    fn prime(&mut self, record: RecordRef<'_>) -> Result<()> {
        // Prices of earlier runs have been written; what is missing of them is read from the journal.
        if EventRef::of(&record).is_some() { self.take(record) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.answers.flush();
        self.dead_letter(Out::flush)?;
        self.each_price(Out::flush)
    }

    fn close(&mut self) -> Result<()> {
        let flushed = self.flush();
        self.answers.close();
        flushed
    }
}

#[cfg(test)]
mod tests;
