//! The system calls of the steady state, one function each.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, BorrowedFd};

/// `recv(2)` without waiting (system call `recvfrom`).
#[inline]
pub(super) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `buffer` is writable for its whole length during the call, and the descriptor is open while borrowed.
    let count =
        unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// `send(2)` without waiting and without SIGPIPE (system call `sendto`).
#[inline]
pub(super) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `bytes` is readable for its whole length during the call, and the descriptor is open while borrowed.
    let count = unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// `sendto(2)` without waiting.
#[inline]
pub(super) fn send_to(fd: BorrowedFd<'_>, bytes: &[u8], to: &libc::sockaddr_in) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `bytes` and `to` are readable for the lengths passed during the call, and the descriptor is open while
    // borrowed.
    let count = unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            flags,
            std::ptr::from_ref(to).cast(),
            ADDRESS_LEN,
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Bytes of an IPv4 socket address.
pub(super) const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

/// Sets a socket option whose value is an `int`.
pub(super) fn set_option(fd: BorrowedFd<'_>, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes from `value`, which lives during the call.
    let outcome = unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, std::ptr::from_ref(&value).cast(), len)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kernel's form of an address.
pub(super) fn to_sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// The address from the kernel's form.
#[inline]
pub(super) fn from_sockaddr(address: &libc::sockaddr_in) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()), u16::from_be(address.sin_port))
}

/// A message header that points nowhere.
pub(super) fn empty_header() -> libc::mmsghdr {
    // SAFETY: all-zero is a valid `mmsghdr`: null pointers with zero lengths.
    unsafe { mem::zeroed() }
}

/// True where the call found nothing to do now: it would have waited, or a signal came.
#[inline]
pub(super) fn is_idle(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR))
}

/// True where this process was started with `signal` ignored, as `nohup` does.
pub(crate) fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all-zero is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes the present action into `action`, which lives during the call; none is set.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Ignores `signal` from now on.
pub(crate) fn ignore(signal: libc::c_int) {
    // SAFETY: to ignore a signal touches no memory of ours. Where it fails the signal does what it did before.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// What is said where a mapped file was cut short behind our back: the kernel ends the process then (SIGBUS).
const CUT_SHORT: &[u8] =
    b"pricewright: a file in use was cut short by somebody else, or its disk failed (SIGBUS): the process \
ends. What was written is in the journal: `pricewright journal verify DIR` says how far.\n";

extern "C" fn say_cut_short(_signal: libc::c_int) {
    // A pipe that is full, or a terminal that hangs, would keep the process from its end.
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `poll` may be called in a handler; the entry lives during the call, which does not wait.
    let ready = unsafe { libc::poll(&raw mut stderr, 1, 0) };
    if ready != 1 || stderr.revents & libc::POLLOUT == 0 {
        return;
    }
    // SAFETY: `write` may be called in a handler, and the text is static. The handler runs once: behind it the access that failed
    // is tried again and ends the process.
    let _written = unsafe { libc::write(libc::STDERR_FILENO, CUT_SHORT.as_ptr().cast(), CUT_SHORT.len()) };
}

/// Has a bus error say a word before it ends the process.
pub(crate) fn say_bus_errors() {
    // SAFETY: all-zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    let handler: extern "C" fn(libc::c_int) = say_cut_short;
    (action.sa_sigaction, action.sa_flags) = (handler as libc::sighandler_t, libc::SA_RESETHAND);
    // SAFETY: the handler does nothing that a handler must not; where it cannot be set the process ends without a word.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) };
}

/// Columns of the terminal behind `fd`; `None` where it is none, or does not say.
pub(crate) fn columns(fd: BorrowedFd<'_>) -> Option<usize> {
    // SAFETY: all-zero is a valid `winsize`.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes into `size`, which lives during the call; the descriptor is open while borrowed.
    let asked = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
    (asked == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
