//! What the journal promises, tried on real files.

mod damage;
mod durable;
mod fixture;
mod recovery;
mod roundtrip;
mod storage;
mod support;
