//! Measuring: the floors of this machine, and this program beside them, in the same run.
//!
//! A bench is a check and a round ([`runner::Bench`]): [`runner::run`] makes of it a warm-up, rounds, histograms, ratios to
//! floors, goals and a [`record::Document`]. Everything that is measured is checked for being right first, and everything
//! is a ratio to a floor: the numbers move with the machine, their ratios much less.

pub mod cache_line;
pub mod compare;
pub mod echo;
pub mod figure;
pub mod in_memory;
pub mod jitter;
pub mod lab;
pub mod loopback;
pub mod machine;
pub mod record;
pub mod report;
pub mod restart;
pub mod runner;
pub mod suite;
pub mod tick;
pub mod timing;
