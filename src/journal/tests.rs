//! What the journal promises, tried on real files.

mod damage;
mod recovery;
mod roundtrip;
mod storage;
mod support;
