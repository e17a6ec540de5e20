#!/usr/bin/env bash
# Judges from outside: an ITCH file that the simulated exchange wrote through the Python library meatpy, packets on
# loopback through tshark's dissectors, seals of journals through OpenSSL, their chain through a Python reader, Parquet
# tables through pyarrow, metrics of live runs through Prometheus, output under --json through jsonschema. Builds and installs
# what it needs; ends its own processes; non-zero on failure.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

cargo build --release --bin pricewright --example itch_book
export PRICEWRIGHT="$target/release/pricewright"
export ITCH_BOOK="$target/release/examples/itch_book"

bash tests/outside/meatpy.sh "$work"
bash tests/outside/tshark.sh "$work"
bash tests/outside/openssl.sh "$work"
bash tests/outside/prometheus.sh "$work"

# The tests' profile: a release build with the feature would undo the one without it.
cargo build --features parquet --bin pricewright
export PRICEWRIGHT_PARQUET="$target/debug/pricewright"
bash tests/outside/parquet.sh "$work"
bash tests/outside/json_schema.sh "$work"
