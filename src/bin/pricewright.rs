//! The one binary.

fn main() -> std::process::ExitCode {
    pricewright::main::<pricewright_strategies::trading::Desk>()
}
