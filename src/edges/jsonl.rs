//! JSON lines in: standard input, a file, TCP clients, or generated lines.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam::channel::Sender;
use pricewright_core::kernel::table::Define;
use pricewright_core::kernel::{Column, EventNanos, Full, Nanos, RecordSink, Text};
use pricewright_feeds::jsonl::decode::{Config as DecoderConfig, Decoder};
use pricewright_feeds::jsonl::generator::{Config as GeneratorConfig, Generator};
use pricewright_feeds::jsonl::session::Session;

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
/// TCP clients at once.
const MAX_CLIENTS: usize = 64;

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
}

struct Clients {
    acceptor: TcpAcceptor,
    clients: Vec<Client>,
    buffer: Box<[u8]>,
    accepted: u16,
    /// Tells who writes answers of a new client's connection.
    announce: Option<Sender<TcpConnection>>,
}

struct Client {
    connection: TcpConnection,
    session: Session,
    /// Received and not decoded yet.
    held: Vec<u8>,
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
        announce: Option<Sender<TcpConnection>>,
    ) -> Result<(Self, Option<std::net::SocketAddr>)> {
        let feed = |input| Self::new(decoder, resume, input);
        if let Some(path) = &settings.file {
            let file = File::open(path).map_err(|source| Error::File {
                path: path.clone(),
                source,
                mend: "mend [feed.jsonl] file",
            })?;
            // Lines that an earlier run has journalled are passed over.
            let first = resume.position(FEED_SOURCE).map_or(1, |position| position.next);
            let session = Session::new(decoder.max_line_bytes, 0).starting_at(first);
            return Ok((feed(Input::Stream(Stream::new(file, path, session)))?, None));
        }
        if let Some(address) = settings.listen {
            let acceptor = TcpAcceptor::bind(address)?;
            let local = acceptor.local_addr();
            let clients = Clients { acceptor, clients: Vec::new(), buffer: buffer(), accepted: 0, announce };
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
        Ok((feed(Input::Stream(Stream::new(file, path, session)))?, None))
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
    fn new(file: File, path: &Path, session: Session) -> Self {
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
        }
    }

    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        if self.start == self.end && !self.at_end && self.is_readable()? {
            self.start = 0;
            self.end = self.file.read(&mut self.buffer).map_err(|source| self.complain(source))?;
            self.at_end = self.end == 0;
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
            return Ok(1);
        }
        Ok(0)
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
        let mut work = self.accept(max_line_bytes);
        for client in &mut self.clients {
            work += client.poll(decoder, &mut self.buffer, clock, sink)?;
        }
        self.clients.retain(|client| !client.ended);
        Ok(work)
    }

    fn accept(&mut self, max_line_bytes: usize) -> usize {
        if self.clients.len() >= MAX_CLIENTS {
            return 0;
        }
        match self.acceptor.accept() {
            Ok(Some((connection, peer))) => {
                tracing::info!(%peer, "client connected");
                self.accepted = self.accepted.wrapping_add(1);
                if let Some(announce) = &self.announce
                    && let Ok(twin) = connection.try_clone()
                {
                    // Whoever writes answers has ended already where this fails; the run is ending then.
                    let _ending = announce.send(twin);
                }
                let session = Session::new(max_line_bytes, self.accepted);
                self.clients.push(Client { connection, session, held: Vec::new(), ended: false });
                1
            }
            Ok(None) => 0,
            Err(error) => {
                tracing::warn!(%error, "a client could not be accepted");
                0
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
        let mut at_end = false;
        if self.held.is_empty() {
            match self.connection.recv(buffer) {
                Ok(Received::Bytes(count)) => self.held.extend_from_slice(buffer.get(..count).unwrap_or(&[])),
                Ok(Received::Nothing) => return Ok(0),
                Ok(Received::End) => at_end = true,
                Err(error) => {
                    tracing::warn!(%error, "client connection");
                    at_end = true;
                }
            }
        }
        let received = clock.now();
        let taken = self.session.receive(decoder, &self.held, received, sink).map_err(refused)?;
        self.held.drain(..taken);
        if at_end {
            self.ended = self.session.finish(decoder, received, sink).map_err(refused)?;
        }
        Ok(taken)
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
