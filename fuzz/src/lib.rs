//! What must hold for any input: one function per decoder, session and machine, on both sides of each protocol.
//!
//! The same functions are driven in three ways: by a plain loop of seeded mutations in `cargo test`, by the same loop for as
//! long as one likes (`fuzz-loop`), and by cargo-fuzz with coverage as the guide where a nightly toolchain exists
//! (`fuzz_targets/`, `cargo fuzz run NAME --features libfuzzer`). A function panics where an invariant is broken; whatever
//! the input is, it ends and its memory is bounded.

pub mod drive;
pub mod input;
pub mod targets;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also the folder of its corpus.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
    /// Inputs to begin with, made by our own generators.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Inputs in `cargo test`.
    pub rounds: u64,
}

/// All targets.
pub const TARGETS: &[Target] = targets::ALL;

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(feature = "libfuzzer")]
#[doc(hidden)]
pub use libfuzzer_sys;

/// The entry point of a target for cargo-fuzz.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! libfuzzer_target {
    ($run:path) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $run(data));
    };
}
