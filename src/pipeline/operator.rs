//! Commands of operators to a run, from other processes on this machine: a datagram socket in the journal's directory.
//!
//! One datagram is one command: its word, a space, who asks; a position has the instrument's number, lots and a price in
//! ticks or `-` between. Who may write the directory may command the run. What became
//! of a command stands in the journal: the `Operator` record, and what the machine decided on it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pricewright_core::kernel::table::{Operator, PositionStated};
use pricewright_core::kernel::{InstrumentId, Lots, OperatorCommand, Text, Ticks};

use pricewright_core::market::portfolio::{in_range, is_position};

use crate::error::{Error, Result};
use crate::io::wait::nap;
use crate::journal::is_locked;

/// The socket's name in the journal's directory.
const NAME: &str = "operator";
/// What to do about a run that takes no commands.
pub const STANDS_STILL: &str = "if the whole process stands still (stopped, or its machine), its orders stay at the venue: \
                                cancel them there";
/// How soon a command that found no room is sent again.
const SEND_AGAIN: Duration = Duration::from_millis(5);
/// The longest datagram that is read.
const MAX_LEN: usize = 128;
/// The word of a stated position.
const POSITION: &str = "position";

/// What an operator asks of a run; each is an event of the journal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    /// A command.
    Command(Operator),
    /// A position, stated.
    Position(PositionStated),
}

impl From<Operator> for Asked {
    fn from(command: Operator) -> Self {
        Self::Command(command)
    }
}

impl Asked {
    /// A position as an operator states it; without a price, the machine's mark is taken.
    pub fn position(instrument: InstrumentId, lots: Lots, price: Option<Ticks>, who: &str) -> Self {
        Self::Position(PositionStated {
            position: lots,
            price: price.unwrap_or(Ticks(0)),
            instrument,
            priced: u8::from(price.is_some()),
            spare: [0; 5],
            operator: Text::excerpt(who),
        })
    }

    /// Whether its numbers are such as a desk can hold: what is asked is journalled as it is.
    pub fn is_in_range(&self) -> bool {
        match self {
            Self::Command(_) => true,
            Self::Position(stated) => {
                is_position(stated.position) && (stated.priced == 0 || in_range(stated.price))
            }
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command(command) => command.command.name(),
            Self::Position(_) => POSITION,
        }
    }

    /// Whether it is the kill latch that is asked for.
    pub fn is_kill(&self) -> bool {
        matches!(self, Self::Command(command) if command.command == OperatorCommand::KILL)
    }

    /// Who asks.
    pub fn operator(&self) -> &str {
        match self {
            Self::Command(command) => command.operator.as_str(),
            Self::Position(stated) => stated.operator.as_str(),
        }
    }

    /// As a datagram; a name keeps what its record has room for.
    fn text(&self) -> String {
        match self {
            Self::Command(command) => format!("{} {}", self.name(), command.operator),
            Self::Position(stated) => {
                let price = if stated.priced == 1 { stated.price.0.to_string() } else { "-".to_owned() };
                format!(
                    "{POSITION} {} {} {price} {}",
                    stated.instrument.0, stated.position.0, stated.operator
                )
            }
        }
    }

    /// Reads a datagram.
    fn of(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if word == POSITION {
            let mut parts = rest.splitn(4, ' ');
            let instrument = InstrumentId(parts.next()?.parse().ok()?);
            let lots = Lots(parts.next()?.parse().ok()?);
            let price = match parts.next()? {
                "-" => None,
                ticks => Some(Ticks(ticks.parse().ok()?)),
            };
            return Some(Self::position(instrument, lots, price, parts.next().unwrap_or("")));
        }
        let mut known = [OperatorCommand::KILL, OperatorCommand::REARM].into_iter();
        let command = known.find(|command| command.name() == word)?;
        Some(Self::Command(Operator::says(rest, command, 0)))
    }
}

/// The run's end of the socket. The file is removed where this is dropped.
#[derive(Debug)]
pub struct OperatorSocket {
    socket: UnixDatagram,
    path: PathBuf,
    /// The file's number: another may stand in its place one day.
    file: u64,
}

