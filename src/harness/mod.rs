//! Measuring: the floors of this machine, and this program beside them, in the same run.
//!
//! Everything that is measured is checked for being right first, and everything is a ratio to a floor: these numbers move
//! with the machine, their ratios much less.

pub mod echo;
pub mod floor;
pub mod in_memory;
pub mod machine;
pub mod tick;
