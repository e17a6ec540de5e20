//! Commands of operators to a run, from other processes on this machine: a datagram socket in the journal's directory.
//!
//! One datagram is one command: its word, a space, who asks. Who may write the directory may command the run. What became
//! of a command stands in the journal: the `Operator` record, and what the machine decided on it.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::OperatorCommand;

use crate::error::{Error, Result};

/// The socket's name in the journal's directory.
const NAME: &str = "operator";
/// The longest datagram that is read.
const MAX_LEN: usize = 64;

/// The run's end of the socket. The file is removed where this is dropped.
#[derive(Debug)]
pub struct OperatorSocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl OperatorSocket {
    /// Listens in `dir`, whose journal this process holds locked: what an earlier run left there is nobody's.
    ///
    /// # Errors
    /// Where the directory takes no socket.
    pub fn bind(dir: &Path) -> io::Result<Self> {
        let path = dir.join(NAME);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path })
    }

    /// The next command, and who asks. What is none is logged and passed over.
    pub fn next(&self) -> Option<(OperatorCommand, String)> {
        let mut bytes = [0; MAX_LEN];
        while let Ok(len) = self.socket.recv(&mut bytes) {
            let text = String::from_utf8_lossy(bytes.get(..len).unwrap_or(&[])).into_owned();
            let (word, who) = text.split_once(' ').unwrap_or((text.as_str(), ""));
            match command_of(word) {
                Some(command) => return Some((command, who.to_owned())),
                None => tracing::warn!(datagram = %text, "no command of an operator"),
            }
        }
        None
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        // The next run removes what stays behind.
        let _left_behind = std::fs::remove_file(&self.path);
    }
}

fn command_of(word: &str) -> Option<OperatorCommand> {
    [OperatorCommand::KILL, OperatorCommand::REARM].into_iter().find(|command| command.name() == word)
}

/// Asks the run whose journal is in `dir` for `command`, on behalf of `who`.
///
/// # Errors
/// Where no run listens there.
pub fn send(dir: &Path, command: OperatorCommand, who: &str) -> Result<()> {
    let path = dir.join(NAME);
    let sent = UnixDatagram::unbound()
        .and_then(|socket| socket.send_to(format!("{} {who}", command.name()).as_bytes(), &path));
    match sent {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Err(Error::Usage(format!(
                "{}: no run has this journal open; name the directory of one that goes on",
                dir.display()
            )))
        }
        Err(source) => {
            Err(Error::File { path, source, mend: "ask as the user who runs it, on the same machine" })
        }
    }
}

#[cfg(test)]
mod tests;
