//! What goes back to the TCP clients of a feed of lines: every price, and how far their own lines were taken.
//!
//! * **Prices** go to every client, each once, from when it came. A client has them while it has sent nothing for a pause (that
//!   behind its coming included), or has ended its input: bytes that a client has not read when it
//!   closes make its kernel throw away the lines that it had still to send, so that nothing is put there while lines come.
//!   What waits is kept in memory up to [`HELD`]; beyond that it is read from the journal again, so that a client which does
//!   not read costs no memory and loses nothing that the journal still holds.
//! * **Acknowledgements** (`ack = true`) say which line of this connection was taken last, and as which record of the journal:
//!   `{"ack":12,"seq":345,"refused":0}`. They are of committed records, and in mode `sync` of durable ones, since that is what
//!   an output sees. They go at once: who asks for them reads them. `refused` counts the connection's lines that went to
//!   the dead letter.
//! * A client that has ended its input gets what is its own and then the end of the connection. At the end of a run every
//!   client does; what it sends meanwhile is read and thrown away, so that no reset overtakes what it was sent.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use pricewright_core::kernel::{DecisionRef, EventRef, RecordRef, SourceId};
use pricewright_feeds::jsonl::encode::Encoder;

use super::vitals::Talk;
use crate::error::{Error, Result};
use crate::io::tcp::{Received, TcpConnection, TcpError};
use crate::io::wait::nap;
use crate::journal::Reader;
use crate::pipeline::helper::Tailer;

/// How long the end of a run waits for clients to take what is theirs, and then for their end.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of prices that are kept for a client that is sending.
pub const HELD: usize = 64 << 10;
/// Records that are read again for one client in one turn.
const BEHIND_BUDGET: usize = 4096;

/// A client that is to be answered.
#[derive(Debug)]
pub struct Peer {
    /// The connection's number, as the marks of its lines carry it.
    number: u16,
    /// To write to.
    connection: TcpConnection,
    talk: Talk,
    /// Lines that wait.
    held: Vec<u8>,
    /// What comes after them is in the journal, from this record on.
    behind: Option<u64>,
    reader: Option<Reader>,
    /// It has ended its input: the last record that concerns it.
    until: Option<u64>,
    ack: Ack,
}

/// How far a client's lines were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ack {
    line: u64,
    seq: u64,
    refused: u64,
    /// It has not been sent yet.
    due: bool,
}

impl Peer {
    /// The client with this number; `talk` shows whether it is sending.
    pub fn new(number: u16, connection: TcpConnection, talk: Talk) -> Self {
        Self {
            number,
            connection,
            talk,
            held: Vec::new(),
            behind: None,
            reader: None,
            until: None,
            ack: Ack::default(),
        }
    }

    fn may_be_sent_to(&self, pause: Duration) -> bool {
        self.until.is_some() || self.talk.is_quiet(pause)
    }

    /// A price that was decided now.
    fn price(&mut self, seq: u64, line: &[u8], pause: Duration) -> core::result::Result<(), TcpError> {
        if self.until.is_some() || self.behind.is_some() {
            return Ok(());
        }
        if self.held.is_empty() && self.may_be_sent_to(pause) {
            match self.connection.send(line) {
                Err(TcpError::Full) => {}
                sent => return sent,
            }
        }
        if self.held.len() + line.len() <= HELD {
            self.held.extend_from_slice(line);
        } else {
            self.behind = Some(seq);
        }
        Ok(())
    }

    /// True once everything has left.
    fn is_served(&self) -> bool {
        self.held.is_empty() && self.behind.is_none() && !self.ack.due && self.connection.pending() == 0
    }

