#!/usr/bin/env bash
# A real Prometheus scrapes a desk that trades with the simulated exchange and a shop that takes lines, both live, and is asked
# through its own API what it has: every kind of figure that the documentation lists, with values that can be. promtool reads both
# pages, and a strict reader of OpenMetrics what is answered to who asks for it. At the end Prometheus' counts are held against
# the journals.
# Usage: prometheus.sh WORK_DIR, with PRICEWRIGHT naming the built program. Ends what it starts.
set -euo pipefail
source "$(dirname "$0")/fetch.sh"
here="$(cd "$(dirname "$0")" && pwd)"
work="$1/prometheus"
mkdir -p "$work"
line_a="${LINE_A_PORT:-32611}" line_b="${LINE_B_PORT:-32612}"
requests="${REQUEST_PORT:-32613}" ouch="${OUCH_PORT:-32614}" glimpse="${GLIMPSE_PORT:-32616}"
lines="${SHOP_PORT:-32617}" prices="${PRICES_PORT:-32618}"
desk_page="127.0.0.1:${DESK_METRICS_PORT:-32619}" shop_page="127.0.0.1:${SHOP_METRICS_PORT:-32620}"
api="127.0.0.1:${PROMETHEUS_PORT:-32621}"

missing=()
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
command -v curl >/dev/null || missing+=(curl)
command -v jq >/dev/null || missing+=(jq)
/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || missing+=(python3-prometheus-client)
if [ "${#missing[@]}" -gt 0 ]; then
    fetch apt-get update -qq
    fetch env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# shellcheck source=tests/outside/market.sh
source "$here/market.sh"

fail() {
    echo "prometheus: $*" >&2
    tail -n 20 "$work"/*.log >&2 || true
    exit 1
}

# Waits until `$2...` says something that contains `$1`.
until_says() {
    local wanted="$1" said=""
    shift
    for _ in $(seq 300); do
        said="$("$@" 2>&1 || true)"
        if grep -qF -- "$wanted" <<<"$said"; then return 0; fi
        sleep 0.2
    done
    fail "no $wanted in what $* says: $said"
}

# A desk and its exchange.
"$PRICEWRIGHT" sim --seed 7 --rate 2000 --loss 5 --reorder 5 "${on_ports[@]}" >"$work/sim.log" 2>&1 &
processes+=($!)
desk_toml -e 's/^topology = "auto".*/topology = "pipelined"/; s/^# durability = "process"/durability = "async"/' \
    -e "s/^# \[metrics\]/[metrics]/; s/^# listen = \"127.0.0.1:9464\".*/listen = \"$desk_page\"/" >"$work/desk.toml"
"$PRICEWRIGHT" run "$work/desk.toml" --journal "$work/desk" >"$work/desk.log" 2>&1 &
desk=$!
processes+=("$desk")

# A shop and its clients.
sed -e "s/127.0.0.1:7001/127.0.0.1:$lines/; s/127.0.0.1:7002/127.0.0.1:$prices/" \
    -e "s/^# \[metrics\]/[metrics]/; s/^# listen = \"127.0.0.1:9464\".*/listen = \"$shop_page\"/" \
    -e "s|^# dead_letter = .*|dead_letter = \"$work/dead-letters.jsonl\"|" \
    "$here/../../strategies/pricing/flash_sale/tcp.toml" >"$work/shop.toml"
"$PRICEWRIGHT" run "$work/shop.toml" --journal "$work/shop" >"$work/shop.log" 2>&1 &
shop=$!
processes+=("$shop")
until_says "metrics at http://$shop_page/metrics" cat "$work/shop.log"
exec 9<>"/dev/tcp/127.0.0.1/$lines"
say() { printf '%s\n' "$1" >&9; }
say '{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}'
say '{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":30}'
say '{"type":'

# Both are ready, by their own word.
until_says "metrics at http://$desk_page/metrics" cat "$work/desk.log"
until_says '"status":"ok"' curl -s "http://$desk_page/readyz"
until_says 'pricewright_orders{' curl -s "http://$desk_page/metrics"
for page in "$desk_page" "$shop_page"; do
    for probe in healthz readyz; do
        status="$(curl -s -o "$work/probe.json" -w '%{http_code}' "http://$page/$probe")"
        [ "$status" = 200 ] && jq -e '.status == "ok" and .reasons == []' "$work/probe.json" >/dev/null ||
            fail "$page/$probe: $status $(cat "$work/probe.json")"
    done
done

# Each format as it is asked for, read by judges of others.
for page in "$desk_page" "$shop_page"; do
    curl -s -D "$work/head.txt" -H 'Accept: text/plain' "http://$page/metrics" >"$work/page.txt"
    grep -qi '^content-type: text/plain; version=0.0.4' "$work/head.txt" || fail "$(cat "$work/head.txt")"
    promtool check metrics <"$work/page.txt" || fail "promtool does not like $page"
    curl -s -D "$work/head.txt" -H 'Accept: application/openmetrics-text;version=1.0.0' "http://$page/metrics" >"$work/page.om"
    grep -qi '^content-type: application/openmetrics-text; version=1.0.0' "$work/head.txt" || fail "$(cat "$work/head.txt")"
    [ "$(tail -n 1 "$work/page.om")" = '# EOF' ] || fail "OpenMetrics without its end: $(tail -n 1 "$work/page.om")"
    /usr/bin/python3 - "$work/page.om" <<'PYTHON' || fail "$page is no OpenMetrics"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(open(sys.argv[1], encoding="utf-8").read()))
