//! Stages, and the threads that poll them.

pub mod stage;
