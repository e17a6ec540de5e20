//! The targets, by what they drive. Each states at its head what must hold.

#[cfg(feature = "engine")]
mod bases;
mod books;
#[cfg(feature = "engine")]
mod configuration;
mod desk;
mod drop_copy;
#[cfg(feature = "engine")]
mod exchange;
mod glimpse;
#[cfg(feature = "engine")]
mod http;
mod itch;
#[cfg(feature = "engine")]
mod journal;
mod json_lines;
mod market_data;
mod matching;
mod moldudp64;
mod order_entry;
mod ouch;
#[cfg(feature = "engine")]
mod snapshots;
mod soupbintcp;
mod wire;

use crate::Target;

pub use books::books;
#[cfg(feature = "engine")]
pub use configuration::configuration;
pub use desk::desk;
pub use drop_copy::drop_copy;
#[cfg(feature = "engine")]
pub use exchange::exchange;
pub use glimpse::glimpse;
#[cfg(feature = "engine")]
pub use http::http;
pub use itch::itch;
#[cfg(feature = "engine")]
pub use journal::journal;
pub use json_lines::json_lines;
pub use market_data::market_data;
pub use matching::matching;
pub use moldudp64::moldudp64;
pub use order_entry::order_entry;
pub use ouch::ouch;
#[cfg(feature = "engine")]
pub use snapshots::snapshots;
pub use soupbintcp::soupbintcp;

pub(crate) const ALL: &[Target] = &[
    Target { name: "itch", run: itch, seeds: itch::seeds, rounds: 4_000 },
    Target { name: "moldudp64", run: moldudp64, seeds: moldudp64::seeds, rounds: 2_000 },
    Target { name: "market_data", run: market_data, seeds: market_data::seeds, rounds: 1_000 },
    Target { name: "soupbintcp", run: soupbintcp, seeds: soupbintcp::seeds, rounds: 4_000 },
    Target { name: "ouch", run: ouch, seeds: ouch::seeds, rounds: 4_000 },
    Target { name: "order_entry", run: order_entry, seeds: order_entry::seeds, rounds: 1_000 },
    Target { name: "glimpse", run: glimpse, seeds: glimpse::seeds, rounds: 500 },
    Target { name: "drop_copy", run: drop_copy, seeds: drop_copy::seeds, rounds: 2_000 },
    Target { name: "json_lines", run: json_lines, seeds: json_lines::seeds, rounds: 500 },
    Target { name: "books", run: books, seeds: books::seeds, rounds: 1_000 },
    Target { name: "matching", run: matching, seeds: matching::seeds, rounds: 1_000 },
    Target { name: "desk", run: desk, seeds: desk::seeds, rounds: 300 },
    #[cfg(feature = "engine")]
    Target { name: "exchange", run: exchange, seeds: exchange::seeds, rounds: 300 },
    #[cfg(feature = "engine")]
    Target { name: "configuration", run: configuration, seeds: configuration::seeds, rounds: 60 },
    #[cfg(feature = "engine")]
    Target { name: "http", run: http, seeds: http::seeds, rounds: 100 },
    #[cfg(feature = "engine")]
    Target { name: "snapshots", run: snapshots, seeds: snapshots::seeds, rounds: 1500 },
    #[cfg(feature = "engine")]
    Target { name: "journal", run: journal, seeds: journal::seeds, rounds: 60 },
];
