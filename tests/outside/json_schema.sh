#!/usr/bin/env bash
# What every command prints under --json, held against docs/schema/output.json by the Python package jsonschema; and that
# file against JSON Schema's own. Usage: json_schema.sh WORK_DIR.
set -euo pipefail
source "$(dirname "$0")/fetch.sh"
here="$(cd "$(dirname "$0")" && pwd)"
work="$1/json_schema"
mkdir -p "$work/out"

python3 -m venv "$work/venv" || {
    fetch apt-get update -qq
    fetch env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    python3 -m venv "$work/venv"
}
fetch "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'jsonschema==4.25.1'

PRICEWRIGHT_JSON_OUT="$work/out" cargo test --test integration json_schema
"$work/venv/bin/python" "$here/json_schema.py" "$here/../../docs/schema/output.json" "$work/out"
