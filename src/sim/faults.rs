//! What networks do to packets: a line that loses, repeats and reorders, seeded.
//!
//! Each line draws from a stream of its own, so that lines fail independently and a seed gives the same faults for the
//! same packets. Heartbeats and the end of the session are packets like others here.

use super::random::{Draws, Purpose};

/// The longest that a reordered packet is held back: this many later packets overtake it.
pub const MAX_OVERTAKEN_BY: usize = 8;

/// How often packets suffer, as fractions of all packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultRates {
    /// Never arrive.
    pub loss: f64,
    /// Arrive twice.
    pub duplicate: f64,
    /// Arrive after 1 to [`MAX_OVERTAKEN_BY`] later packets.
    pub reorder: f64,
}

/// What a line did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounters {
    /// Packets given to the line.
    pub packets: u64,
    /// Of these: lost on purpose.
    pub lost: u64,
    /// Of these: sent twice.
    pub duplicated: u64,
    /// Of these: overtaken by later ones.
    pub reordered: u64,
    /// Packets that the socket refused, which is loss too, not on purpose.
    pub refused: u64,
}

/// A packet that later ones overtake.
#[derive(Clone, Debug)]
struct Held {
    /// Later packets that still pass before it.
    turns: usize,
    packet: Vec<u8>,
}

/// A line with faults.
#[derive(Clone, Debug)]
pub struct FaultyLine {
    rates: FaultRates,
    draws: Draws,
    held: Vec<Held>,
    counters: LineCounters,
}

impl FaultyLine {
    /// Line number `line` under `seed`.
    pub fn new(seed: u64, line: u16, rates: FaultRates) -> Self {
        Self {
            rates,
            draws: Draws::new(seed, Purpose::Line(line)),
            held: Vec::new(),
            counters: LineCounters::default(),
        }
    }

    /// Passes `packet` on: `send` is called for everything that arrives now, in the order of arrival, and says whether
    /// the transport took it.
    pub fn pass(&mut self, packet: &[u8], send: &mut impl FnMut(&[u8]) -> bool) {
        self.counters.packets += 1;
        if self.draws.chance(self.rates.loss) {
            self.counters.lost += 1;
        } else if self.draws.chance(self.rates.reorder) {
            self.counters.reordered += 1;
            let turns = 1 + self.draws.below(MAX_OVERTAKEN_BY);
            // One turn more, because the release below counts this packet's own.
            self.held.push(Held { turns: turns + 1, packet: packet.to_vec() });
        } else {
            self.deliver(packet, send);
            if self.draws.chance(self.rates.duplicate) {
                self.counters.duplicated += 1;
                self.deliver(packet, send);
            }
        }
        self.release(send);
    }

    /// Sends everything that is held back, oldest first.
    pub fn flush(&mut self, send: &mut impl FnMut(&[u8]) -> bool) {
        for held in std::mem::take(&mut self.held) {
            self.deliver(&held.packet, send);
        }
    }

    /// What the line did.
    pub fn counters(&self) -> LineCounters {
        self.counters
    }

    fn deliver(&mut self, packet: &[u8], send: &mut impl FnMut(&[u8]) -> bool) {
        if !send(packet) {
            self.counters.refused += 1;
        }
    }

    fn release(&mut self, send: &mut impl FnMut(&[u8]) -> bool) {
        self.held.iter_mut().for_each(|held| held.turns -= 1);
        while let Some(at) = self.held.iter().position(|held| held.turns == 0) {
            let held = self.held.remove(at);
            self.deliver(&held.packet, send);
        }
    }
}

/// A request path that loses, both ways alike.
#[derive(Clone, Debug)]
pub struct LossyPath {
    loss: f64,
    draws: Draws,
    lost: u64,
}

impl LossyPath {
    /// Loses this fraction of what passes.
    pub fn new(seed: u64, loss: f64) -> Self {
        Self { loss, draws: Draws::new(seed, Purpose::ReRequests), lost: 0 }
    }

    /// True where the next packet gets through.
    pub fn passes(&mut self) -> bool {
        let lost = self.draws.chance(self.loss);
        self.lost += u64::from(lost);
        !lost
    }

    /// Packets lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests;
