//! TCP streams that never wait.
//!
//! Nagle's algorithm is off, keep-alive is on. What the kernel does not take at once is kept in a buffer of fixed size and sent by
//! [`TcpConnection::flush`]; a message that does not fit is handed back whole, so that a peer always sees whole
//! messages in order.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{IoError, sys};

/// Bytes of the buffer for what the kernel does not take at once.
pub const SEND_BUFFER_LEN: usize = 256 * 1024;
/// Peers that may wait to be accepted.
const BACKLOG: i32 = 64;

/// Why bytes could not be sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TcpError {
    /// The buffer has no room for the whole message; none of it was taken. The peer reads too slowly.
    #[error("the send buffer is full")]
    Full,
    /// The peer is gone: it reset the connection.
    #[error("the peer reset the connection")]
    Reset,
    /// Anything else, by its number (`errno`).
    #[error("system error {0}")]
    Os(i32),
}

impl TcpError {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPIPE | libc::ECONNRESET) => Self::Reset,
            other => Self::Os(other.unwrap_or(0)),
        }
    }
}

/// What a receive found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes at the front of the buffer.
    Bytes(usize),
    /// Nothing has come.
    Nothing,
    /// The peer sends no more.
    End,
}

/// A connected stream.
#[derive(Debug)]
pub struct TcpConnection {
    stream: TcpStream,
    /// What the kernel has not taken: `pending[start..end]`.
    pending: Box<[u8]>,
    start: usize,
    end: usize,
}

impl TcpConnection {
    /// Connects, waiting at most `timeout`; for setting up.
    ///
    /// # Errors
    /// Where the peer cannot be reached or refuses.
    pub fn connect(address: SocketAddr, timeout: Duration) -> Result<Self, IoError> {
        let failed = |doing| IoError::socket(doing, address);
        let stream = TcpStream::connect_timeout(&address, timeout).map_err(failed("connect to"))?;
        Self::from_stream(stream).map_err(failed("set up the connection to"))
    }

    /// Takes over a connected stream.
    ///
    /// # Errors
    /// Where the kernel refuses an option.
    pub fn from_stream(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, pending: touched(SEND_BUFFER_LEN), start: 0, end: 0 })
    }

    /// The own address and port.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Receives what has come into `buffer`. Never waits.
    ///
    /// # Errors
    /// Where the connection is broken.
    #[inline]
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<Received, TcpError> {
        if buffer.is_empty() {
            return Ok(Received::Nothing);
        }
        match sys::recv(self.stream.as_fd(), buffer) {
            Ok(0) => Ok(Received::End),
            Ok(count) => Ok(Received::Bytes(count)),
            Err(error) if sys::is_idle(&error) => Ok(Received::Nothing),
            Err(error) => Err(TcpError::of(&error)),
        }
    }

    /// Sends all of `bytes`, after what is pending. Never waits: what the kernel does not take is kept, and
    /// [`Self::flush`] sends it.
    ///
    /// # Errors
    /// [`TcpError::Full`] where not all could be kept: nothing was taken. Else the connection is broken.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), TcpError> {
        if self.pending() > 0 {
            self.flush()?;
        }
        if bytes.len() > self.room() {
            return Err(TcpError::Full);
        }
        let taken = if self.pending() == 0 { self.offer(bytes)? } else { 0 };
        self.keep(bytes.get(taken..).unwrap_or(&[]));
        Ok(())
    }

    /// Offers the kernel what is pending. Returns how many bytes are pending still.
    ///
    /// # Errors
    /// Where the connection is broken.
    #[inline]
    pub fn flush(&mut self) -> Result<usize, TcpError> {
        while self.start < self.end {
            let pending = self.pending.get(self.start..self.end).unwrap_or(&[]);
            match self.offer(pending)? {
                0 => break,
                taken => self.start += taken,
            }
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Ok(self.pending())
    }

    /// Bytes that the kernel has not taken yet.
    #[inline]
    pub fn pending(&self) -> usize {
        self.end - self.start
    }

    /// The longest message that can be sent now without [`TcpError::Full`].
    #[inline]
    pub fn room(&self) -> usize {
        self.pending.len() - self.pending()
    }

    /// The peer's address.
    ///
    /// # Errors
    /// Where it is no longer connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Another handle of the same connection with a send buffer of its own: for a second thread that writes, or one that
    /// shuts it down. Two handles that both write must each write whole messages.
    ///
    /// # Errors
    /// Where the process has too many open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        let stream = self.stream.try_clone()?;
        Ok(Self { stream, pending: touched(SEND_BUFFER_LEN), start: 0, end: 0 })
    }

    /// Ends the connection in both directions; what is pending is lost. For a kill switch and for closing.
    ///
    /// # Errors
    /// Where it was not connected any more.
    pub fn shutdown(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Both)
    }

    /// Says to the peer that nothing more comes; what it sends can still be read.
    ///
    /// # Errors
    /// Where it was not connected any more.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// How many of `bytes` the kernel takes; 0 where its buffer is full.
    #[inline]
    fn offer(&self, bytes: &[u8]) -> Result<usize, TcpError> {
        match sys::send(self.stream.as_fd(), bytes) {
            Ok(taken) => Ok(taken),
            Err(error) if sys::is_idle(&error) => Ok(0),
            Err(error) => Err(TcpError::of(&error)),
        }
    }

    /// Keeps `bytes`, for which there is room.
    fn keep(&mut self, bytes: &[u8]) {
        if self.pending.len() - self.end < bytes.len() {
            self.pending.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.pending());
        }
        if let Some(target) = self.pending.get_mut(self.end..self.end + bytes.len()) {
            target.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }
}

impl AsFd for TcpConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Accepts peers without waiting.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
    local: SocketAddr,
}

impl TcpAcceptor {
    /// Listens on `address`. Port 0 takes a free one.
    ///
    /// # Errors
    /// Where the kernel refuses the address.
    pub fn bind(address: SocketAddr) -> Result<Self, IoError> {
        let failed = |doing| IoError::socket(doing, address);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
            .map_err(failed("open a TCP socket for"))?;
        // A restart must not wait for the last run's connections to time out.
        socket.set_reuse_address(true).map_err(failed("take over the port of"))?;
        socket.set_nonblocking(true).map_err(failed("set up the listener on"))?;
        socket.bind(&address.into()).map_err(failed("bind TCP"))?;
        socket.listen(BACKLOG).map_err(failed("listen on"))?;
        let listener = TcpListener::from(socket);
        let local = listener.local_addr().map_err(failed("read the port of"))?;
        Ok(Self { listener, local })
    }

    /// The next peer that has connected, where there is one.
    ///
    /// # Errors
    /// What the kernel says; the next call may succeed.
    pub fn accept(&self) -> io::Result<Option<(TcpConnection, SocketAddr)>> {
        match self.listener.accept() {
            Ok((stream, peer)) => Ok(Some((TcpConnection::from_stream(stream)?, peer))),
            Err(error) if sys::is_idle(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The address and port it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl AsFd for TcpAcceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// A peer that has vanished without a word is found within a minute: it is asked after 30 s of silence, and given up where it
/// does not answer three times, 10 s apart.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3)
}

/// A buffer whose pages have all been written once, so that its first use takes no page faults. (Zeroed memory may be
/// pages that do not exist yet.)
fn touched(len: usize) -> Box<[u8]> {
    let mut buffer = vec![0xff_u8; len].into_boxed_slice();
    buffer.fill(0);
    buffer
}

#[cfg(test)]
mod tests;
