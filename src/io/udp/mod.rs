//! Datagrams over IPv4: multicast or unicast, received in batches by busy polling.
//!
//! Loopback carries multicast on most machines, so that two groups make A and B lines without a network. Some
//! containers cannot: ask [`probe_multicast`] first, fall back to loopback unicast, and say so.

mod probe;
mod receiver;
mod sender;
mod slots;
#[cfg(test)]
mod tests;

pub use probe::probe_multicast;
pub use receiver::{ReceiverConfig, UdpReceiver};
pub use sender::{LOCAL_TTL, UdpSender};
pub use slots::{BATCH_LEN, Batch, DATAGRAM_LEN, Packet};
