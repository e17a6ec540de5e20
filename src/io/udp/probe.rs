//! Does multicast work here?

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::receiver::{ReceiverConfig, UdpReceiver};
use super::sender::{LOCAL_TTL, UdpSender};
use crate::io::wait::Waiter;

/// A group of the range that belongs to an organisation itself (RFC 2365).
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 77);
/// How long the datagram may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// Sends itself a datagram by multicast on `interface` and says whether it came. Takes up to 200 ms; for setting up.
pub fn probe_multicast(interface: Ipv4Addr) -> bool {
    let config = ReceiverConfig {
        interface,
        receive_buffer: 1 << 16,
        ..ReceiverConfig::new(SocketAddrV4::new(GROUP, 0))
    };
    let Ok(mut receiver) = UdpReceiver::open(&config) else { return false };
    let Ok(sender) = UdpSender::open(receiver.local_addr(), interface, LOCAL_TTL) else { return false };
    // Another process may be probing too.
    let word = receiver.local_addr().port().to_le_bytes();
    let probe = [std::process::id().to_le_bytes().as_slice(), &word].concat();
    if sender.send(&probe).is_err() {
        return false;
    }
    let deadline = Instant::now() + PATIENCE;
    let mut waiter = Waiter::new();
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        waiter.clear();
        waiter.readable(receiver.as_fd());
        if waiter.wait(left).is_err() {
            return false;
        }
        match receiver.recv_batch() {
            Ok(batch) if batch.iter().any(|packet| packet.bytes == probe) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}
