//! What the journal promises, tried on real files.

mod chain;
mod damage;
mod durable;
mod fixture;
mod recovery;
mod roundtrip;
mod storage;
mod support;
