//! Durability and bad days of the disk, with the program as it is run: a file system that is full, one that fails as a
//! dying disk does, and what a machine that lost its power finds when it is back.
//!
//! File systems are mounted in a mount namespace of the test's own, which ends with it. Where the machine does not allow
//! that (only the superuser may mount), a test says so and is skipped.

mod disk;
mod full;
mod gone;
mod modes;
mod power;