assert len(families) > 20, len(families)
print(f"prometheus: {len(families)} families of OpenMetrics")
PYTHON
done
# The check can fail.
if printf '# HELP a_total x\n# TYPE a_total gauge\na_total 1\n' | promtool check metrics >/dev/null 2>&1; then
    fail "promtool finds nothing wrong with a gauge that is called a total"
fi

# The rules that the documentation gives can be used, and name only what there is.
sed -n '/^groups:/,/^```/{/^```/!p}' "$here/../../docs/metrics.md" >"$work/rules.yml"
promtool check rules "$work/rules.yml" || fail "the rules of docs/metrics.md cannot be used"
while read -r name; do
    grep -qF "| \`$name\` |" "$here/../../docs/metrics.md" || fail "a rule of docs/metrics.md needs $name, which there is not"
done < <(grep -o 'pricewright_[a-z_]*' "$work/rules.yml" | sort -u)

cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: ["$work/rules.yml"]
scrape_configs:
  - job_name: desk
    static_configs: [{targets: ["$desk_page"]}]
  - job_name: shop
    static_configs: [{targets: ["$shop_page"]}]
YAML
promtool check config "$work/prometheus.yml" >/dev/null
# It must not hold the client's connection open.
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="$api" \
    >"$work/prometheus.log" 2>&1 9>&- &
processes+=($!)

ask() { curl -s --data-urlencode "query=$1" "http://$api/api/v1/query"; }
# Waits until a query has a result: comparisons in it leave out what is not so.
holds() {
    for _ in $(seq 300); do
        if ask "$1" | jq -e '.status == "success" and (.data.result | length) > 0' >/dev/null 2>&1; then
            echo "prometheus: $1"
            return 0
        fi
        sleep 0.2
    done
    fail "not so: $1; $(ask "${1%% [<>=]*}")"
}
# A query must be answered, with no result.
never() {
    ask "$1" | jq -e '.status == "success" and (.data.result | length) == 0' >/dev/null || fail "this must not be: $(ask "$1")"
}
value() { ask "$1" | jq -r '.data.result[0].value[1]'; }

holds 'count(up == 1) == 2'
never 'scrape_samples_scraped < 20'
# Rates, latencies, rings.
holds 'rate(pricewright_events_total{job="desk",kind="OrderAdd"}[10s]) > 0'
holds 'sum(rate(pricewright_decisions_total{job="desk"}[10s])) > 0'
for stage in sequence decide send receive_to_order; do
    holds "histogram_quantile(0.99, rate(pricewright_stage_latency_seconds_bucket{job=\"desk\",stage=\"$stage\"}[10s])) > 0"
