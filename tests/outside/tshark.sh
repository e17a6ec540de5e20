#!/usr/bin/env bash
# The packets between the simulated exchange and a desk, captured on loopback and taken apart by Wireshark's own
# dissectors of MoldUDP64, SoupBinTCP and ITCH: not one may be malformed, and of each protocol there must be some.
# Usage: tshark.sh WORK_DIR, with PRICEWRIGHT naming the built program.
set -euo pipefail
source "$(dirname "$0")/fetch.sh"
here="$(cd "$(dirname "$0")" && pwd)"
work="$1"
line_a="${LINE_A_PORT:-32601}" line_b="${LINE_B_PORT:-32602}"
requests="${REQUEST_PORT:-32603}" ouch="${OUCH_PORT:-32604}" glimpse="${GLIMPSE_PORT:-32606}"

if ! command -v tshark >/dev/null; then
    fetch apt-get update -qq
    fetch env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq tshark >/dev/null
fi

# shellcheck source=tests/outside/market.sh
source "$here/market.sh"
desk_toml >"$work/desk.toml"

tshark -Q -i lo -w "$work/session.pcap" -f "port $line_a or port $line_b or port $requests or port $ouch" &
processes+=($!)
for _ in $(seq 100); do
    [ -s "$work/session.pcap" ] && break
    sleep 0.1
done

"$PRICEWRIGHT" sim --seed 9 --seconds 8 --rate 2000 --loss 5 --reorder 5 --duplicate 3 "${on_ports[@]}" &
sim=$!
processes+=("$sim")
sleep 1
"$PRICEWRIGHT" run "$work/desk.toml" --journal "$work/journal" --seconds 5
wait "$sim"
sleep 1
finish

# TCP segments that the capture saw out of order must not look like errors of the protocol inside.
dissect() {
    tshark -r "$work/session.pcap" -o tcp.reassemble_out_of_order:TRUE \
        -d "udp.port==$line_a,moldudp64" -d "udp.port==$line_b,moldudp64" -d "udp.port==$requests,moldudp64" \
        -d "tcp.port==$ouch,soupbintcp" "$@" 2>/dev/null
}

count() { dissect -Y "$1" | wc -l; }

wrong="_ws.malformed || moldudp64.msglen.invalid || moldudp64.count.invalid || moldudp64.end_of_session_extra"
wrong="$wrong || soupbintcp.next_seq_num.invalid || soupbintcp.req_seq_num.invalid"
malformed="$(count "$wrong")"
if [ "$malformed" -ne 0 ]; then
    dissect -Y "$wrong" -V | head -80 || true
    echo "tshark: $malformed malformed packets" >&2
    exit 1
fi
# The check can fail: the older MoldUDP's dissector finds every one of these packets malformed.
if [ "$(tshark -r "$work/session.pcap" -d "udp.port==$line_a,moldudp" -Y _ws.malformed 2>/dev/null | wc -l)" -eq 0 ]; then
    echo "tshark: the check for malformed packets finds nothing where all are" >&2
    exit 1
fi
for filter in "moldudp64 && udp.port==$line_a" "moldudp64 && udp.port==$line_b" "moldudp64.msgblock" \
    "moldudp64.request && udp.dstport==$requests" "soupbintcp && tcp.dstport==$ouch" "soupbintcp && tcp.srcport==$ouch"; do
    packets="$(count "$filter")"
    if [ "$packets" -eq 0 ]; then
        echo "tshark: no packet of: $filter" >&2
        exit 1
    fi
    echo "tshark: $packets packets of: $filter, none malformed"
done
