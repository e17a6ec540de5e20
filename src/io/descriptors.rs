//! File descriptors: how many the process may have, and how many of them strangers may take.
//!
//! The journal opens a file at every segment, the chain, the snapshots and the replica theirs. A run that has none left cannot
//! write on, so that they are set aside before the first client is accepted.

use std::io;

/// Descriptors that the engine may open while it runs, beside those that are open when strangers are let in: segments,
/// snapshots, archives, readers of tailers, operators.
pub const RESERVED: usize = 48;

/// Raises the number of descriptors that the process may have to the most that the system allows it, and returns that. Where it
/// cannot be raised it stays as it is.
///
/// # Errors
/// Where the kernel does not say.
pub fn raise_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable for the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        // SAFETY: `raised` is readable for the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            limit = raised;
        }
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Descriptors that are open now.
///
/// # Errors
/// Where `/proc` is not there.
pub fn open_now() -> io::Result<usize> {
    // One of them is that of the listing.
    std::fs::read_dir("/proc/self/fd").map(|entries| entries.count().saturating_sub(1))
}

/// Descriptors that strangers may take, of `limit`, while `open` are in use.
pub fn to_spare(limit: usize, open: usize) -> usize {
    limit.saturating_sub(open).saturating_sub(RESERVED)
}

#[cfg(test)]
mod tests;
