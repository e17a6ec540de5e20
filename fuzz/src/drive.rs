//! The plain loop: inputs from a target's seeds, mutated by a generator with a seed of its own. Bounded by count.

use std::path::PathBuf;

use crate::Target;

/// Bytes of an input at most.
const MAX_INPUT: usize = 4_096;

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same inputs on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`; 0 where that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { (self.number() % count as u64) as usize }
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number() as u8).collect()
    }
}

/// The inputs that a target begins with: what its generator makes, and the files of its corpus.
pub fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds = (target.seeds)();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.sort();
    seeds.extend(files.iter().filter_map(|path| std::fs::read(path).ok()));
    seeds
}

/// Input number `round` of the loop with this seed. The first ones are the seeds themselves.
pub fn input(seeds: &[Vec<u8>], seed: u64, round: u64) -> Vec<u8> {
    if let Some(first) = usize::try_from(round).ok().and_then(|index| seeds.get(index)) {
        return first.clone();
    }
    let mut random = Random::new(seed ^ round.wrapping_mul(0xd134_2543_de82_ef95));
    if seeds.is_empty() || random.below(4) == 0 {
        let len = 1 << random.below(12);
        return random.bytes(len);
    }
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 << random.below(5) {
        mutate(&mut bytes, seeds, &mut random);
    }
    bytes.truncate(MAX_INPUT.max(seeds[0].len()));
    bytes
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    const DIGITS: &[u8] = b"0123456789.-+eE\",:{}[]\\\n =#";
    let at = random.below(bytes.len() + 1);
    let end = bytes.len().min(at + 1 + random.below(16));
    match random.below(9) {
        0 => bytes.splice(at..at, random.bytes(1 + at % 8)).for_each(drop),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy).for_each(drop);
        }
        3 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            let until = other.len().min(from + random.below(256));
            bytes.splice(at..end, other[from..until].iter().copied()).for_each(drop);
        }
        4 => bytes.splice(at..at, [DIGITS[random.below(DIGITS.len())]]).for_each(drop),
        5 => bytes[at..end].fill([0, 0xff, 0x7f, 0x80][random.below(4)]),
        kind => {
            let value = random.number() as u8;
            if let Some(byte) = bytes.get_mut(at) {
                *byte = match kind {
                    6 => *byte ^ (1 << (value & 7)),
                    7 => byte.wrapping_add(value % 9).wrapping_sub(4),
                    _ => value,
                };
            }
        }
    }
}

/// Runs a target on so many inputs.
///
/// # Panics
/// Where one of them breaks what the target states: with the seed and the number of the round.
pub fn run(target: &Target, seeds: &[Vec<u8>], seed: u64, rounds: std::ops::Range<u64>) {
    for round in rounds {
        let bytes = input(seeds, seed, round);
        let outcome = std::panic::catch_unwind(|| (target.run)(&bytes));
        if let Err(cause) = outcome {
            let name = target.name;
            let kept = std::env::temp_dir().join(format!("fuzz-{name}-{seed}-{round}.bin"));
            let _ = std::fs::write(&kept, &bytes);
            eprintln!(
                "target {name} failed at round {round} with seed {seed}; again by\n  \
                 cargo run -p pricewright-fuzz --bin fuzz-loop -- {name} --seed {seed} --from {round} --count 1\n\
                 or with the input alone: ... {name} --input {}",
                kept.display()
            );
            std::panic::resume_unwind(cause);
        }
    }
}