done
holds 'pricewright_stage_latency_seconds_count{job="desk",stage="kernel_queue"} > 0'
holds 'sum(pricewright_stage_latency_seconds_bucket{job="desk",stage="decide",le="+Inf"}) == sum(pricewright_stage_latency_seconds_count{job="desk",stage="decide"})'
holds 'pricewright_ring_capacity_cells{job="desk",ring="ingress"} > 0'
holds 'pricewright_ring_used_cells{job="desk",ring="ingress"} <= ignoring() pricewright_ring_capacity_cells{job="desk",ring="ingress"}'
holds 'pricewright_ring_full_total{job="desk"} >= 0'
# The feed: gaps and recoveries, kernel drops, books.
holds 'pricewright_feed_packets_total{job="desk"} > 0'
holds 'pricewright_feed_gaps_total{job="desk"} > 0'
holds 'pricewright_feed_recovered_messages_total{job="desk"} > 0'
holds 'pricewright_feed_rerequests_total{job="desk"} > 0'
holds 'pricewright_feed_snapshots_total{job="desk"} >= 0'
holds 'pricewright_feed_kernel_drops_total{job="desk"} >= 0'
holds 'sum(pricewright_feed_health{job="desk"}) == 1'
holds 'sum(pricewright_book_health{job="desk",instrument="DEMO"}) == 1'
holds 'pricewright_book_health{job="desk",instrument="DEMO",health="valid"} == 1'
# Orders, risk, profit.
holds 'pricewright_session_phase{job="desk",session="orders",phase="ready"} == 1'
holds 'pricewright_orders{job="desk",state="live"} >= 0'
holds 'sum(pricewright_orders_sent_total{job="desk"}) > 0'
holds 'pricewright_fills_total{job="desk",instrument="DEMO"} > 0'
holds 'sum(pricewright_decisions_total{job="desk",kind="OrderRefused"} or vector(0)) == sum(pricewright_orders_refused_total{job="desk"} or vector(0))'
holds 'sum(pricewright_events_total{job="desk",kind="VenueRejected"} or vector(0)) == sum(pricewright_orders_rejected_total{job="desk"} or vector(0))'
holds 'pricewright_latched{job="desk",control="none"} == 0'
for limit in collar_bps band_bps max_order_lots max_notional max_position_lots max_open_orders max_open_notional \
    max_gross_notional max_net_notional max_rejects message_burst reference_max_age_ms ingress_lag_max_us max_daily_loss; do
    holds "pricewright_limit{job=\"desk\",limit=\"$limit\"} > 0"
    holds "pricewright_limit_used{job=\"desk\",limit=\"$limit\"} <= pricewright_limit{job=\"desk\",limit=\"$limit\"}"
done
holds 'pricewright_limit{job="desk",limit="max_position_lots",instrument="DEMO"} == 2000'
holds 'abs(pricewright_position_lots{job="desk",instrument="DEMO"}) <= 2000'
holds 'abs(pricewright_net_profit{job="desk",currency="USD"} - (pricewright_realised_profit + pricewright_unrealised_profit - pricewright_fees)) < 0.001'
# Storage, durable, replica, memory.
for job in desk shop; do
    holds "pricewright_journal_size_bytes{job=\"$job\",files=\"segments\"} > 0"
    holds "pricewright_journal_free_bytes{job=\"$job\"} > 0"
    holds "pricewright_storage_low{job=\"$job\"} == 0"
    holds "pricewright_replica_lag_records{job=\"$job\"} >= 0"
    holds "pricewright_replica_lag_seconds{job=\"$job\"} >= 0"
    holds "pricewright_replica_alarm{job=\"$job\"} == 0"
    holds "process_resident_memory_bytes{job=\"$job\"} > 1e6"
    holds "process_open_fds{job=\"$job\"} > 3"
    holds "abs(time() - process_start_time_seconds{job=\"$job\"}) < 600"
    holds "pricewright_build_info{job=\"$job\"} == 1"
done
never 'ALERTS{alertname=~"PricewrightLatched|PricewrightBookNotValid|PricewrightNoSession|PricewrightSelfCheck",alertstate="firing"}'
holds 'pricewright_durable_lag_records{job="desk"} >= 0'
holds 'pricewright_durable_lag_seconds{job="desk"} < 5'
# The shop: what was said to it, to the line.
holds 'pricewright_events_total{job="shop",kind="Purchase"} == 1'
holds 'pricewright_decisions_total{job="shop",kind="PricePublished"} == 2'
holds 'pricewright_dead_letters_total{job="shop",reason="malformed"} == 1'
holds 'pricewright_clients{job="shop"} == 1'
exec 9>&-
holds 'pricewright_clients{job="shop"} == 0'

# What Prometheus has is what is in the journal: as much, or what had come by its last look.
adds="$(value 'pricewright_events_total{job="desk",kind="OrderAdd"}')"
for process in "$desk" "$shop"; do
    kill -TERM "$process"
    wait "$process" || fail "a run ended with $?"
done
journalled="$("$PRICEWRIGHT" journal inspect "$work/desk" --type OrderAdd --json 2>/dev/null | grep -c . || true)"
[ "$adds" -gt 0 ] && [ "$adds" -le "$journalled" ] || fail "OrderAdd: Prometheus $adds, the journal $journalled"
echo "prometheus: OrderAdd $adds, $journalled in the journal by its end"
# Its targets are gone, and it says so.
holds 'count(up == 0) == 2'
