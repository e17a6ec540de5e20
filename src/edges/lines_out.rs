//! Decisions out as JSON lines, taken from the journal by the helper: prices to standard output, a file or TCP clients,
//! dead letters to a file or standard error.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crossbeam::channel::Receiver;
use pricewright_core::kernel::{DecisionRef, EventRef, RecordRef};
use pricewright_feeds::jsonl::encode::{Encoder, Written};

use crate::config::JsonlGateway;
use crate::error::{Error, Result};
use crate::io::tcp::TcpConnection;
use crate::pipeline::helper::Tailer;

/// Writes each decision once, in the journal's order.
pub struct LinesOut {
    encoder: Encoder,
    prices: Option<Out>,
    dead_letters: Out,
    clients: Vec<TcpConnection>,
    new_clients: Option<Receiver<TcpConnection>>,
    line: Vec<u8>,
    /// The first record of this run: what lies before was written by an earlier one.
    first_seq: u64,
}

struct Out {
    to: BufWriter<Box<dyn Write + Send>>,
    name: PathBuf,
}

impl Out {
    fn new(to: Box<dyn Write + Send>, name: impl Into<PathBuf>) -> Self {
        Self { to: BufWriter::new(to), name: name.into() }
    }

    fn append(path: &PathBuf) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path).map_err(|source| Error::File {
            path: path.clone(),
            source,
            mend: "mend the path in [gateway.jsonl]",
        })?;
        Ok(Self::new(Box::new(file), path))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes).map_err(|source| self.complain(source))
    }

    fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|source| self.complain(source))
    }

    fn complain(&self, source: io::Error) -> Error {
        Error::File { path: self.name.clone(), source, mend: "write where there is room" }
    }
}

impl LinesOut {
    /// Writes as `settings` say, from record `first_seq` on.
    ///
    /// # Errors
    /// Where a file cannot be opened.
    pub fn open(
        settings: &JsonlGateway,
        encoder: Encoder,
        first_seq: u64,
        new_clients: Option<Receiver<TcpConnection>>,
    ) -> Result<Self> {
        let prices = match (&settings.file, settings.stdout) {
            (Some(path), _) => Some(Out::append(path)?),
            (None, true) => Some(Out::new(Box::new(io::stdout()), "standard output")),
            (None, false) => None,
        };
        let dead_letters = match &settings.dead_letter {
            Some(path) => Out::append(path)?,
            None => Out::new(Box::new(io::stderr()), "standard error"),
        };
        Ok(Self {
            encoder,
            prices,
            dead_letters,
            clients: Vec::new(),
            new_clients,
            line: Vec::new(),
            first_seq,
        })
    }

    fn decision(&mut self, seq: u64, decision: DecisionRef<'_>) -> Result<()> {
        self.line.clear();
        let written = self
            .encoder
            .encode(decision, seq, &mut self.line)
            .map_err(|error| Error::Failed(format!("record {seq} cannot be written as JSON: {error}")))?;
        match written {
            Written::Price => {
                if let Some(prices) = &mut self.prices {
                    prices.write(&self.line)?;
                }
                self.answer_clients();
                Ok(())
            }
            Written::DeadLetter => self.dead_letters.write(&self.line),
            Written::Nothing => Ok(()),
        }
    }

    /// A client that does not read, or is gone, loses its answers and no one else's.
    fn answer_clients(&mut self) {
        if let Some(new_clients) = &self.new_clients {
            self.clients.extend(new_clients.try_iter());
        }
        let line = &self.line;
        self.clients.retain_mut(|client| match client.send(line) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "a client is no longer answered");
                false
            }
        });
    }
}

impl Tailer for LinesOut {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        if let Some(EventRef::Define(define)) = EventRef::of(&record) {
            return self.encoder.define(define).map_err(|error| Error::Failed(error.to_string()));
        }
        let seq = record.header().seq;
        match DecisionRef::of(&record) {
            Some(decision) if seq >= self.first_seq => self.decision(seq, decision),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(prices) = &mut self.prices {
            prices.flush()?;
        }
        self.dead_letters.flush()
    }
}
