//! Everything impure: threads, rings, clocks and sockets.
//!
//! * [`ring`]: how records travel from one thread to another.
//! * [`clock`]: the sequencer's stamp and raw stamps for latency.
//! * [`io`]: transports, which move bytes and know no protocol.
//! * [`pipeline`]: stages, the threads that poll them, and on which cores.

pub mod clock;
pub mod io;
pub mod journal;
pub mod pipeline;
pub mod ring;
#[cfg(test)]
mod testing;
