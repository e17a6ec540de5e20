//! The buffers that `recvmmsg` fills, and how they are read.
//!
//! All buffers are allocated and touched once. Each of [`BATCH_LEN`] slots has room for a datagram, its sender and its
//! control messages; one header per slot points at them.

use std::cell::UnsafeCell;
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, BorrowedFd};

use pricewright_core::kernel::Nanos;

use crate::io::sys;

/// The most datagrams one call receives.
pub const BATCH_LEN: usize = 32;
/// The largest datagram that is received whole. Larger ones are cut off and marked.
pub const DATAGRAM_LEN: usize = 2048;
/// Room for a time stamp and a drop count (56 bytes), and to spare.
const CONTROL_LEN: usize = 128;

#[repr(C, align(8))]
struct Slot {
    control: [u8; CONTROL_LEN],
    from: libc::sockaddr_in,
    bytes: [u8; DATAGRAM_LEN],
}

/// The slots, and how many of them the last call filled.
pub(super) struct Slots {
    headers: Vec<libc::mmsghdr>,
    slots: Vec<UnsafeCell<Slot>>,
    /// Read by the kernel through the headers only.
    _iovecs: Vec<libc::iovec>,
    filled: usize,
}

// SAFETY: the pointers in the headers and iovecs lead only into the heap blocks of `slots` and `_iovecs`, which move
// with the value; the cells are read through `&self` only, written by the kernel only during `receive(&mut self)`.
unsafe impl Send for Slots {}

impl Slots {
    pub(super) fn new() -> Self {
        let address = sys::to_sockaddr(SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));
        let slots: Vec<UnsafeCell<Slot>> = (0..BATCH_LEN)
            .map(|_| {
                UnsafeCell::new(Slot { control: [0; CONTROL_LEN], from: address, bytes: [0; DATAGRAM_LEN] })
            })
            .collect();
        let mut iovecs: Vec<libc::iovec> = slots
            .iter()
            .map(|slot| {
                // SAFETY: `get` gives a pointer to a live slot; taking a field's address reads nothing.
                let bytes = unsafe { &raw mut (*slot.get()).bytes };
                libc::iovec { iov_base: bytes.cast(), iov_len: DATAGRAM_LEN }
            })
            .collect();
        let first_iovec = iovecs.as_mut_ptr();
        let headers = slots
            .iter()
            .enumerate()
            .map(|(index, slot)| {
                let mut header = sys::empty_header();
                // SAFETY: `get` gives a pointer to a live slot, and `index` is below the number of iovecs; taking
                // addresses reads nothing.
                unsafe {
                    header.msg_hdr.msg_name = (&raw mut (*slot.get()).from).cast();
                    header.msg_hdr.msg_control = (&raw mut (*slot.get()).control).cast();
                    header.msg_hdr.msg_iov = first_iovec.add(index);
                }
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_namelen = sys::ADDRESS_LEN;
                header.msg_hdr.msg_controllen = CONTROL_LEN;
                header
            })
            .collect();
        Self { headers, slots, _iovecs: iovecs, filled: 0 }
    }

    /// One `recvmmsg` without waiting. Returns how many slots it filled; 0 where nothing had come.
    #[inline]
    pub(super) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        for header in self.headers.iter_mut().take(self.filled) {
            // The kernel wrote the lengths it used over the lengths there are.
            header.msg_hdr.msg_namelen = sys::ADDRESS_LEN;
            header.msg_hdr.msg_controllen = CONTROL_LEN;
        }
        self.filled = 0;
        let count = self.headers.len() as libc::c_uint;
        // SAFETY: each header points at a slot and an iovec that this value owns and that nobody reads during the call,
        // since it holds `&mut self`; the lengths in the headers are those of the slot's fields.
        let outcome = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        match usize::try_from(outcome) {
            Ok(count) => self.filled = count,
            Err(_) => {
                let error = io::Error::last_os_error();
                if !sys::is_idle(&error) {
                    return Err(error);
                }
            }
        }
        Ok(self.filled)
    }

    /// What the last call received.
    #[inline]
    pub(super) fn batch(&self) -> Batch<'_> {
        Batch { slots: self }
    }

    /// The kernel's count of dropped datagrams as the last one received carries it; it carries none before the first
    /// drop.
    #[inline]
    pub(super) fn drop_count(&self) -> Option<u32> {
        let header = self.headers.get(self.filled.checked_sub(1)?)?;
        control_of(header, libc::SO_RXQ_OVFL)
    }
}

/// The datagrams of one call, in the order of their arrival.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    slots: &'a Slots,
}

impl<'a> Batch<'a> {
    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        self.slots.filled
    }

    /// True where nothing had come.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.filled == 0
    }

    /// The datagrams.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        let slots = self.slots;
        slots.headers.iter().zip(&slots.slots).take(slots.filled).map(|(header, slot)| {
            // SAFETY: the kernel writes slots only during `receive`, which needs `&mut Slots`; the batch holds `&Slots`.
            let slot = unsafe { &*slot.get() };
            let len = (header.msg_len as usize).min(DATAGRAM_LEN);
            Packet { bytes: slot.bytes.get(..len).unwrap_or(&[]), slot, header }
        })
    }
}

/// A received datagram.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    /// Its payload.
    pub bytes: &'a [u8],
    slot: &'a Slot,
    header: &'a libc::mmsghdr,
}

impl Packet<'_> {
    /// Who sent it.
    #[inline]
    pub fn from(&self) -> SocketAddrV4 {
        sys::from_sockaddr(&self.slot.from)
    }

    /// True where it was longer than [`DATAGRAM_LEN`] and its end is lost.
    #[inline]
    pub fn truncated(&self) -> bool {
        self.header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0
    }

    /// When the kernel received it, by `CLOCK_REALTIME`, where the socket asks for such stamps.
    #[inline]
    pub fn kernel_stamp(&self) -> Option<Nanos> {
        let time: libc::timespec = control_of(self.header, libc::SCM_TIMESTAMPNS)?;
        Some(Nanos(time.tv_sec.checked_mul(1_000_000_000)?.checked_add(time.tv_nsec)?))
    }
}

/// What may be read out of a control message: plain numbers, for which any bytes are valid.
///
/// # Safety
/// Any bytes must be a valid value of the type.
unsafe trait ControlValue: Copy {}

// SAFETY: any four bytes are a `u32`.
unsafe impl ControlValue for u32 {}
// SAFETY: a `timespec` is two integers.
unsafe impl ControlValue for libc::timespec {}

/// The socket-level control message `kind` of a received datagram.
#[inline]
fn control_of<T: ControlValue>(header: &libc::mmsghdr, kind: libc::c_int) -> Option<T> {
    // SAFETY: after `recvmmsg` the header's control pointer and length describe control messages that the kernel wrote
    // into this slot, which lives as long as the header; the CMSG functions stay within that length. A message is read
    // only where its own length covers the value, unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header.msg_hdr);
        while let Some(found) = message.as_ref() {
            let long_enough = found.cmsg_len >= libc::CMSG_LEN(size_of::<T>() as libc::c_uint) as usize;
            if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == kind && long_enough {
                return Some(libc::CMSG_DATA(message).cast::<T>().read_unaligned());
            }
            message = libc::CMSG_NXTHDR(&raw const header.msg_hdr, message);
        }
    }
    None
}
