//! The machines that users run.
#![forbid(unsafe_code)]
