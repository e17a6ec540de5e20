//! What goes wrong with sockets and files while setting up.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A socket or file that cannot be used, with the mend.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    /// The kernel refused something about a socket.
    #[error("cannot {doing} {address}: {source}; {}", socket_mend(source))]
    Socket {
        /// What was tried.
        doing: &'static str,
        /// With which address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The kernel refused something about a file.
    #[error("cannot {doing} {}: {source}; {}", path.display(), file_mend(source))]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged at byte {offset}: {what}; restore it from a copy, or record it again", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where the unreadable part begins.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

impl IoError {
    /// The address or file that it is about.
    pub fn place(&self) -> Value {
        match self {
            Self::Socket { address, .. } => json!({ "address": address.to_string() }),
            Self::File { path, .. } => json!({ "file": path.display().to_string() }),
            Self::Damaged { path, offset, .. } => {
                json!({ "file": path.display().to_string(), "offset": offset })
            }
        }
    }

    /// What helps.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Socket { source, .. } => socket_mend(source),
            Self::File { source, .. } => file_mend(source),
            Self::Damaged { .. } => "restore it from a copy, or record it again",
        }
    }

    pub(super) fn socket(
        doing: &'static str,
        address: impl Into<SocketAddr>,
    ) -> impl FnOnce(io::Error) -> Self {
        let address = address.into();
        move |source| Self::Socket { doing, address, source }
    }

    pub(super) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_path_buf(), source }
    }

    pub(super) fn damaged(path: &Path, offset: u64, what: &'static str) -> Self {
        Self::Damaged { path: path.to_path_buf(), offset, what }
    }
}

fn socket_mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process has this port: stop it, or set another port",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: set one of its own, as `ip addr` lists them"
        }
        io::ErrorKind::PermissionDenied => {
            "this needs a privilege: set a port from 1024 on, or allow it in the sandbox"
        }
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there: start the other side first, or mend the address"
        }
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "no answer from there: mend the address, or look at routes and firewall"
        }
        _ => match error.raw_os_error() {
            Some(libc::ENODEV) => {
                "no interface has this address, or it cannot do multicast: set another, or use unicast"
            }
            Some(libc::EMFILE | libc::ENFILE) => "too many files are open: raise the limit (ulimit -n)",
            _ => "mend the address or the interface",
        },
    }
}

fn file_mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "mend the path",
        io::ErrorKind::PermissionDenied => "change its owner or mode, or choose another path",
        io::ErrorKind::StorageFull => "free some space, or choose another disk",
        io::ErrorKind::AlreadyExists => "remove it, or choose another path",
        io::ErrorKind::NotConnected => "start its reader first, or choose another path",
        _ => "look at the disk",
    }
}
