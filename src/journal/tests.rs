//! What the journal promises, tried on real files.

mod damage;
mod fixture;
mod recovery;
mod roundtrip;
mod storage;
mod support;
