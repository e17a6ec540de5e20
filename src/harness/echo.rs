//! The bare echo: what receiving a feed's datagrams and sending bytes over TCP cost with nothing decided in between.
//!
//! The measured thread, pinned and spinning as the engine's, receives the lines of a feed that goes on, through the same
//! kind of sockets, and sends an order's worth of bytes over a connected TCP stream at every n-th datagram: as often as
//! the engine sent, so that both find the path of a send as cold. The peer sleeps until bytes come, and answers, as a venue
//! does. The clock is read where the engine reads it: after the receive, and after the send.

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
use crate::io::udp::{ReceiverConfig, UdpReceiver};
use crate::io::wait::Waiter;
use crate::telemetry::trace::new_histogram;

/// Bytes of an order: an OUCH enter order in its SoupBinTCP packet.
const ORDER: [u8; 52] = [0xa5; 52];
/// Sends that warm caches and are not counted.
const WARM_UP: u64 = 5;
/// How long the peer sleeps at most, and so how soon it notices the end.
const NAP: Duration = Duration::from_millis(20);

/// What to measure.
#[derive(Clone, Debug)]
pub struct EchoConfig {
    /// The lines to receive.
    pub lines: Vec<SocketAddrV4>,
    /// An order is sent at each so-many-th datagram.
    pub every: u64,
    /// Orders to count at most.
    pub orders: u64,
    /// How long it may take.
    pub limit: Duration,
    /// The core of the measured thread; none leaves it where it is.
    pub core: Option<usize>,
    /// The core of the peer.
    pub peer_core: Option<usize>,
}

/// Measures receive to sent, in ns.
///
/// # Errors
/// Where a socket cannot be opened, or no datagrams come.
pub fn bare_echo(config: EchoConfig) -> Result<Histogram<u64>> {
    let thread = std::thread::Builder::new().name("echo".to_owned()).spawn(move || measure(&config));
    let thread = thread.map_err(|error| Error::Failed(format!("no thread for the echo: {error}")))?;
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Failed("the echo's thread panicked; please report this".to_owned())))
}

fn measure(config: &EchoConfig) -> Result<Histogram<u64>> {
    if let Some(id) = config.core {
        core_affinity::set_for_current(CoreId { id });
    }
    // As the engine opens them.
    let config_of = |line: SocketAddrV4| ReceiverConfig { kernel_stamps: true, ..ReceiverConfig::new(line) };
    let open = |line: &SocketAddrV4| Ok(UdpReceiver::open(&config_of(*line))?);
    let lines = config.lines.iter().map(open).collect::<Result<Vec<_>>>()?;
    let acceptor = TcpAcceptor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let order = TcpConnection::connect(acceptor.local_addr(), Duration::from_secs(2))?;
    let stop = Arc::new(AtomicBool::new(false));
    let peer = start_peer(acceptor, config.peer_core, Arc::clone(&stop))?;
    let measured = receive(lines, order, config);
    stop.store(true, Ordering::Release);
    let taken = peer.join().unwrap_or_else(|_| Err(Error::Failed("the echo's peer panicked".to_owned())));
    let histogram = measured?;
    if taken? == 0 || histogram.is_empty() {
        return Err(Error::Failed("the echo received no datagrams, or its orders did not arrive".to_owned()));
    }
    Ok(histogram)
}

fn receive(
    mut lines: Vec<UdpReceiver>,
    mut order: TcpConnection,
    config: &EchoConfig,
) -> Result<Histogram<u64>> {
    let (mut clock, _calibrator) = tsc_clock(None);
    let mut histogram = new_histogram()?;
    let mut answers = [0; 4096];
    let start = Instant::now();
    let (mut datagrams, mut sent) = (0, 0);
    while histogram.len() < config.orders && start.elapsed() < config.limit {
        let _answers = order.recv(&mut answers);
        let mut idle = true;
        for line in &mut lines {
            let count =
                line.recv_batch().map_err(|error| Error::Failed(format!("echo receive: {error}")))?.len();
            let before = datagrams / config.every.max(1);
            datagrams += count as u64;
            idle &= count == 0;
            if datagrams / config.every.max(1) == before {
                continue;
            }
            let received = clock.now();
            order.send(&ORDER).map_err(|error| Error::Failed(format!("echo send: {error}")))?;
            let after = clock.now();
            sent += 1;
            if sent > WARM_UP {
                histogram.saturating_record(u64::try_from((after - received).0).unwrap_or(0));
            }
        }
        if idle {
            std::hint::spin_loop();
        }
    }
    Ok(histogram)
}

/// Answers each order with as many bytes. Gives the bytes read.
fn start_peer(
    acceptor: TcpAcceptor,
    core: Option<usize>,
    stop: Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<Result<u64>>> {
    let body = move || {
        if let Some(id) = core {
            core_affinity::set_for_current(CoreId { id });
        }
        let mut peer = None;
        let mut bytes = 0;
        let mut buffer = [0; 4096];
        let mut waiter = Waiter::new();
        while !stop.load(Ordering::Acquire) {
            waiter.clear();
            match &peer {
                Some((peer, _)) => waiter.readable(TcpConnection::as_fd(peer)),
                None => waiter.readable(acceptor.as_fd()),
            };
            waiter.wait(NAP).map_err(|error| Error::Failed(format!("echo wait: {error}")))?;
            if peer.is_none() {
                peer = acceptor.accept().map_err(|error| Error::Failed(format!("echo accept: {error}")))?;
            }
            if let Some((peer, _)) = &mut peer
                && let Ok(Received::Bytes(count)) = peer.recv(&mut buffer)
            {
                bytes += count as u64;
                let _answered = peer.send(buffer.get(..count).unwrap_or(&[]));
            }
        }
        Ok(bytes)
    };
    std::thread::Builder::new()
        .name("echo-peer".to_owned())
        .spawn(body)
        .map_err(|error| Error::Failed(format!("no thread for the echo's peer: {error}")))
}
