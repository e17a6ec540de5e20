//! Pricing systems: one folder each, with its machine and its example configurations.

pub mod flash_sale;
