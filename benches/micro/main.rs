//! Micro-benches of the hot path's parts, one binary.
//!
//! Each checks first that it computes the right thing and prints a hash of the result, which is the same on every machine,
//! and then times it. `cargo bench -- --test` only checks.

#![allow(clippy::expect_used)] // A bench that cannot go on says so by panicking.

mod book;
mod desk;
mod feed;
mod journal;
mod ring;
mod support;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = micro;
    config = quick();
    targets = ring::benches, journal::benches, feed::benches, book::benches, desk::benches
}
criterion_main!(micro);
