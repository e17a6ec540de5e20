#!/usr/bin/env bash
# The book of an ITCH file that the simulated exchange wrote: ours and meatpy's must be the same, order by order.
# Usage: meatpy.sh WORK_DIR, with PRICEWRIGHT and ITCH_BOOK naming the built programs.
set -euo pipefail
source "$(dirname "$0")/fetch.sh"
here="$(cd "$(dirname "$0")" && pwd)"
work="$1"

python3 -m venv "$work/venv" || {
    fetch apt-get update -qq
    fetch env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    python3 -m venv "$work/venv"
}
fetch "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'meatpy==0.5.0'

"$PRICEWRIGHT" sim --seed 7 --seconds 3 --rate 5000 --symbols DEMO,OTHER --json \
    --lines 127.0.0.1:0,127.0.0.1:0 --rerequest 127.0.0.1:0 --ouch 127.0.0.1:0 \
    --write-itch "$work/session.itch" >"$work/sim.json"
"$ITCH_BOOK" "$work/session.itch" 3000 >"$work/ours.jsonl"
"$work/venv/bin/python" "$here/meatpy_book.py" "$work/session.itch" "$work/ours.jsonl" "$work/sim.json"
