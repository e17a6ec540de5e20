//! JSON lines in: standard input, a file ([`stream`]), TCP clients ([`clients`]), or generated lines.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;
use pricewright_core::kernel::table::Define;
use pricewright_core::kernel::{Column, EventNanos, Full, Nanos, RecordSink, Screen, Text};
use pricewright_feeds::jsonl::decode::{Config as DecoderConfig, Decoder, LINE_CELLS};
use pricewright_feeds::jsonl::generator::{Config as GeneratorConfig, Generator};
use pricewright_feeds::jsonl::session::Session;

use self::clients::{Clients, House};
use self::stream::Stream;
use super::answers::Peer;
use super::vitals::Vitals;
use crate::clock::Clock;
use crate::config::{GeneratedLines, JsonlFeed as Settings};
use crate::error::{Error, Result};
use crate::io::tcp::TcpAcceptor;
use crate::pipeline::edge::Feed;
use crate::pipeline::resume::Resume;
use crate::pipeline::topology::FEED_SOURCE;

mod clients;
mod stream;

/// Bytes read at once.
const CHUNK_LEN: usize = 64 << 10;

/// Lines into events.
pub struct JsonlFeed {
    decoder: Decoder,
    input: Input,
    vitals: Arc<Vitals>,
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

/// What a feed of TCP clients shares with who answers them and with who watches.
pub struct Doors {
    /// Says to whoever writes answers that a client has come.
    pub announce: Option<Sender<Peer>>,
    /// Shows how the clients do.
    pub vitals: Arc<Vitals>,
    /// The most clients that the process has descriptors for.
    pub most_clients: usize,
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
    /// The feed that `settings` describe, going on where `resume` says. `screen` is what the machine refuses of new articles. Returns with it the address it listens on, where
    /// it does.
    ///
    /// # Errors
    /// Where the input cannot be opened, or the journal's definitions do not fit.
    pub fn open(
        settings: &Settings,
        decoder: &DecoderConfig,
        screen: Option<Screen>,
        resume: &Resume,
        doors: Doors,
    ) -> Result<(Self, Option<SocketAddr>)> {
        let vitals = Arc::clone(&doors.vitals);
        let feed = |input| Self::new(decoder, screen, resume, input, vitals);
        if let Some(path) = &settings.file {
            let stream = Stream::open(path, decoder.max_line_bytes, resume.lines())?;
            return Ok((feed(Input::Stream(stream))?, None));
        }
        if let Some(address) = settings.listen {
            let acceptor = TcpAcceptor::bind(address)?;
            let local = acceptor.local_addr();
            let house = House {
                max_line_bytes: decoder.max_line_bytes,
                most: settings.max_clients.min(doors.most_clients),
                idle: Duration::from_secs(settings.idle_s),
                announce: doors.announce,
                vitals: doors.vitals,
            };
            return Ok((feed(Input::Clients(Clients::new(acceptor, house)))?, Some(local)));
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
        if file.metadata().is_ok_and(|about| about.is_dir()) {
            let source = io::ErrorKind::IsADirectory.into();
            let mend = "give the program lines on standard input, as in `pricewright run FILE < lines`";
            return Err(Error::File { path: path.to_path_buf(), source, mend });
        }
        let session = Session::new(decoder.max_line_bytes, 0);
        Ok((feed(Input::Stream(Stream::new(file, path, session, 0)))?, None))
    }

    fn new(
        config: &DecoderConfig,
        screen: Option<Screen>,
        resume: &Resume,
        input: Input,
        vitals: Arc<Vitals>,
    ) -> Result<Self> {
        let mut decoder = Decoder::new(config, FEED_SOURCE).map_err(Error::Usage)?.screened_by(screen);
        for (id, text) in (0u32..).zip(resume.strings(FEED_SOURCE, Column::SKU)) {
            let define = Define { id, column: Column::SKU, source: FEED_SOURCE, text: Text::excerpt(&text) };
            decoder
                .restore(&define)
                .map_err(|error| Error::Usage(format!("the journal's SKU {text:?}: {error}")))?;
        }
        Ok(Self { decoder, input, vitals })
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
        self.vitals.set_room(sink.room() >= LINE_CELLS);
        match &mut self.input {
            Input::Stream(stream) => stream.poll(&mut self.decoder, clock, sink),
            Input::Clients(clients) => clients.poll(&mut self.decoder, clock, sink),
            Input::Generated(generated) => generated.poll(&mut self.decoder, clock, sink),
        }
    }

    fn ended(&self) -> bool {
        match &self.input {
            Input::Stream(stream) => stream.has_ended(),
            Input::Clients(_) | Input::Generated(_) => false,
        }
    }
}

fn refused(_: Full) -> Error {
    Error::Failed("a record was refused although there was room for it; please report this".to_owned())
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
