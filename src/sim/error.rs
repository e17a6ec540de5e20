//! Why a simulated exchange cannot run.

use std::path::PathBuf;

use pricewright_feeds::nasdaq::itch::PassedOver;

use crate::io::IoError;

/// What went wrong, where, and the mend.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A flag cannot be used.
    #[error("--{flag}: {message}")]
    Flag {
        /// Its name.
        flag: &'static str,
        /// What is wrong and the mend.
        message: String,
    },
    /// A socket or file cannot be used.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The recorded market is none.
    #[error(
        "--itch: this is no file of ITCH 5.0: {0}; give one in the BinaryFILE framing, packed by gzip or not"
    )]
    NoItch(PassedOver),
    /// The recorded market has nothing in it.
    #[error("--itch: the file holds no message; give a recording of ITCH 5.0")]
    EmptyItch,
    /// The session's messages cannot be written.
    #[error("--write-itch: cannot write {}: {source}; remove what is there, choose another path, or free some space", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kernel does not let the thread wait, or start.
    #[error(
        "the simulated exchange cannot {doing}: {source}; raise the limits of processes and open files (ulimit)"
    )]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread of the exchange panicked, which is a bug.
    #[error("the simulated exchange panicked: {0}")]
    Panicked(String),
}
