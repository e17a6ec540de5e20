//! The bare echo: receive a datagram, send an order's worth of bytes. Nothing is decided, nothing is written.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::io::tcp::{Received, TcpConnection};
use crate::io::udp::{ReceiverConfig, UdpReceiver};

/// Bytes that the desk sends for a packet: two replaced orders in OUCH and SoupBinTCP, as the check counts them.
pub(super) const ORDER_LEN: usize = 98;
/// Where a MoldUDP64 packet has its sequence, which the echo gives back so that its packet is known.
const SEQUENCE_AT: usize = 10;

/// The echo's two ends.
pub(super) struct Echo {
    line: UdpReceiver,
    orders: TcpConnection,
    order: [u8; ORDER_LEN],
    answers: Box<[u8]>,
}

fn failed(doing: &str, error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("the bare echo, {doing}: {error}"))
}

impl Echo {
    /// Opens the line and connects.
    pub(super) fn open(venue: SocketAddr) -> Result<Self> {
        let line = UdpReceiver::open(&ReceiverConfig::new(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))?;
        let orders = TcpConnection::connect(venue, Duration::from_secs(2))?;
        let answers = vec![0; 64 << 10].into_boxed_slice();
        Ok(Self { line, orders, order: [0xa5; ORDER_LEN], answers })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.line.local_addr()
    }

    /// What a turn of the engine does with its sockets: takes answers, takes datagrams, sends.
    #[inline]
    pub(super) fn poll(&mut self) -> Result<usize> {
        let mut work = 0;
        // What is in the answers is of no interest here.
        if let Received::Bytes(count) =
            self.orders.recv(&mut self.answers).map_err(|error| failed("answers", error))?
        {
            work += count;
        }
        let batch = self.line.recv_batch().map_err(|error| failed("receive", error))?;
        for packet in batch.iter() {
            let sequence = packet.bytes.get(SEQUENCE_AT..SEQUENCE_AT + 8).unwrap_or(&[0; 8]);
            if let Some(place) = self.order.get_mut(..8) {
                place.copy_from_slice(sequence);
            }
            self.orders.send(&self.order).map_err(|error| failed("send", error))?;
            work += 1;
        }
        Ok(work)
    }
}
