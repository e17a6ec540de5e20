//! JSON lines in: standard input, a file, TCP clients, or generated lines.
//!
//! A file is read on behind the last line that the journal holds of it. The input of a TCP client ends with a [`Mark`] that
//! counts no lines and carries the connection's number: who reads the journal knows there that all decisions on the
//! client's lines are behind it. A last line that its sender did not end, on whatever input, is taken as it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam::channel::Sender;
use pricewright_core::kernel::table::{Define, Mark};
use pricewright_core::kernel::{Column, EventNanos, Full, Nanos, Record as _, RecordSink, Text};
use pricewright_feeds::jsonl::decode::{Config as DecoderConfig, Decoder, LINE_CELLS};
use pricewright_feeds::jsonl::generator::{Config as GeneratorConfig, Generator};
use pricewright_feeds::jsonl::session::Session;

use super::lines_out::Peer;
use crate::clock::Clock;
use crate::config::{GeneratedLines, JsonlFeed as Settings};
use crate::error::{Error, Result};
use crate::io::tcp::{Received, TcpAcceptor, TcpConnection};
use crate::io::wait::Waiter;
use crate::pipeline::edge::Feed;
use crate::pipeline::resume::Resume;
use crate::pipeline::topology::FEED_SOURCE;

/// Bytes read at once.
const CHUNK_LEN: usize = 64 << 10;
/// TCP clients at once; more wait until one leaves.
const MAX_CLIENTS: usize = 64;
/// How long no client is accepted after one could not be: the process may have too many open files.
const ACCEPT_PAUSE: Nanos = Nanos::from_secs(1);

/// Lines into events.
pub struct JsonlFeed {
    decoder: Decoder,
    max_line_bytes: usize,
    input: Input,
}

/// Where lines come from.
enum Input {
    /// A file or standard input: one stream with an end.
    Stream(Stream),
    /// TCP clients that come and go.
    Clients(Clients),
    /// Lines made from a seed, at their own stamps.
    Generated(Box<Generated>),
}

struct Stream {
    file: File,
    path: PathBuf,
    waiter: Waiter,
    session: Session,
    buffer: Box<[u8]>,
    /// `buffer[start..end]` is not decoded yet.
    start: usize,
    end: usize,
    at_end: bool,
    ended: bool,
    /// The last line that an earlier run took.
    taken: u64,
}

struct Clients {
    acceptor: TcpAcceptor,
    clients: Vec<Client>,
    buffer: Box<[u8]>,
    /// The last client's number.
    number: u16,
    /// After an error no client is accepted before this.
    accept_from: Nanos,
    /// Tells who writes answers of a new client's connection.
    announce: Option<Sender<Peer>>,
}

struct Client {
    connection: TcpConnection,
    number: u16,
    session: Session,
    /// Received and not decoded yet.
    held: Vec<u8>,
    at_end: bool,
    ended: bool,
}

struct Generated {
    settings: GeneratedLines,
    currency_decimals: u8,
    /// Begins at the first poll, whose time is the first line's stamp.
    generator: Option<Generator>,
    session: Session,
    /// What of the line at hand is not decoded yet, and when it is due; empty where the next one is to be made.
    line: Vec<u8>,
    due: Nanos,
}

impl JsonlFeed {
    /// The feed that `settings` describe, going on where `resume` says. Returns with it the address it listens on, where
    /// it does.
    ///
    /// # Errors
    /// Where the input cannot be opened, or the journal's definitions do not fit.
    pub fn open(
        settings: &Settings,
        decoder: &DecoderConfig,
        resume: &Resume,
        announce: Option<Sender<Peer>>,
    ) -> Result<(Self, Option<std::net::SocketAddr>)> {
        let feed = |input| Self::new(decoder, resume, input);
        if let Some(path) = &settings.file {
            let file = File::open(path).map_err(|source| Error::File {
                path: path.clone(),
                source,
                mend: "mend [feed.jsonl] file",
            })?;
            let taken = resume.lines().last_of(path);
            let session = Session::new(decoder.max_line_bytes, 0).starting_at(taken + 1);
            return Ok((feed(Input::Stream(Stream::new(file, path, session, taken)))?, None));
        }
        if let Some(address) = settings.listen {
            let acceptor = TcpAcceptor::bind(address)?;
            let local = acceptor.local_addr();
            let clients = Clients {
                acceptor,
                clients: Vec::new(),
                buffer: buffer(),
                number: 0,
                accept_from: Nanos::ZERO,
                announce,
            };
            return Ok((feed(Input::Clients(clients))?, Some(local)));
        }
        if let Some(generated) = &settings.generated {
            let generated = Generated {
                settings: generated.clone(),
                currency_decimals: decoder.currency_decimals,
                generator: None,
                session: Session::new(decoder.max_line_bytes, 0),
                line: Vec::new(),
                due: Nanos::ZERO,
            };
            return Ok((feed(Input::Generated(Box::new(generated)))?, None));
        }
        let path = Path::new("standard input");
        let file = io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(|source| {
            Error::File { path: path.to_path_buf(), source, mend: "give the program a standard input" }
        })?;
        let session = Session::new(decoder.max_line_bytes, 0);
        Ok((feed(Input::Stream(Stream::new(file, path, session, 0)))?, None))
    }

