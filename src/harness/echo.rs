//! The bare echo: what receiving a datagram and sending bytes over TCP cost with nothing decided in between.
//!
//! One thread sends datagrams to a line; the measured thread, pinned and spinning as the engine's would be, receives each
//! through the same kind of socket and sends an order's worth of bytes over a connected TCP stream. The clock is read
//! where the engine reads it: after the receive, and after the send.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use hdrhistogram::Histogram;

use crate::clock::{Clock as _, tsc_clock};
use crate::error::{Error, Result};
use crate::io::tcp::{Received, TcpAcceptor, TcpConnection};
use crate::io::udp::{LOCAL_TTL, ReceiverConfig, UdpReceiver, UdpSender, probe_multicast};
use crate::io::wait::Waiter;
use crate::telemetry::trace::new_histogram;

/// Bytes of a datagram: a MoldUDP64 packet with one short message.
const DATAGRAM: [u8; 64] = [0x5a; 64];
/// Bytes of an order: an OUCH enter order in its SoupBinTCP packet.
const ORDER: [u8; 56] = [0xa5; 56];
/// Rounds that warm caches and are not counted.
const WARM_UP: usize = 200;
/// How long the sender waits for an order before the next datagram.
const ANSWER_LIMIT: Duration = Duration::from_millis(1);
/// How long the whole measurement may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct EchoConfig {
    /// Counted rounds.
    pub rounds: usize,
    /// The core of the measured thread; none leaves it where it is.
    pub core: Option<usize>,
    /// The core of the sending thread.
    pub sender_core: Option<usize>,
}

/// Measures receive to sent, in ns.
///
/// # Errors
/// Where a socket cannot be opened or the rounds do not come back in time.
pub fn bare_echo(config: EchoConfig) -> Result<Histogram<u64>> {
    let thread = std::thread::Builder::new().name("echo".to_owned()).spawn(move || measure(config));
    let thread = thread.map_err(|error| Error::Failed(format!("no thread for the echo: {error}")))?;
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Failed("the echo's thread panicked; please report this".to_owned())))
}

fn measure(config: EchoConfig) -> Result<Histogram<u64>> {
    if let Some(id) = config.core {
        core_affinity::set_for_current(CoreId { id });
    }
    let mut line = open_line()?;
    let acceptor = TcpAcceptor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let mut order = TcpConnection::connect(acceptor.local_addr(), Duration::from_secs(2))?;
    let stop = Arc::new(AtomicBool::new(false));
    let sender = start_sender(line.local_addr(), acceptor, config, Arc::clone(&stop))?;
    let rounds = receive_rounds(&mut line, &mut order, config.rounds);
    stop.store(true, Ordering::Release);
    let sent = sender.join().unwrap_or_else(|_| Err(Error::Failed("the echo's sender panicked".to_owned())));
    let histogram = rounds?;
    let received_orders = sent?;
    if received_orders == 0 {
        return Err(Error::Failed("the echo's orders did not arrive".to_owned()));
    }
    Ok(histogram)
}

fn open_line() -> Result<UdpReceiver> {
    let group = Ipv4Addr::new(239, 192, 7, 99);
    let address = if probe_multicast(Ipv4Addr::LOCALHOST) { group } else { Ipv4Addr::LOCALHOST };
    Ok(UdpReceiver::open(&ReceiverConfig::new(SocketAddrV4::new(address, 0)))?)
}

fn receive_rounds(
    line: &mut UdpReceiver,
    order: &mut TcpConnection,
    rounds: usize,
) -> Result<Histogram<u64>> {
    let (mut clock, _calibrator) = tsc_clock(None);
    let mut histogram = new_histogram()?;
    let start = Instant::now();
    let mut seen = 0;
    while seen < rounds + WARM_UP {
        let count = line.recv_batch().map_err(|error| Error::Failed(format!("echo receive: {error}")))?.len();
        if count == 0 {
            if start.elapsed() > LIMIT {
                return Err(Error::Failed(format!("the echo's datagrams stopped after {seen}")));
            }
            std::hint::spin_loop();
            continue;
        }
        let received = clock.now();
        order.send(&ORDER).map_err(|error| Error::Failed(format!("echo send: {error}")))?;
        let sent = clock.now();
        seen += count;
        if seen > WARM_UP {
            histogram.saturating_record(u64::try_from((sent - received).0).unwrap_or(0));
        }
    }
    Ok(histogram)
}

/// Sends a datagram after each order that comes back. Gives the bytes read.
fn start_sender(
    to: SocketAddrV4,
    acceptor: TcpAcceptor,
    config: EchoConfig,
    stop: Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<Result<u64>>> {
    let sender = UdpSender::open(to, Ipv4Addr::LOCALHOST, LOCAL_TTL)?;
    let body = move || {
        if let Some(id) = config.sender_core {
            core_affinity::set_for_current(CoreId { id });
        }
        let mut peer = None;
        let mut bytes = 0;
        let mut buffer = [0; 4096];
        let mut waiter = Waiter::new();
        while !stop.load(Ordering::Acquire) {
            if peer.is_none() {
                peer = acceptor.accept().map_err(|error| Error::Failed(format!("echo accept: {error}")))?;
            }
            sender.send(&DATAGRAM).map_err(|error| Error::Failed(format!("echo datagram: {error}")))?;
            // It waits as an exchange does, so that the order's send pays for waking it.
            waiter.clear();
            if let Some((peer, _)) = &peer {
                waiter.readable(peer.as_fd());
            }
            waiter.wait(ANSWER_LIMIT).map_err(|error| Error::Failed(format!("echo wait: {error}")))?;
            if let Some((peer, _)) = &mut peer
                && let Ok(Received::Bytes(count)) = peer.recv(&mut buffer)
            {
                bytes += count as u64;
            }
        }
        Ok(bytes)
    };
    std::thread::Builder::new()
        .name("echo-sender".to_owned())
        .spawn(body)
        .map_err(|error| Error::Failed(format!("no thread for the echo's sender: {error}")))
}
