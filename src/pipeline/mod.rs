//! Stages, and the threads that poll them.
//!
//! A [`stage`] is polled by a thread; [`threads`] runs lists of them, pinned, each with an [`idle`] strategy, and
//! [`control`] is how they stop and how a failure of one stops all. [`cores`] says what the machine has, [`plan`] who
//! runs where.

pub mod control;
pub mod cores;
pub mod idle;
pub mod plan;
pub mod stage;
pub mod threads;
