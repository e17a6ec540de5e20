//! Decisions out as JSON lines, taken from the journal: prices to standard output or a file, dead letters to a file or standard
//! error. (TCP clients are [`super::answers`].)
//!
//! Standard output and each named pipe are a [`LinesOut`] of their own ([`Outputs`]), so that each can have a thread of its own:
//! one whose reader stops keeps nothing from the others.
//!
//! A file gets every decision of the journal once, whatever crashes in between and whoever moves the file away
//! ([`super::output_file`]). Standard output gets those of this run, and those of a crashed run that had not been journalled
//! yet; what was journalled but not written when a process died is in the journal alone.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pricewright_core::kernel::table::Define;
use pricewright_core::kernel::{DecisionRef, EndReason, EventRef, RecordRef, Text};
use pricewright_feeds::jsonl::encode::{Encoder, Written};

use super::output_file::OutputFile;
use super::output_file::records::{JournalRecords, Records};
use super::pipe::Pipe;
use crate::config::JsonlGateway;
use crate::error::{Error, Result};
use crate::pipeline::helper::Tailer;
use crate::pipeline::resume::Resume;
use crate::pipeline::run_control::RunControl;
use crate::telemetry::console;

/// What standard output is called.
const STDOUT: &str = "standard output";
/// What standard error is called.
const STDERR: &str = "standard error";
/// How long the end of a run waits for a standard output, or a named pipe, that takes nothing.
const LINGER: Duration = Duration::from_secs(5);
/// How long dead letters wait for a standard error that takes nothing.
const STDERR_PATIENCE: Duration = Duration::from_secs(1);

/// What the settings ask for, by who may have to wait for whom.
pub struct Outputs {
    /// Files, and dead letters on standard error, where there are any.
    pub files: Option<LinesOut>,
    /// Named pipes, each by itself.
    pub pipes: Vec<LinesOut>,
}

/// Writes each decision once, in the journal's order.
pub struct LinesOut {
    encoder: Encoder,
    prices: Vec<Out>,
    dead_letters: Option<Out>,
    line: Vec<u8>,
    control: RunControl,
}

/// Standard output, by its own thread: waits for its reader as long as the run goes on, and at the end as long as it reads.
struct StandardOut {
    control: RunControl,
}

impl Write for StandardOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        // What is dropped at the end is counted, and stands in the journal.
        console::out().say_all(bytes.to_vec(), LINGER, || self.control.threads().stop_requested());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        console::out().error().map_or(Ok(()), Err)
    }
}

/// Standard error, by its own thread: who does not read it loses dead letters there, and keeps nobody waiting. They are in
/// the journal.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        console::err().say_patiently(bytes.to_vec(), STDERR_PATIENCE);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
    /// Its line, where it went to a file.
    last: Vec<u8>,
}

impl Out {
    fn new(to: Box<dyn Write + Send>, name: &Path, first_seq: u64) -> Self {
        let written = first_seq.saturating_sub(1);
        Self {
            to: BufWriter::new(to),
            name: name.to_path_buf(),
            first_seq,
            file: None,
            written,
            last: Vec::new(),
        }
    }

    fn append(path: &Path, mut records: impl Records, dir: &Path, control: &RunControl) -> Result<Self> {
        let (file, first_seq) = OutputFile::open(path, &mut records, dir)?;
        let writer = file.writer()?;
        let to: Box<dyn Write + Send> = match file.is_pipe() {
            true => Box::new(Pipe::new(writer, control.clone(), LINGER)),
            false => Box::new(writer),
        };
        Ok(Self { file: Some(file), ..Self::new(to, path, first_seq) })
    }

    fn is_pipe(&self) -> bool {
        self.file.as_ref().is_some_and(OutputFile::is_pipe)
    }

    fn write(&mut self, seq: u64, bytes: &[u8]) -> Result<()> {
        if seq < self.first_seq {
            return Ok(());
        }
        self.written = seq;
        if self.file.is_some() {
            self.last.clear();
            self.last.extend_from_slice(bytes);
        }
        self.to.write_all(bytes).map_err(|source| self.complain(source))
    }

