#!/usr/bin/env bash
# A desk's journal as Parquet and as JSON lines: pyarrow must read from the tables what the lines say, value by value.
# Usage: parquet.sh WORK_DIR, with PRICEWRIGHT naming the built program and PRICEWRIGHT_PARQUET one with the feature `parquet`.
set -euo pipefail
source "$(dirname "$0")/fetch.sh"
here="$(cd "$(dirname "$0")" && pwd)"
work="$1"

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
fetch "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1'

for journal in "$here/../../replay-data/journal-v1" "$work/desk"; do
    [ -e "$journal" ] || "$PRICEWRIGHT" run --seconds 3 --journal "$journal"
    rm -rf "$work/tables"
    "$PRICEWRIGHT_PARQUET" journal export --parquet "$journal" --out "$work/tables" >/dev/null
    "$PRICEWRIGHT_PARQUET" journal export --jsonl "$journal" >"$work/records.jsonl"
    "$work/venv/bin/python" "$here/parquet_tables.py" "$work/records.jsonl" "$work/tables"
done
