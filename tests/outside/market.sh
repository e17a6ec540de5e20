# Sourced by the scripts that run a market on loopback, behind `line_a`, `line_b`, `requests`, `ouch` and `glimpse`, its ports.
# What a script starts in the background it adds to `processes`, which end with the script.

processes=()
finish() {
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    processes=()
}
trap finish EXIT

# Arguments of `pricewright sim`.
on_ports=(--lines "127.0.0.1:$line_a,127.0.0.1:$line_b" --rerequest "127.0.0.1:$requests" --ouch "127.0.0.1:$ouch"
    --glimpse "127.0.0.1:$glimpse")

# The desk's example configuration on these ports, on unicast and without a spinning core; further arguments are sed's.
desk_toml() {
    sed -e "s/239.192.7.1:31001/127.0.0.1:$line_a/; s/239.192.7.2:31002/127.0.0.1:$line_b/" \
        -e "s/127.0.0.1:31003/127.0.0.1:$requests/; s/127.0.0.1:31004/127.0.0.1:$ouch/" \
        -e "s/127.0.0.1:31006/127.0.0.1:$glimpse/; s/^# idle = \"backoff\".*/idle = \"backoff\"/" "$@" \
        "$(dirname "${BASH_SOURCE[0]}")/../../strategies/trading/desk.toml"
}