    fn acknowledge(&mut self) -> core::result::Result<(), TcpError> {
        let Ack { line, seq, refused, due } = self.ack;
        if !due {
            return Ok(());
        }
        let text = format!("{{\"ack\":{line},\"seq\":{seq},\"refused\":{refused}}}\n");
        match self.connection.send(text.as_bytes()) {
            Ok(()) => self.ack.due = false,
            Err(TcpError::Full) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends what waits, where it takes it.
    fn catch_up(&mut self, from: &mut Source<'_>, pause: Duration) -> Result<()> {
        let broken = |error: TcpError| Error::Failed(error.to_string());
        self.acknowledge().map_err(broken)?;
        if self.may_be_sent_to(pause) {
            let mut budget = BEHIND_BUDGET;
            while budget > 0 && !(self.held.is_empty() && self.behind.is_none()) {
                match self.connection.send(&self.held) {
                    Ok(()) => self.held.clear(),
                    Err(TcpError::Full) => break,
                    Err(error) => return Err(broken(error)),
                }
                budget = budget.saturating_sub(from.read_again(self, budget)?);
            }
        }
        self.connection.flush().map_err(broken).map(drop)
    }
}

/// Where what a client has missed is read again.
struct Source<'a> {
    dir: &'a Path,
    encoder: &'a Encoder,
    /// The last record that outputs may see.
    taken: u64,
}

impl Source<'_> {
    /// Fills what waits for `peer` from the journal. Returns how many records were looked at, at least one.
    fn read_again(&self, peer: &mut Peer, budget: usize) -> Result<usize> {
        let Some(from) = peer.behind else { return Ok(1) };
        let last = peer.until.unwrap_or(u64::MAX).min(self.taken);
        if peer.reader.is_none() && from <= last {
            peer.reader = Some(Reader::from_seq(self.dir, from)?);
        }
        let Some(reader) = &mut peer.reader else {
            peer.behind = None;
            return Ok(1);
        };
        let mut read = 1;
        while read < budget && peer.held.len() < HELD {
            if reader.next_seq() > last {
                (peer.behind, peer.reader) = (None, None);
                break;
            }
            let Some(record) = reader.next_record()? else { break };
            read += 1;
            let seq = record.header().seq;
            if let Some(DecisionRef::PricePublished(price)) = DecisionRef::of(&record) {
                let written = self.encoder.price(price, seq, &mut peer.held);
                written.map_err(|error| Error::Failed(format!("record {seq}: {error}")))?;
            }
        }
        Ok(read)
    }
}

/// What a feed's clients are sent.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Every price.
    pub prices: bool,
    /// How far their lines were taken.
    pub acks: bool,
    /// How long a client that has sent lines must have been silent before prices go to it.
    pub pause: Duration,
}

/// Answers all connected clients.
pub struct Answers {
    wanted: Wanted,
    dir: PathBuf,
    encoder: Encoder,
    peers: Vec<Peer>,
    new_peers: Receiver<Peer>,
    first_seq: u64,
    /// The last record that was taken.
    taken: u64,
    /// Whose lines are being taken: the source and the connection of the last mark.
    current: (SourceId, u16),
    line: Vec<u8>,
}

impl Answers {
    /// For the clients that come out of `new_peers`, in a run whose first record is `first_seq` of the journal in `dir`.
    pub fn new(
        wanted: Wanted,
        dir: &Path,
        encoder: Encoder,
        first_seq: u64,
        new_peers: Receiver<Peer>,
    ) -> Self {
        Self {
            wanted,
            dir: dir.to_path_buf(),
            encoder,
            peers: Vec::new(),
            new_peers,
            first_seq,
            taken: first_seq.saturating_sub(1),
            current: (SourceId(0), 0),
            line: Vec::new(),
        }
    }

    /// The connection whose lines are being taken, where it is one of `source` and still there.
    fn current(&mut self, source: SourceId) -> Option<&mut Peer> {
        let (known, number) = self.current;
        if known != source || number == 0 {
            return None;
        }
        if !self.peers.iter().any(|peer| peer.number == number) {
            self.peers.extend(self.new_peers.try_iter());
        }
        self.peers.iter_mut().find(|peer| peer.number == number)
    }

    /// A line was taken at `seq`.
    fn line_taken(&mut self, source: SourceId, line: u64, seq: u64) {
        if let Some(peer) = self.current(source) {
            peer.ack = Ack { line, seq, due: true, ..peer.ack };
        }
    }

    fn event(&mut self, seq: u64, event: EventRef<'_>) {
        match event {
            EventRef::Mark(mark) => {
                self.current = (mark.source, mark.line);
                if mark.count == 0
                    && let Some(peer) = self.current(mark.source)
                {
                    peer.until = Some(seq);
                }
            }
            EventRef::Inventory(event) if self.wanted.acks => {
                self.line_taken(event.source, event.position, seq)
            }
            EventRef::Purchase(event) if self.wanted.acks => {
                self.line_taken(event.source, event.position, seq)
            }
            EventRef::Malformed(event) if self.wanted.acks => {
                self.line_taken(event.source, event.position, seq)
            }
            _ => {}
        }
    }

