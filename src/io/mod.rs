//! Transports: they move bytes and know no protocol.
//!
//! * [`udp`]: multicast and unicast datagrams in batches, by busy-polling `recvmmsg`; kernel drops are counted.
//! * [`tcp`]: non-blocking streams with a bounded buffer for what the kernel does not take.
//! * [`mod@file`]: files of framed bytes at maximum or recorded speed.
//! * [`recording`]: received packets with their stamps, to be pushed through decoding again.
//! * [`bounded`]: files that are read whole, up to a size.
//! * [`same_file`]: whether two paths lead to one file; `shell`: paths in commands that are offered to be typed.
//! * [`descriptors`]: how many files and sockets there may be, and how many of them are for strangers.
//! * [`wait`]: how threads that are not hot wait for sockets and for time.
//!
//! In steady state sockets use nothing but `recvmmsg`, `recvfrom`, `sendto` and `sendmmsg`, never block and never
//! allocate. Setting up returns [`IoError`] with the address or path and the mend.

pub mod bounded;
pub mod descriptors;
mod error;
pub mod file;
pub mod recording;
pub mod same_file;
pub(crate) mod shell;
pub(crate) mod sys;
pub mod tcp;
pub mod udp;
pub mod wait;

pub use error::IoError;
