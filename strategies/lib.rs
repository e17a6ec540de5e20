//! The machines that users run.
#![forbid(unsafe_code)]

pub mod pricing;
pub mod trading;
