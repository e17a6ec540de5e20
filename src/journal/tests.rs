//! What the journal promises, tried on real files.

mod archive;
mod bad_days;
mod chain;
mod damage;
mod durable;
mod export;
mod fixture;
mod hostile;
mod recovery;
mod repair;
mod retention;
mod roundtrip;
mod seal;
mod storage;
mod support;
