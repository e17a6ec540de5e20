//! The sending socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::slots::BATCH_LEN;
use crate::io::{IoError, sys};

/// How far multicast travels: 0 stays on this machine, 1 on this network.
pub const LOCAL_TTL: u32 = 0;

/// Sends datagrams to one address, a multicast group or a host.
#[derive(Debug)]
pub struct UdpSender {
    socket: Socket,
    target: libc::sockaddr_in,
}

impl UdpSender {
    /// Opens a socket towards `target`, out of the interface with the own address `interface`. Multicast is looped back
    /// to this machine and passes `ttl` networks: 0 none, 1 the next.
    ///
    /// # Errors
    /// Where the kernel refuses a step.
    pub fn open(target: SocketAddrV4, interface: Ipv4Addr, ttl: u32) -> Result<Self, IoError> {
        let failed = |doing| IoError::socket(doing, target);
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
            .map_err(failed("open a UDP socket towards"))?;
        if target.ip().is_multicast() {
            socket.set_multicast_if_v4(&interface).map_err(failed("choose the interface towards"))?;
            socket.set_multicast_loop_v4(true).map_err(failed("loop back multicast to"))?;
            socket.set_multicast_ttl_v4(ttl).map_err(failed("set how far multicast travels to"))?;
        }
        let own = SocketAddrV4::new(interface, 0);
        socket.bind(&SocketAddr::V4(own).into()).map_err(IoError::socket("send from the interface", own))?;
        Ok(Self { socket, target: sys::to_sockaddr(target) })
    }

    /// Sends one datagram with `sendto`, without waiting.
    ///
    /// # Errors
    /// What the kernel says; `WouldBlock` where its send buffer is full.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        sys::send_to(self.socket.as_fd(), bytes, &self.target).map(|_| ())
    }

    /// Sends up to [`BATCH_LEN`] of `packets` with one `sendmmsg`, without waiting. Returns how many were sent, from the
    /// front; offer the rest again.
    ///
    /// # Errors
    /// What the kernel says where not even the first was sent; `WouldBlock` where its send buffer is full.
    pub fn send_batch(&mut self, packets: &[&[u8]]) -> io::Result<usize> {
        let packets = packets.get(..BATCH_LEN).unwrap_or(packets);
        let mut iovecs = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH_LEN];
        for (iovec, packet) in iovecs.iter_mut().zip(packets) {
            *iovec = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
        }
        let mut headers = [sys::empty_header(); BATCH_LEN];
        for (header, iovec) in headers.iter_mut().zip(&mut iovecs) {
            header.msg_hdr.msg_name = (&raw mut self.target).cast();
            header.msg_hdr.msg_namelen = sys::ADDRESS_LEN;
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the first `packets.len()` headers, at most `BATCH_LEN`, point at iovecs, packets and an address that
        // live during the call; the kernel only reads them, apart from the headers' `msg_len`, which are ours.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                packets.len() as libc::c_uint,
                flags,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Where datagrams go.
    pub fn target(&self) -> SocketAddrV4 {
        sys::from_sockaddr(&self.target)
    }
}
