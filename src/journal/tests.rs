//! What the journal promises, tried on real files.

mod roundtrip;
mod support;