    fn new(config: &DecoderConfig, resume: &Resume, input: Input) -> Result<Self> {
        let mut decoder = Decoder::new(config, FEED_SOURCE).map_err(Error::Usage)?;
        for (id, text) in (0u32..).zip(resume.strings(FEED_SOURCE, Column::SKU)) {
            let define = Define { id, column: Column::SKU, source: FEED_SOURCE, text: Text::excerpt(&text) };
            decoder
                .restore(&define)
                .map_err(|error| Error::Usage(format!("the journal's SKU {text:?}: {error}")))?;
        }
        Ok(Self { decoder, max_line_bytes: config.max_line_bytes, input })
    }
}

fn buffer() -> Box<[u8]> {
    vec![0; CHUNK_LEN].into_boxed_slice()
}

impl Feed for JsonlFeed {
    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        clock: &mut C,
        sink: &mut S,
        _budget: usize,
    ) -> Result<usize> {
        match &mut self.input {
            Input::Stream(stream) => stream.poll(&mut self.decoder, clock, sink),
            Input::Clients(clients) => clients.poll(&mut self.decoder, self.max_line_bytes, clock, sink),
            Input::Generated(generated) => generated.poll(&mut self.decoder, clock, sink),
        }
    }

    fn ended(&self) -> bool {
        match &self.input {
            Input::Stream(stream) => stream.ended,
            Input::Clients(_) | Input::Generated(_) => false,
        }
    }
}

impl Stream {
    fn new(file: File, path: &Path, session: Session, taken: u64) -> Self {
        Self {
            file,
            path: path.to_path_buf(),
            waiter: Waiter::new(),
            session,
            buffer: buffer(),
            start: 0,
            end: 0,
            at_end: false,
            ended: false,
            taken,
        }
    }

    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        if self.start == self.end && !self.at_end && self.is_readable()? {
            self.fill()?;
        }
        let received = clock.now();
        let chunk = self.buffer.get(self.start..self.end).unwrap_or(&[]);
        if !chunk.is_empty() {
            let taken = self.session.receive(decoder, chunk, received, sink).map_err(refused)?;
            self.start += taken;
            return Ok(taken);
        }
        if self.at_end && !self.ended {
            self.ended = self.session.finish(decoder, received, sink).map_err(refused)?;
            if self.ended {
                self.look_back();
            }
            return Ok(1);
        }
        Ok(0)
    }

    fn fill(&mut self) -> Result<()> {
        match self.file.read(&mut self.buffer) {
            Ok(len) => {
                (self.start, self.end) = (0, len);
                self.at_end = len == 0;
                Ok(())
            }
            // A signal came first, or whoever shares the descriptor made it non-blocking: it will be asked again.
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                Ok(())
            }
            Err(source) => Err(self.complain(source)),
        }
    }

    /// Says so where the file cannot be the one that an earlier run read.
    fn look_back(&self) {
        let lines = self.session.line() - 1;
        if lines < self.taken {
            tracing::warn!(
                "{}: it has {lines} lines, and the journal holds {} of it already: another file of the same name? Nothing \
                 was taken from it; give it another name or choose another journal (--journal DIR)",
                self.path.display(),
                self.taken
            );
        }
    }

    fn is_readable(&mut self) -> Result<bool> {
        self.waiter.clear();
        let slot = self.waiter.readable(self.file.as_fd());
        self.waiter.wait(Duration::ZERO).map_err(|source| self.complain(source))?;
        Ok(self.waiter.is_ready(slot))
    }

    fn complain(&self, source: io::Error) -> Error {
        Error::File { path: self.path.clone(), source, mend: "mend the input" }
    }
}

