//! Keeps the way that orders take through the kernel in the caches.
//!
//! The first send after 20 ms of nothing takes 26 µs where one in a dense series takes 6: code and data of the kernel's TCP
//! path have left the caches. A short message to a connection of this machine's own goes the same way and reaches nobody.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use pricewright_core::kernel::Nanos;

use crate::error::{Error, Result};
use crate::io::tcp::{TcpAcceptor, TcpConnection};
use crate::io::wait::nap;

/// As many bytes as an order: OUCH's Enter Order in its SoupBinTCP packet.
const MESSAGE: [u8; 52] = [0; 52];
/// How long making the connection may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection to ourselves, and when it was last used.
#[derive(Debug)]
pub(super) struct WarmPath {
    near: TcpConnection,
    far: TcpConnection,
    every: Nanos,
    used: Nanos,
}

impl WarmPath {
    /// Connects; `None` where `every_us` is 0.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(super) fn open(every_us: u32) -> Result<Option<Self>> {
        if every_us == 0 {
            return Ok(None);
        }
        let acceptor = TcpAcceptor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(failed)?;
        let near = TcpConnection::connect(acceptor.local_addr(), PATIENCE).map_err(failed)?;
        let far = accept(&acceptor, &near).map_err(failed)?;
        Ok(Some(Self { near, far, every: Nanos(i64::from(every_us) * 1_000), used: Nanos(i64::MIN) }))
    }

    /// Nothing else is to be done at `now`: uses the path where that is due.
    #[inline]
    pub(super) fn idle(&mut self, now: Nanos) {
        if now.0.saturating_sub(self.used.0) >= self.every.0 {
            self.exercise(now);
        }
    }

    /// An order went the same way at `now`.
    #[inline]
    pub(super) fn used(&mut self, now: Nanos) {
        self.used = now;
    }

    fn exercise(&mut self, now: Nanos) {
        self.used = now;
        // A path that does not stay warm costs time and nothing else: no order depends on it.
        let _sent = self.near.send(&MESSAGE);
        let _taken = self.far.recv(&mut [0; 2 * MESSAGE.len()]);
    }
}

/// The other end of `near`: strangers may have been first.
fn accept(acceptor: &TcpAcceptor, near: &TcpConnection) -> io::Result<TcpConnection> {
    let own = near.local_addr()?;
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        match acceptor.accept()? {
            Some((far, peer)) if peer == own => return Ok(far),
            Some(_stranger) => {}
            None => nap(Duration::from_millis(1)),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(format!(
        "the connection that keeps the orders' path warm: {error}; [gateway.ouch] warm_us = 0 goes on without"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_used_when_it_is_due_and_leaves_nothing_behind() {
        assert!(WarmPath::open(0).expect("nothing to do").is_none());
        let mut path = WarmPath::open(1_000).expect("opens").expect("is there");
        let mut buffer = [0; 256];
        let mut used = 0;
        for micros in 0..100_000 {
            let now = Nanos(micros * 1_000);
            let before = path.used;
            path.idle(now);
            used += usize::from(path.used != before);
            if micros == 50_300 {
                path.used(now);
            }
        }
        // Every ms from 0 on, and from the order at 50.3 ms on.
        assert_eq!(used, 51 + 49);
        assert!(matches!(path.far.recv(&mut buffer), Ok(crate::io::tcp::Received::Nothing)), "all was taken");
        assert_eq!(path.near.pending(), 0);
    }
}
