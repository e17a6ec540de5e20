//! The floor of everything that crosses sockets: bare echoes on loopback, two pinned threads, nobody waits in the kernel.

use std::hint::spin_loop;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::figure::new_histogram;
use super::timing::{Stopwatch, join, on_core, start_on_core};
use crate::error::{Error, Result};
use crate::io::tcp::{Received, TcpAcceptor, TcpConnection};
use crate::io::udp::{ReceiverConfig, UdpReceiver};

/// What goes to and fro: a MoldUDP64 packet with one short message.
const MESSAGE: [u8; 64] = [0x5a; 64];
/// How long an echo may take.
const LIMIT: Duration = Duration::from_secs(2);
/// One in so many rounds at the beginning warms up.
const WARM_UP_PART: usize = 10;

fn failed(doing: &str, error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("loopback echo, {doing}: {error}"))
}

fn late() -> Error {
    Error::Failed(
        "a loopback echo did not come back within two seconds; is the machine overloaded?".to_owned(),
    )
}

/// Round trips of a datagram between a thread on core `here` and one on core `there`.
///
/// # Errors
/// Where sockets or threads cannot be had, or an echo is lost.
pub fn udp_echo(watch: Stopwatch, here: usize, there: usize, rounds: usize) -> Result<Histogram<u64>> {
    let open = || UdpReceiver::open(&ReceiverConfig::new(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)));
    let (mut ours, mut theirs) = (open()?, open()?);
    let (our_address, their_address) = (ours.local_addr(), theirs.local_addr());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let echo = start_on_core(there, move || {
        // Relaxed: nothing else hangs on it.
        while !stopped.load(Ordering::Relaxed) {
            let count = theirs.recv_batch().map_err(|error| failed("receive", error))?.len();
            for _ in 0..count {
                theirs.send_to(&MESSAGE, our_address).map_err(|error| failed("send", error))?;
            }
            if count == 0 {
                spin_loop();
            }
        }
        Ok(())
    })?;
    let trips = on_core(here, move || {
        round_trips(watch, rounds, |start| {
            ours.send_to(&MESSAGE, their_address).map_err(|error| failed("send", error))?;
            until(start, || Ok(!ours.recv_batch().map_err(|error| failed("receive", error))?.is_empty()))
        })
    });
    stop.store(true, Ordering::Relaxed);
    join(echo)?;
    trips
}

/// Round trips of 64 bytes on a connected stream between a thread on core `here` and one on core `there`.
///
/// # Errors
/// Where sockets or threads cannot be had, or an echo is lost.
pub fn tcp_echo(watch: Stopwatch, here: usize, there: usize, rounds: usize) -> Result<Histogram<u64>> {
    let acceptor = TcpAcceptor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let mut ours = TcpConnection::connect(acceptor.local_addr(), LIMIT)?;
    let mut theirs = accept(&acceptor)?;
    let echo = start_on_core(there, move || {
        let mut buffer = [0; 4096];
        loop {
            match theirs.recv(&mut buffer).map_err(|error| failed("receive", error))? {
                Received::Bytes(count) => {
                    let bytes = buffer.get(..count).unwrap_or(&[]);
                    theirs.send(bytes).map_err(|error| failed("send", error))?;
                }
                Received::Nothing => spin_loop(),
                Received::End => return Ok(()),
            }
        }
    })?;
    let trips = on_core(here, move || {
        let mut buffer = [0; 4096];
        let trips = round_trips(watch, rounds, |start| {
            ours.send(&MESSAGE).map_err(|error| failed("send", error))?;
            let mut got = 0;
            until(start, || {
                if let Received::Bytes(count) =
                    ours.recv(&mut buffer).map_err(|error| failed("receive", error))?
                {
                    got += count;
                }
                Ok(got >= MESSAGE.len())
            })
        });
        ours.shutdown().map_err(|error| failed("close", error))?;
        trips
    });
    join(echo)?;
    trips
}

/// The peer that has connected already.
///
/// # Errors
/// Where there is none after two seconds.
pub fn accept(acceptor: &TcpAcceptor) -> Result<TcpConnection> {
    let start = Instant::now();
    loop {
        if let Some((peer, _)) = acceptor.accept().map_err(|error| failed("accept", error))? {
            return Ok(peer);
        }
        if start.elapsed() > LIMIT {
            return Err(failed("accept", "nobody has connected"));
        }
        std::thread::yield_now();
    }
}

fn round_trips(
    watch: Stopwatch,
    rounds: usize,
    mut trip: impl FnMut(Instant) -> Result<()>,
) -> Result<Histogram<u64>> {
    let mut histogram = new_histogram()?;
    for round in 0..rounds {
        let limit = Instant::now();
        let start = watch.stamp();
        trip(limit)?;
        let end = watch.stamp();
        if round >= rounds / WARM_UP_PART {
            watch.record(&mut histogram, start, end);
        }
    }
    Ok(histogram)
}

/// Spins until `come` says so.
fn until(start: Instant, mut come: impl FnMut() -> Result<bool>) -> Result<()> {
    let mut spins = 0_u32;
    while !come()? {
        spin_loop();
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 16) && start.elapsed() > LIMIT {
            return Err(late());
        }
    }
    Ok(())
}
