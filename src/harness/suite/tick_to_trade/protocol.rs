//! What the two processes say to each other, a line of JSON each, over the generator's standard input and output.

use std::net::{SocketAddr, SocketAddrV4};

use serde::{Deserialize, Serialize};

/// Where the generator listens: the first thing it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listening {
    /// For the engine's order session.
    pub(super) venue: SocketAddr,
    /// For the echo's connection.
    pub(super) echo: SocketAddr,
}

/// What the generator is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Command {
    /// Accept both connections, open the market on `line`, wait for the desk's first quotes.
    Open {
        /// Where the engine's feed listens.
        line: SocketAddrV4,
        /// Where the echo listens.
        echo: SocketAddrV4,
    },
    /// Send packets one at a time, each once the one before has its orders.
    OneByOne {
        /// How many.
        count: u64,
    },
    /// Send packets at a pace and measure.
    Measure {
        /// To the echo instead of the engine.
        echo: bool,
        /// In a second.
        rate: u64,
        /// How many.
        count: u64,
    },
    /// Answer until the engine has closed its connection, and end.
    Serve,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Opened.
    Opened,
    /// The desk's bids, in units of 0.0001.
    Prices(Vec<u64>),
    /// A measurement.
    Measured(Measured),
    /// It could not be done.
    Failed(String),
}

/// A measurement; histograms as pairs of value (hundredths of a nanosecond) and count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Packets sent.
    pub(super) sent: u64,
    /// From the first intended time to the last send, in ns.
    pub(super) took_ns: u64,
    /// Packets whose order was a later packet's.
    pub(super) overtaken: u64,
    /// Packets behind which no order came.
    pub(super) lost: u64,
    /// Latencies from the intended time.
    pub(super) intended: Vec<(u64, u64)>,
    /// Latencies from the actual send.
    pub(super) actual: Vec<(u64, u64)>,
}
