//! Features and, later, regimes, quoting models and learners.
//!
//! Floating point is allowed here and nowhere else in core. Transcendental functions come from `libm`, pinned, so that
//! another machine's C library cannot change a decision.

pub mod features;
