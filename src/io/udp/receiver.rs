//! The receiving socket.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::slots::{Batch, Slots};
use crate::io::{IoError, sys};

/// The receive buffer asked for where the configuration does not say. The kernel grants at most `net.core.rmem_max`
/// unless the process is privileged.
const DEFAULT_RECEIVE_BUFFER: usize = 8 << 20;

/// What a receiver listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// A multicast group and port, or an own address and port. Port 0 takes a free one.
    pub address: SocketAddrV4,
    /// The own address of the interface that joins the group.
    pub interface: Ipv4Addr,
    /// Bytes of the kernel's receive buffer to ask for.
    pub receive_buffer: usize,
    /// Have the kernel stamp each datagram.
    pub kernel_stamps: bool,
}

impl ReceiverConfig {
    /// On loopback, with a buffer of 8 MiB and no kernel stamps.
    pub fn new(address: SocketAddrV4) -> Self {
        Self {
            address,
            interface: Ipv4Addr::LOCALHOST,
            receive_buffer: DEFAULT_RECEIVE_BUFFER,
            kernel_stamps: false,
        }
    }
}

/// A UDP socket that is polled for batches. It can also send, so that answers to a request come to the asking socket.
pub struct UdpReceiver {
    socket: Socket,
    local: SocketAddrV4,
    slots: Slots,
    packets: u64,
    dropped: u64,
    drop_count: u32,
    receive_buffer: usize,
}

impl UdpReceiver {
    /// Opens, binds and, for a multicast address, joins.
    ///
    /// A group is bound to its own address, so that datagrams of other groups on the same port stay out.
    ///
    /// # Errors
    /// Where the kernel refuses a step.
    pub fn open(config: &ReceiverConfig) -> Result<Self, IoError> {
        let address = config.address;
        let failed = |doing| IoError::socket(doing, address);
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
            .map_err(failed("open a UDP socket for"))?;
        let receive_buffer = grow_receive_buffer(&socket, config.receive_buffer)
            .map_err(failed("set the receive buffer of"))?;
        sys::set_option(socket.as_fd(), libc::SO_RXQ_OVFL, 1).map_err(failed("count kernel drops of"))?;
        if config.kernel_stamps {
            sys::set_option(socket.as_fd(), libc::SO_TIMESTAMPNS, 1)
                .map_err(failed("have the kernel stamp"))?;
        }
        if address.ip().is_multicast() {
            // Several processes of one machine may listen to a group.
            socket.set_reuse_address(true).map_err(failed("share the port of"))?;
        }
        socket.bind(&SocketAddr::V4(address).into()).map_err(failed("bind UDP"))?;
        if address.ip().is_multicast() {
            socket.set_multicast_all_v4(false).map_err(failed("keep other groups out of"))?;
            socket
                .join_multicast_v4(address.ip(), &config.interface)
                .map_err(failed("join the multicast group"))?;
        }
        let local = socket.local_addr().map_err(failed("read the port of"))?;
        let local = local.as_socket_ipv4().unwrap_or(address);
        Ok(Self { socket, local, slots: Slots::new(), packets: 0, dropped: 0, drop_count: 0, receive_buffer })
    }

    /// Receives what has come, up to [`super::BATCH_LEN`] datagrams, with one `recvmmsg`. Never waits: the batch is
    /// empty where nothing has come.
    ///
    /// # Errors
    /// What the kernel says against the socket; the next call may succeed.
    #[inline]
    pub fn recv_batch(&mut self) -> io::Result<Batch<'_>> {
        let count = self.slots.receive(self.socket.as_fd())?;
        self.packets += count as u64;
        if let Some(drop_count) = self.slots.drop_count() {
            // The kernel's count is 32 bits wide and wraps.
            self.dropped += u64::from(drop_count.wrapping_sub(self.drop_count));
            self.drop_count = drop_count;
        }
        Ok(self.slots.batch())
    }

    /// Sends one datagram from this socket's port, without waiting.
    ///
    /// # Errors
    /// What the kernel says; `WouldBlock` where its send buffer is full.
    pub fn send_to(&self, bytes: &[u8], to: SocketAddrV4) -> io::Result<()> {
        sys::send_to(self.socket.as_fd(), bytes, &sys::to_sockaddr(to)).map(|_| ())
    }

    /// The address and port it is bound to.
    pub fn local_addr(&self) -> SocketAddrV4 {
        self.local
    }

    /// Datagrams received.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Datagrams that the kernel dropped because its receive buffer was full. Known only once a later one is received.
    #[inline]
    pub fn kernel_drops(&self) -> u64 {
        self.dropped
    }

    /// Bytes that the kernel granted for the receive buffer: what it reports, half of which is for payload.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }
}

impl AsFd for UdpReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for UdpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpReceiver")
            .field("local", &self.local)
            .field("packets", &self.packets)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// Asks for `bytes`, past the system's limit where the process may. Returns what the kernel granted.
fn grow_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<usize> {
    let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX / 2);
    if sys::set_option(socket.as_fd(), libc::SO_RCVBUFFORCE, wanted).is_err() {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.recv_buffer_size()
}