fn refused(_: Full) -> Error {
    Error::Failed("a record was refused although there was room for it; please report this".to_owned())
}

impl Clients {
    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        max_line_bytes: usize,
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        let mut work = self.accept(max_line_bytes, clock);
        for client in &mut self.clients {
            work += client.poll(decoder, &mut self.buffer, clock, sink)?;
        }
        self.clients.retain(|client| !client.ended);
        Ok(work)
    }

    /// Accepts one client, where one waits and there is room.
    fn accept<C: Clock>(&mut self, max_line_bytes: usize, clock: &mut C) -> usize {
        if self.clients.len() >= MAX_CLIENTS
            || (self.accept_from > Nanos::ZERO && clock.now() < self.accept_from)
        {
            return 0;
        }
        let admitted = match self.acceptor.accept() {
            Ok(None) => return 0,
            Ok(Some((connection, _))) => self.admit(connection, max_line_bytes),
            Err(error) => Err(error),
        };
        if let Err(error) = admitted {
            tracing::warn!(%error, "a client could not be accepted");
            self.accept_from = clock.now() + ACCEPT_PAUSE;
        }
        1
    }

    fn admit(&mut self, connection: TcpConnection, max_line_bytes: usize) -> io::Result<()> {
        let number = self.free_number();
        if let Some(announce) = &self.announce {
            let peer = Peer { number, connection: connection.try_clone()? };
            // Who writes answers has ended already where this fails; the run is ending then.
            let _ending = announce.send(peer);
        }
        let session = Session::new(max_line_bytes, number);
        let held = Vec::with_capacity(CHUNK_LEN);
        self.clients.push(Client { connection, number, session, held, at_end: false, ended: false });
        Ok(())
    }

    /// The next number that no connected client has, from 1.
    fn free_number(&mut self) -> u16 {
        loop {
            self.number = self.number.checked_add(1).unwrap_or(1);
            if self.clients.iter().all(|client| client.number != self.number) {
                return self.number;
            }
        }
    }
}

impl Client {
    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        buffer: &mut [u8],
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        if self.held.is_empty() && !self.at_end {
            match self.connection.recv(buffer) {
                Ok(Received::Bytes(count)) => self.held.extend_from_slice(buffer.get(..count).unwrap_or(&[])),
                Ok(Received::Nothing) => return Ok(0),
                Ok(Received::End) => self.at_end = true,
                Err(error) => {
                    tracing::warn!(%error, number = self.number, "a client's connection broke");
                    self.at_end = true;
                }
            }
        }
        let received = clock.now();
        let taken = self.session.receive(decoder, &self.held, received, sink).map_err(refused)?;
        self.held.drain(..taken);
        if self.at_end && self.held.is_empty() && sink.room() >= LINE_CELLS + Mark::CELLS {
            self.finish(decoder, received, sink).map_err(refused)?;
            return Ok(taken + 1);
        }
        Ok(taken)
    }

    /// The last line, and the mark behind it; there is room for both.
    fn finish<S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        received: Nanos,
        sink: &mut S,
    ) -> core::result::Result<(), Full> {
        self.session.finish(decoder, received, sink)?;
        let (first, line) = (self.session.line(), self.number);
        let end = Mark { first, received, count: 0, session: 0, line, source: FEED_SOURCE, spare: 0 };
        sink.put(&end, FEED_SOURCE, 0)?;
        self.ended = true;
        Ok(())
    }
}

impl Generated {
    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        let now = clock.now();
        if self.line.is_empty() {
            let config = GeneratorConfig {
                seed: self.settings.seed,
                start: EventNanos(now.0),
                articles: self.settings.articles,
                purchases_per_second: self.settings.purchases_per_second,
                currency_decimals: self.currency_decimals,
            };
            let generator = self.generator.get_or_insert_with(|| Generator::new(config));
            self.due = Nanos(generator.next_line(&mut self.line).0);
        }
        if now < self.due {
            return Ok(0);
        }
        let taken = self.session.receive(decoder, &self.line, now, sink).map_err(refused)?;
        self.line.drain(..taken);
        Ok(taken)
    }
}
