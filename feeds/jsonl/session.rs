//! From chunks of bytes to whole lines with their numbers, and on to a [`Decoder`].
//!
//! A line ends in LF or CRLF; the last one may end with the input. A line longer than the bound is never held in whole:
//! its beginning is kept, the rest is counted and let go. No allocation after the start.

use pricewright_core::kernel::{Full, Nanos, RecordSink};

use super::decode::{Decoder, LINE_CELLS, Origin};
use super::message::BYTE_ORDER_MARK;

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1; blank lines count.
    pub number: u64,
    /// The line; only its beginning where it is longer than the bound.
    pub bytes: &'a [u8],
    /// Bytes of the whole line.
    pub len: u64,
}

impl Line<'_> {
    /// True where the line is longer than the bound.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() as u64 != self.len
    }

    /// Without the byte-order mark that some editors put before UTF-8 (RFC 8259 section 8.1 lets a reader pass over it). It
    /// begins a file, and so any line of files that were put together.
    #[must_use]
    pub fn without_byte_order_mark(self) -> Self {
        match self.bytes.strip_prefix(&BYTE_ORDER_MARK) {
            Some(bytes) => Self { bytes, len: self.len - BYTE_ORDER_MARK.len() as u64, ..self },
            None => self,
        }
    }

    /// True where the line holds nothing but blanks.
    pub fn is_blank(&self) -> bool {
        !self.is_cut() && self.bytes.trim_ascii().is_empty()
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Clone, Debug)]
pub struct LineSplitter {
    max_len: usize,
    /// The beginning of the line at hand, where it did not come in one chunk; one byte more than the bound, for a CR.
    held: Vec<u8>,
    /// Bytes of the line at hand that came in earlier chunks.
    seen: u64,
    /// The last of them was a CR.
    seen_cr: bool,
    /// The line at hand is complete and was handed out: forget it at the next call.
    done: bool,
    number: u64,
}

impl LineSplitter {
    /// Lines of at most `max_len` bytes, their ends not counted.
    pub fn new(max_len: usize) -> Self {
        let held = Vec::with_capacity(max_len.saturating_add(1));
        Self { max_len, held, seen: 0, seen_cr: false, done: false, number: 1 }
    }

    /// The number of the line at hand.
    pub fn number(&self) -> u64 {
        if self.done { self.number + 1 } else { self.number }
    }

    /// Takes the next whole line off the front of `chunk`. `None` where none ends in it: then the rest is taken and
    /// held, and `chunk` is empty.
    pub fn next<'line, 'chunk: 'line>(&'line mut self, chunk: &mut &'chunk [u8]) -> Option<Line<'line>> {
        self.forget_done();
        let Some(end) = chunk.iter().position(|byte| *byte == b'\n') else {
            self.hold(chunk);
            *chunk = &[];
            return None;
        };
        let (part, rest) = chunk.split_at_checked(end)?;
        *chunk = rest.get(1..).unwrap_or(&[]);
        if self.seen > 0 {
            self.hold(part);
            return Some(self.held_line());
        }
        self.done = true;
        let line = part.strip_suffix(b"\r").unwrap_or(part);
        let bytes = line.get(..self.max_len).unwrap_or(line);
        Some(Line { number: self.number, bytes, len: line.len() as u64 })
    }

    /// The last line, where the input ended without ending it.
    pub fn finish(&mut self) -> Option<Line<'_>> {
        self.forget_done();
        (self.seen > 0).then(|| self.held_line())
    }

    /// What of a line was taken whose end has not come.
    pub fn unended(&self) -> &[u8] {
        if self.done { &[] } else { &self.held }
    }

    fn hold(&mut self, part: &[u8]) {
        let room = (self.max_len + 1).saturating_sub(self.held.len());
        self.held.extend_from_slice(part.get(..room).unwrap_or(part));
        self.seen += part.len() as u64;
        if let Some(last) = part.last() {
            self.seen_cr = *last == b'\r';
        }
    }

    fn held_line(&mut self) -> Line<'_> {
        self.done = true;
        let len = self.seen - u64::from(self.seen_cr);
        let kept = usize::try_from(len).map_or(self.max_len, |len| len.min(self.max_len));
        Line { number: self.number, bytes: self.held.get(..kept).unwrap_or(&self.held), len }
    }

    fn forget_done(&mut self) {
        if self.done {
            self.done = false;
            self.held.clear();
            self.seen = 0;
            self.seen_cr = false;
            self.number += 1;
        }
    }
}

/// One stream of lines: standard input, a file, or a connection.
#[derive(Clone, Debug)]
pub struct Session {
    splitter: LineSplitter,
    connection: u16,
    /// The first line to be decoded.
    first: u64,
}

impl Session {
    /// A stream at its first line. `connection` goes into its marks, to tell connections of one source apart.
    pub fn new(max_line_bytes: usize, connection: u16) -> Self {
        Self { splitter: LineSplitter::new(max_line_bytes), connection, first: 1 }
    }

    /// Passes over all lines before `first`: for a file of which an earlier run has journalled the beginning.
    #[must_use]
    pub fn starting_at(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// The number of the line at hand, from 1.
    pub fn line(&self) -> u64 {
        self.splitter.number()
    }

    /// Decodes the lines of a chunk that was received at `received`. Returns how many bytes were taken: fewer than all
    /// where `sink` has no room for another line; then offer the rest again.
    ///
    /// # Errors
    /// [`Full`] where `sink` refused a record that it said it had room for: a line is lost then, so give up.
    pub fn receive<S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        chunk: &[u8],
        received: Nanos,
        sink: &mut S,
    ) -> Result<usize, Full> {
        let lines = chunk.iter().filter(|byte| **byte == b'\n').count();
        let mut origin = Origin::new(received, lines, self.connection);
        let mut rest = chunk;
        while !rest.is_empty() && sink.room() >= LINE_CELLS {
            if let Some(line) = self.splitter.next(&mut rest) {
                if line.number < self.first {
                    origin.pass_over();
                } else {
                    decoder.line(&line, &mut origin, sink)?;
                }
            }
        }
        Ok(chunk.len() - rest.len())
    }

    /// What of a line was received whose end has not come; empty where there is none. Only its beginning where it is longer
    /// than the bound.
    pub fn unended(&self) -> &[u8] {
        self.splitter.unended()
    }

    /// Decodes the last line, where the input ended without ending it. False where `sink` has no room for it: then call
    /// again. Nothing may be received afterwards.
    ///
    /// # Errors
    /// As of [`Self::receive`].
    pub fn finish<S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        received: Nanos,
        sink: &mut S,
    ) -> Result<bool, Full> {
        if sink.room() < LINE_CELLS {
            return Ok(false);
        }
        let mut origin = Origin::new(received, 1, self.connection);
        if let Some(line) = self.splitter.finish().filter(|line| line.number >= self.first) {
            decoder.line(&line, &mut origin, sink)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