/// Looks whether the socket's file still stands where operators look for it.
#[derive(Debug)]
pub struct SocketKeeper {
    dir: PathBuf,
    file: u64,
    /// The file could not be made anew, and that was said.
    said: bool,
}

impl SocketKeeper {
    /// Another socket, where somebody has removed the file.
    pub fn look(&mut self) -> Option<OperatorSocket> {
        if file_number(&self.dir.join(NAME)) == Some(self.file) {
            return None;
        }
        match OperatorSocket::bind(&self.dir) {
            Ok(socket) => {
                tracing::warn!(dir = %self.dir.display(), "the operator socket was removed: it is made anew");
                (self.file, self.said) = (socket.file, false);
                Some(socket)
            }
            Err(error) => {
                if !self.said {
                    tracing::warn!(%error, dir = %self.dir.display(), "the operator socket was removed: no operator can command this run");
                }
                self.said = true;
                None
            }
        }
    }
}

fn file_number(path: &Path) -> Option<u64> {
    std::fs::symlink_metadata(path).ok().map(|file| file.ino())
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
        let place = Place::of(dir)?;
        let socket = UnixDatagram::bind(&place.path)?;
        socket.set_nonblocking(true)?;
        let file = file_number(&path).unwrap_or(0);
        Ok(Self { socket, path, file })
    }

    /// What looks after its file.
    pub fn keeper(&self) -> SocketKeeper {
        let dir = self.path.parent().unwrap_or(Path::new(".")).to_path_buf();
        SocketKeeper { dir, file: self.file, said: false }
    }

    /// What is asked next. What is none is logged and passed over.
    pub fn next(&self) -> Option<Asked> {
        let mut bytes = [0; MAX_LEN];
        while let Ok(len) = self.socket.recv(&mut bytes) {
            let text = String::from_utf8_lossy(bytes.get(..len).unwrap_or(&[])).into_owned();
            match Asked::of(&text) {
                Some(asked) if asked.is_in_range() => return Some(asked),
                Some(_) => {
                    tracing::warn!(datagram = %text, "an operator's numbers are out of range: refused")
                }
                None => tracing::warn!(datagram = %text, "no command of an operator"),
            }
        }
        None
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        // What stands in its place is another's.
        if file_number(&self.path) == Some(self.file) {
            // The next run removes what stays behind.
            let _left_behind = std::fs::remove_file(&self.path);
        }
    }
}

/// Where a socket of a directory is bound and reached. The system takes 107 bytes of a path: a longer one is named through
/// its directory's descriptor.
struct Place {
    path: PathBuf,
    /// Held open for as long as `path` names it.
    _dir: Option<File>,
}

impl Place {
    const LONGEST: usize = 107;

    fn of(dir: &Path) -> io::Result<Self> {
        let path = dir.join(NAME);
        if path.as_os_str().len() <= Self::LONGEST {
            return Ok(Self { path, _dir: None });
        }
        let opened = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", opened.as_raw_fd()));
        Ok(Self { path, _dir: Some(opened) })
    }
}

/// Asks the run whose journal is in `dir`. A run that stands still has room for some ten commands; what finds none within
/// `patience` was not sent.
///
/// # Errors
/// Where no run listens there, or it takes nothing.
pub fn send(dir: &Path, asked: &Asked, patience: Duration) -> Result<()> {
    let path = dir.join(NAME);
    let sent = Place::of(dir).and_then(|place| {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let start = Instant::now();
        loop {
            match socket.send_to(asked.text().as_bytes(), &place.path) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && start.elapsed() < patience => {
                    nap(SEND_AGAIN);
                }
                sent => break sent,
            }
        }
    });
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Error::Failed(format!(
            "{}: {} was not sent: the run has taken no command for {} s, and no more wait; {STANDS_STILL}",
            dir.display(),
            asked.name(),
            patience.as_secs()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_locked(dir) => {
            Err(Error::Failed(format!(
                "{}: a run has this journal open, and its operator socket ({NAME}) is gone: somebody removed the file; a run makes \
             it anew within a second, ask again, or stop the run by a signal",
                dir.display()
            )))
        }
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