    fn decision(&mut self, seq: u64, decision: DecisionRef<'_>) -> Result<()> {
        match decision {
            DecisionRef::Rejected(rejected) => {
                if let Some(peer) = self.current(rejected.source) {
                    peer.ack.refused += 1;
                }
            }
            DecisionRef::PricePublished(price) if self.wanted.prices => {
                self.line.clear();
                let written = self.encoder.price(price, seq, &mut self.line);
                written.map_err(|error| {
                    Error::Failed(format!("record {seq} cannot be written as JSON: {error}"))
                })?;
                let (line, pause) = (&self.line, self.wanted.pause);
                self.peers.extend(self.new_peers.try_iter());
                self.peers.retain_mut(|peer| or_gone(peer.number, peer.price(seq, line, pause)));
            }
            _ => {}
        }
        Ok(())
    }

    fn serve(&mut self) {
        self.peers.extend(self.new_peers.try_iter());
        let mut source = Source { dir: &self.dir, encoder: &self.encoder, taken: self.taken };
        let pause = self.wanted.pause;
        self.peers.retain_mut(|peer| {
            let there = or_gone(peer.number, peer.catch_up(&mut source, pause));
            if !there || (peer.until.is_some() && peer.is_served()) {
                hang_up(&peer.connection);
                return false;
            }
            true
        });
    }

    /// Gives every client the rest and the end, and reads what they send until theirs.
    fn say_goodbye(&mut self) {
        let start = Instant::now();
        let mut source = Source { dir: &self.dir, encoder: &self.encoder, taken: self.taken };
        self.peers.extend(self.new_peers.try_iter());
        for peer in &mut self.peers {
            peer.until.get_or_insert(self.taken);
        }
        let mut leaving: Vec<TcpConnection> = Vec::new();
        let mut unread = [0; 4096];
        while !(self.peers.is_empty() && leaving.is_empty()) && start.elapsed() < LINGER {
            let mut served = Vec::new();
            self.peers.retain_mut(|peer| {
                let there = peer.catch_up(&mut source, Duration::ZERO).is_ok();
                if there && peer.is_served() {
                    served.extend(peer.connection.try_clone());
                    return false;
                }
                there
            });
            for connection in &served {
                // Where this fails the client has gone already, and the next read says so.
                let _gone = connection.shutdown_write();
            }
            leaving.append(&mut served);
            leaving.retain_mut(|connection| {
                loop {
                    match connection.recv(&mut unread) {
                        Ok(Received::Bytes(_)) => {}
                        Ok(Received::Nothing) => return true,
                        Ok(Received::End) | Err(_) => return false,
                    }
                }
            });
            nap(Duration::from_millis(1));
        }
    }
}

/// False, with a word in the log, where the client is gone.
fn or_gone<E: std::fmt::Display>(number: u16, outcome: core::result::Result<(), E>) -> bool {
    outcome.inspect_err(|error| tracing::warn!(%error, number, "a client is disconnected")).is_ok()
}

/// Ends the connection for its reader on this side, too, which has a handle of its own.
fn hang_up(connection: &TcpConnection) {
    // Where this fails the client has gone already.
    let _gone = connection.shutdown();
}

impl Tailer for Answers {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        let seq = record.header().seq;
        if let Some(EventRef::Define(define)) = EventRef::of(&record) {
            return self.encoder.define(define).map_err(|error| Error::Failed(error.to_string()));
        }
        if seq < self.first_seq {
            return Ok(());
        }
        self.taken = seq;
        match EventRef::of(&record) {
            Some(event) => {
                self.event(seq, event);
                Ok(())
            }
            None => DecisionRef::of(&record).map_or(Ok(()), |decision| self.decision(seq, decision)),
        }
    }

    fn begins_at(&self) -> Option<u64> {
        Some(self.first_seq)
    }

    fn prime(&mut self, record: RecordRef<'_>) -> Result<()> {
        match EventRef::of(&record) {
            Some(EventRef::Define(define)) => {
                self.encoder.define(define).map_err(|error| Error::Failed(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.serve();
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.say_goodbye();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
