//! Stages, and the threads that poll them.
//!
//! A [`stage`] is polled by a thread; [`threads`] runs lists of them, pinned, each with an [`idle`] strategy, and
//! [`control`] is how they stop and how a failure of one stops all. [`cores`] and [`memory`] say what the machine has, [`plan`] who
//! runs where.

pub mod clock_ahead;
pub mod clock_keeper;
pub mod control;
pub(crate) mod control_groups;
pub mod core_loop;
pub mod cores;
pub mod durable;
pub mod edge;
pub mod file_lines;
pub mod fused;
pub mod guard;
pub mod helper;
pub mod huge_pages;
pub mod idle;
pub mod launch;
pub mod memory;
pub mod monitor;
pub mod open;
pub mod operator;
mod output;
pub mod plan;
mod priming;
pub mod recorded;
mod recover;
mod repair;
pub mod resume;
pub mod retention;
pub mod ring_gauge;
pub mod run_control;
pub mod sequencer;
pub mod split;
pub mod stage;
pub mod threads;
pub mod topology;
