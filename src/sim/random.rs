//! Seeded draws: the same on every machine, since the generator is ChaCha and the transcendental functions are `libm`'s.

use pricewright_core::kernel::Nanos;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What draws are for. Each purpose has a stream of its own, so that one kind of draw never moves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The background order flow.
    Flow,
    /// The faults of a line, by its number.
    Line(u16),
    /// The faults of the re-request path.
    ReRequests,
}

/// A stream of draws.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    generator: ChaCha8Rng,
}

impl Draws {
    /// The stream of `purpose` under `seed`.
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(match purpose {
            Purpose::Flow => 1,
            Purpose::ReRequests => 2,
            Purpose::Line(line) => 16 + u64::from(line),
        });
        Self { generator }
    }

    /// Uniform in [0, 1): the upper 53 bits of a draw.
    pub(super) fn unit(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `chance`.
    pub(super) fn chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Uniform in 0 to `count - 1`; 0 where `count` is 0. The bias of the multiplication (below `count / 2^64`) is far
    /// under what any simulation could show.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.generator.next_u64()) * count as u128) >> 64) as usize
    }

    /// Uniform in `low` to `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Exponential with this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log1p(-self.unit())
    }

    /// Standard normal, by Box and Muller (1958).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log1p(-self.unit())).sqrt();
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// A wait, exponential with a mean of one in `per_second` of a second; at least 1 ns.
    pub(super) fn wait(&mut self, per_second: f64) -> Nanos {
        Nanos((self.exponential(1e9 / per_second) as i64).max(1))
    }
}

#[cfg(test)]
mod tests;
