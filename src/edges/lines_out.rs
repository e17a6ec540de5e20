//! Decisions out as JSON lines, taken from the journal: prices to standard output or a file, dead letters to a file or standard
//! error. (TCP clients are [`super::answers`].)
//!
//! A file gets every decision of the journal once, whatever crashes in between and whoever moves the file away
//! ([`super::output_file`]). Standard output gets those of this run, and those of a crashed run that had not been journalled
//! yet; what was journalled but not written when a process died is in the journal alone.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use pricewright_core::kernel::{DecisionRef, EndReason, EventRef, RecordRef};
use pricewright_feeds::jsonl::encode::{Encoder, Written};

use super::output_file::OutputFile;
use crate::config::JsonlGateway;
use crate::error::{Error, Result};
use crate::pipeline::helper::Tailer;
use crate::pipeline::run_control::RunControl;

/// Writes each decision once, in the journal's order.
pub struct LinesOut {
    encoder: Encoder,
    prices: Vec<Out>,
    dead_letters: Option<Out>,
    line: Vec<u8>,
    control: RunControl,
}

struct Out {
    to: BufWriter<Box<dyn Write + Send>>,
    name: PathBuf,
    /// The first record that is to be written.
    first_seq: u64,
    /// The file, where it is one.
    file: Option<OutputFile>,
    /// The last record that was written.
    written: u64,
}

impl Out {
    fn new(to: Box<dyn Write + Send>, name: &Path, first_seq: u64) -> Self {
        let written = first_seq.saturating_sub(1);
        Self { to: BufWriter::new(to), name: name.to_path_buf(), first_seq, file: None, written }
    }

    fn append(path: &Path, next_seq: u64, dir: &Path) -> Result<Self> {
        let (file, first_seq) = OutputFile::open(path, next_seq, dir)?;
        let writer = file.writer()?;
        Ok(Self { file: Some(file), ..Self::new(Box::new(writer), path, first_seq) })
    }

    fn write(&mut self, seq: u64, bytes: &[u8]) -> Result<()> {
        if seq < self.first_seq {
            return Ok(());
        }
        self.written = seq;
        self.to.write_all(bytes).map_err(|source| self.complain(source))
    }

    /// Writes what is buffered; then, where the file was moved away, goes on in a new one.
    fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|source| self.complain(source))?;
        let written = self.written;
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some(writer) = file.follow(written)? {
            self.to = BufWriter::new(Box::new(writer));
        }
        Ok(())
    }

    /// Notes how far it was written.
    fn leave(&mut self) -> Result<()> {
        let written = self.written;
        self.file.as_mut().map_or(Ok(()), |file| file.note(written))
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
    /// Writes as `settings` say; the run's first record is `first_seq` of the journal in `dir`, and `control` ends it where nobody reads its
    /// standard output any more.
    ///
    /// # Errors
    /// Where a file cannot be opened, or is no file of this journal's decisions.
    pub fn open(
        settings: &JsonlGateway,
        encoder: Encoder,
        first_seq: u64,
        dir: &Path,
        control: RunControl,
    ) -> Result<Self> {
        let JsonlGateway { stdout, file, dead_letter, .. } = settings;
        let mut prices = Vec::new();
        if *stdout {
            prices.push(Out::new(Box::new(io::stdout()), Path::new("standard output"), first_seq));
        }
        if let Some(path) = file {
            prices.push(Out::append(path, first_seq, dir)?);
        }
        let dead_letters = match dead_letter {
            Some(path) => Out::append(path, first_seq, dir)?,
            None => Out::new(Box::new(io::stderr()), Path::new("standard error"), first_seq),
        };
        Ok(Self { encoder, prices, dead_letters: Some(dead_letters), line: Vec::new(), control })
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
            Written::Price => self.each_price(|out| out.write(seq, &line)),
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

impl Tailer for LinesOut {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        let seq = record.header().seq;
        match EventRef::of(&record) {
            Some(EventRef::Define(define)) => {
                self.encoder.define(define).map_err(|error| Error::Failed(error.to_string()))
            }
            Some(_) => Ok(()),
            None => DecisionRef::of(&record).map_or(Ok(()), |decision| self.decision(seq, decision)),
        }
    }

    fn begins_at(&self) -> Option<u64> {
        let outputs = self.prices.iter().chain(&self.dead_letters).map(|out| out.first_seq);
        outputs.min()
    }

    fn prime(&mut self, record: RecordRef<'_>) -> Result<()> {
        // Prices of earlier runs have been written; what is missing of them is read from the journal.
        if EventRef::of(&record).is_some() { self.take(record) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.dead_letter(Out::flush)?;
        self.each_price(Out::flush)
    }

    fn close(&mut self) -> Result<()> {
        self.flush()?;
        self.each_price(Out::leave)?;
        self.dead_letter(Out::leave)
    }
}

#[cfg(test)]
mod tests;
