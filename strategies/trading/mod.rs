//! The trading desk: books, features, strategies, risk gate, own orders and portfolio in one deterministic machine.
//!
//! [`desk`] is the machine and routes events; [`market_data`] keeps the books and their health; [`day`] the venue's day;
//! [`venue`] applies what venues say of our orders; [`doubt`] what is done where that is not known; [`reconcile`] holds
//! fills against the drop copy; [`quoting`] asks the strategy and takes its intents through the gate; [`strategy`] is the
//! list of strategies and what they see; [`market_maker`] is the first of them; [`memo`] saves work that is done already;
//! [`standing`] says where the desk stands; [`config`] documents every key.

pub mod config;
mod day;
pub mod desk;
mod doubt;
mod explain;
mod gone;
mod market_data;
pub mod market_maker;
mod memo;
mod quoting;
mod reconcile;
mod standing;
mod state;
pub mod strategy;
mod venue;

pub use config::{DeskConfig, FeatureConfig, FeeConfig};
pub use desk::Desk;
pub use market_maker::MarketMakerConfig;
pub use strategy::{Context, QuoteIntent, Strategy, StrategyConfig};

#[cfg(test)]
mod tests;
