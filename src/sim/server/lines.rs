//! The lines that packets leave by, and the server that answers re-requests.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU16, Ordering};

use pricewright_feeds::nasdaq::moldudp64::Responder;

use crate::io::IoError;
use crate::io::udp::{LOCAL_TTL, ReceiverConfig, UdpReceiver, UdpSender};
use crate::sim::config::SimConfig;
use crate::sim::error::SimError;
use crate::sim::faults::{FaultyLine, LineCounters, LossyPath};
use crate::sim::tape::Tape;

/// Ports of lines that are given none: below Linux's ephemeral ones (`ip_local_port_range`).
const FIRST_PORT: u16 = 30_300;
/// How many there are.
const PORTS: u16 = 2_400;
/// Those of them that are tried.
const TRIES: u16 = 64;

/// A line with its faults.
#[derive(Debug)]
pub(super) struct Line {
    socket: UdpSender,
    faults: FaultyLine,
}

impl Line {
    pub(super) fn send(&mut self, packet: &[u8]) {
        let socket = &self.socket;
        self.faults.pass(packet, &mut |bytes| socket.send(bytes).is_ok());
    }

    /// Sends what is held back.
    pub(super) fn flush(&mut self) {
        let socket = &self.socket;
        self.faults.flush(&mut |bytes| socket.send(bytes).is_ok());
    }

    pub(super) fn target(&self) -> SocketAddrV4 {
        self.socket.target()
    }

    pub(super) fn counters(&self) -> LineCounters {
        self.faults.counters()
    }
}

/// Opens the configuration's lines. Port 0 takes a port that is free now: whoever receives the line binds it.
pub(super) fn open_lines(config: &SimConfig) -> Result<Vec<Line>, SimError> {
    let mut held = Vec::new();
    let mut lines = Vec::new();
    for (number, address) in (0..).zip(config.line_addresses()?) {
        let target = match address.port() {
            0 => SocketAddrV4::new(*address.ip(), free_port(config, &mut held)?),
            _ => address,
        };
        let socket = UdpSender::open(target, config.interface, LOCAL_TTL)?;
        lines.push(Line { socket, faults: FaultyLine::new(config.seed, number, config.faults()) });
    }
    Ok(lines)
}

/// A free port. The socket that found it is kept in `held`, so that the next search finds another. It lies below those that
/// the kernel gives to whoever asks for any, if one there is free: so nobody is given it before its receiver has bound it.
fn free_port(config: &SimConfig, held: &mut Vec<UdpSocket>) -> Result<u16, SimError> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let ours = (std::process::id() % u32::from(PORTS)) as u16;
    let on = |port| SocketAddr::from((config.interface, port));
    // Relaxed: any number will do, as long as it is another one each time.
    let next = || FIRST_PORT + ours.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
    let found = (0..TRIES).find_map(|_| UdpSocket::bind(on(next())).ok());
    let failed = |source| IoError::Socket { doing: "find a free port on", address: on(0), source };
    let socket = found.map_or_else(|| UdpSocket::bind(on(0)), Ok).map_err(failed)?;
    let port = socket.local_addr().map_err(failed)?.port();
    held.push(socket);
    Ok(port)
}

/// What a re-request server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReRequestCounters {
    /// Requests that arrived.
    pub received: u64,
    /// Answers that were sent.
    pub served: u64,
    /// Requests and answers that were lost on purpose.
    pub lost: u64,
    /// Requests that get no answer: not MoldUDP64, of another session, or for messages that do not exist.
    pub unanswered: u64,
    /// Answers that the socket refused.
    pub refused: u64,
}

/// Answers re-requests from the tape.
#[derive(Debug)]
pub(super) struct ReRequests {
    socket: UdpReceiver,
    responder: Responder,
    path: LossyPath,
    counters: ReRequestCounters,
    /// Who asked what, copied out of the socket's buffers.
    pending: Vec<(SocketAddrV4, Vec<u8>)>,
}

impl ReRequests {
    pub(super) fn open(config: &SimConfig, responder: Responder) -> Result<Self, SimError> {
        let socket = UdpReceiver::open(&ReceiverConfig::new(config.rerequest_address()?))?;
        let path = LossyPath::new(config.seed, config.rerequest_loss);
        Ok(Self { socket, responder, path, counters: ReRequestCounters::default(), pending: Vec::new() })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.socket.local_addr()
    }

    pub(super) fn counters(&self) -> ReRequestCounters {
        ReRequestCounters { lost: self.path.lost(), ..self.counters }
    }

    /// Answers what has arrived.
    pub(super) fn serve(&mut self, tape: &Tape) {
        // An error of the socket concerns one datagram; the next call goes on.
        while let Ok(batch) = self.socket.recv_batch()
            && !batch.is_empty()
        {
            self.pending.extend(batch.iter().map(|packet| (packet.from(), packet.bytes.to_vec())));
            for (from, request) in std::mem::take(&mut self.pending) {
                self.answer(from, &request, tape);
            }
        }
    }

    fn answer(&mut self, from: SocketAddrV4, request: &[u8], tape: &Tape) {
        self.counters.received += 1;
        if !self.path.passes() {
            return;
        }
        let Ok(Some(packet)) = self.responder.respond(request, tape) else {
            self.counters.unanswered += 1;
            return;
        };
        if !self.path.passes() {
            return;
        }
        match self.socket.send_to(packet, from) {
            Ok(()) => self.counters.served += 1,
            Err(_) => self.counters.refused += 1,
        }
    }
}

impl AsFd for ReRequests {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
