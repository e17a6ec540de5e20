//! What the journal promises, tried on real files.

mod bad_days;
mod chain;
mod damage;
mod durable;
mod fixture;
mod recovery;
mod roundtrip;
mod seal;
mod storage;
mod support;
