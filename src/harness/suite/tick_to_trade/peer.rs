//! The generator's process as this process sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde::de::DeserializeOwned;

use super::protocol::{Answer, Command, Listening};
use crate::error::{Error, Result};

/// The hidden command that makes a process the generator.
pub(super) const COMMAND: [&str; 2] = ["bench", "generator"];

/// The process. It ends when its standard input does, so that it never outlives this one.
pub(super) struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Where it listens.
    pub(super) listening: Listening,
}

fn failed(doing: &str, error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("the generator's process, {doing}: {error}"))
}

/// An answer to another question.
pub(super) fn unexpected(answer: &Answer) -> Error {
    failed("answer", format!("{answer:?} was not asked for; please report this"))
}

impl Peer {
    /// Starts this very program as the generator, pinned to `core`.
    pub(super) fn start(core: usize) -> Result<Self> {
        let program = std::env::current_exe().map_err(|error| failed("find this program", error))?;
        let mut child = std::process::Command::new(program)
            .args(COMMAND)
            .arg(core.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed("start", error))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| failed("start", "it has no output"))?;
        let mut output = BufReader::new(output);
        let listening = read(&mut output)?;
        Ok(Self { child, input, output, listening })
    }

    /// Says something that is not answered.
    pub(super) fn tell(&mut self, command: &Command) -> Result<()> {
        let text = serde_json::to_string(command).map_err(|error| failed("ask", error))?;
        let input = self.input.as_mut().ok_or_else(|| failed("ask", "it has no input"))?;
        writeln!(input, "{text}").and_then(|()| input.flush()).map_err(|error| failed("ask", error))
    }

    /// Asks and waits for the answer.
    pub(super) fn ask(&mut self, command: &Command) -> Result<Answer> {
        self.tell(command)?;
        match read(&mut self.output)? {
            Answer::Failed(text) => Err(Error::Failed(text)),
            answer => Ok(answer),
        }
    }

    /// Lets it end.
    pub(super) fn end(mut self) -> Result<()> {
        drop(self.input.take());
        let status = self.child.wait().map_err(|error| failed("end", error))?;
        if status.success() { Ok(()) } else { Err(failed("end", status)) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        if matches!(self.child.try_wait(), Ok(None)) {
            // It is measuring for a parent that gave up. Where it has ended in between there is nothing to kill.
            let _already_gone = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

fn read<T: DeserializeOwned>(output: &mut BufReader<ChildStdout>) -> Result<T> {
    let mut text = String::new();
    let count = output.read_line(&mut text).map_err(|error| failed("listen", error))?;
    if count == 0 {
        return Err(failed("listen", "it has ended"));
    }
    serde_json::from_str(&text).map_err(|error| failed("listen", error))
}