    /// Writes what is buffered; then, where the file was moved away, goes on in a new one.
    fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|source| self.complain(source))?;
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some(writer) = file.follow(self.written, &self.last)? {
            self.to = BufWriter::new(Box::new(writer));
        }
        Ok(())
    }

    /// Notes how far it was written.
    fn leave(&mut self) -> Result<()> {
        let (written, last) = (self.written, &self.last);
        self.file.as_mut().map_or(Ok(()), |file| file.note(written, last))
    }

    fn complain(&self, source: io::Error) -> Error {
        Error::File { path: self.name.clone(), source, mend: "write where there is room" }
    }
}

/// True where the reader of a pipe has closed it, or the terminal is gone.
fn is_closed(error: &Error) -> bool {
    let Error::File { path, source, .. } = error else { return false };
    let is_stream = path == Path::new(STDOUT) || path == Path::new(STDERR);
    source.kind() == io::ErrorKind::BrokenPipe || (is_stream && console::is_gone(source))
}

impl LinesOut {
    /// Writes to standard output alone, where `settings` say so: whoever reads it may be slow, and the other outputs do not
    /// wait for that. `control` ends the run where nobody reads it any more.
    pub fn on_stdout(
        settings: &JsonlGateway,
        encoder: Encoder,
        first_seq: u64,
        control: RunControl,
    ) -> Option<Self> {
        let to = Box::new(StandardOut { control: control.clone() });
        let out = settings.stdout.then(|| Out::new(to, Path::new(STDOUT), first_seq))?;
        Some(Self { encoder, prices: vec![out], dead_letters: None, line: Vec::new(), control })
    }

    /// Outputs as `settings` say, but for standard output; the run's first record is `first_seq` of the journal in `dir`, which
    /// stands as `resume` says, and `control` ends it where whoever reads a pipe is gone. `encoder` gives each its own.
    ///
    /// # Errors
    /// Where a file cannot be opened, or is no file of this journal's decisions.
    pub fn open(
        settings: &JsonlGateway,
        encoder: impl Fn() -> Encoder,
        (dir, first_seq, resume): (&Path, u64, &Resume),
        control: RunControl,
    ) -> Result<Outputs> {
        let JsonlGateway { file, dead_letter, .. } = settings;
        let mut known = encoder();
        if file.is_some() || dead_letter.is_some() {
            // Lines of earlier runs can only be compared by whoever knows the names in them.
            for name in resume.defines() {
                let text = Text::excerpt(&name.text);
                let define = Define { id: name.id, column: name.column, source: name.source, text };
                known.define(&define).map_err(|error| Error::Failed(error.to_string()))?;
            }
        }
        let records = |kind| JournalRecords::new(dir, first_seq, &known, kind);
        let append = |path, kind| Out::append(path, records(kind), dir, &control);
        let prices = file.as_ref().map(|path| append(path, Written::Price)).transpose()?;
        let dead_letters = match dead_letter {
            Some(path) => append(path, Written::DeadLetter)?,
            None => Out::new(Box::new(StandardError), Path::new(STDERR), first_seq),
        };
        let (pipes, prices): (Vec<Out>, Vec<Out>) = prices.into_iter().partition(Out::is_pipe);
        let (dead_letter_pipe, dead_letters) = match dead_letters.is_pipe() {
            true => (Some(dead_letters), None),
            false => (None, Some(dead_letters)),
        };
        let out = |encoder, prices, dead_letters| Self {
            encoder,
            prices,
            dead_letters,
            line: Vec::new(),
            control: control.clone(),
        };
        let of_prices = pipes.into_iter().map(|pipe| out(encoder(), vec![pipe], None));
        let of_dead_letters = dead_letter_pipe.map(|pipe| out(encoder(), Vec::new(), Some(pipe)));
        let pipes = of_prices.chain(of_dead_letters).collect();
        let is_wanted = !prices.is_empty() || dead_letters.is_some();
        // It has a dictionary already, which is as large as the settings say.
        Ok(Outputs { files: is_wanted.then(|| out(known, prices, dead_letters)), pipes })
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
    /// ends, and says why.
    fn each_price(&mut self, mut work: impl FnMut(&mut Out) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        self.prices.retain_mut(|out| match work(out) {
            Err(error) if is_closed(&error) => {
                tracing::info!(%error, "the run ends");
                self.control.stop(EndReason::OUTPUT_CLOSED);
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
        if self.prices.iter().any(|out| out.name == Path::new(STDOUT)) {
            console::out().drain(Some(LINGER));
            self.each_price(Out::flush)?;
        }
        self.each_price(Out::leave)?;
        self.dead_letter(Out::leave)
    }
}

#[cfg(test)]
mod tests;
