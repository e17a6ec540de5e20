//! Figures and probes of a live shop, and the page that describes them.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use pricewright::telemetry::metrics::table::{TABLE, Type};

use crate::processes::Market;
use crate::support::{BOUND, Place, Process, http_get};

const PAGE: &str = "docs/metrics.md";

/// The page's text before the table.
const INTRODUCTION: &str = "\
# Metrics and probes

`[metrics] listen = \"127.0.0.1:9464\"` in a pipeline's configuration serves three pages over HTTP; without it nothing is
served. A port alone (`listen = 9464`) is reached by this machine only. There is no password: who reaches an address beyond
this machine reads positions and profit, and `pricewright check` and `run` say so. At most `max_clients` are answered at once, a
connection that does nothing for 10 s is closed, and none lives longer than 60 s. The pages are made on a thread of their own,
from the journal and from what other threads show anyway; the hot thread does nothing for them.

| page | answers |
| --- | --- |
| `/metrics` | every figure below, as Prometheus text 0.0.4, or as OpenMetrics 1.0.0 if the `Accept` header asks for it |
| `/healthz` | 200 while the process works, else 503: the hot thread moves, no stage has failed, the journal is followed, the disk that makes it durable has not failed |
| `/readyz` | 200 while it does what it is there for, else 503: all of `/healthz`, and the market data and every book are valid, the order session is ready, storage is not low, what is written is durable within 5 s, the kill latch is released (a frozen shop is latched), the self-check found no difference, positions agree with the drop copy |

Probes answer with JSON: `status` is `ok` or `failing`, `reasons` has a sentence for each check that failed, `checks` has all of
them with `check`, `ok` and `detail`. A check that a pipeline has no use for (the order session of a shop) is left out.

```json
{\"status\":\"failing\",\"reasons\":[\"storage: storage is low: no new risk is taken; free some room\"],\"checks\":[...]}
```

Counters count from the start of the run. Orders by state and limits are read from the second machine that follows the journal
(`[journal] replica`, on unless said otherwise), so that they are exact after a restart too, and cost the first one nothing; their
delay is `pricewright_replica_lag_seconds`. A figure that a run has no use for is left out. Rates are for Prometheus to make:
`rate(pricewright_events_total[1m])`.

```yaml
scrape_configs:
  - job_name: pricewright
    static_configs: [{targets: [\"127.0.0.1:9464\"]}]
```

Rules to begin with; a desk needs most of them, a shop the first, the second and the last four:

```yaml
groups:
  - name: pricewright
    rules:
      - {alert: PricewrightGone, expr: 'up{job=\"pricewright\"} == 0', for: 10s}
      - {alert: PricewrightLatched, expr: 'pricewright_latched == 1'}
      - {alert: PricewrightBookNotValid, expr: 'pricewright_book_health{health=\"valid\"} == 0', for: 10s}
      - {alert: PricewrightNoSession, expr: 'pricewright_session_phase{session=\"orders\",phase=\"ready\"} == 0', for: 10s}
      - {alert: PricewrightKernelDrops, expr: 'increase(pricewright_feed_kernel_drops_total[5m]) > 0'}
      - {alert: PricewrightOrdersInDoubt, expr: 'pricewright_orders{state=\"in_doubt\"} > 0', for: 1m}
      - {alert: PricewrightPositionBreak, expr: 'pricewright_position_breaks > 0'}
      - {alert: PricewrightDailyLoss, expr: 'pricewright_limit_used_ratio{limit=\"max_daily_loss\"} > 0.8'}
      - {alert: PricewrightDeadLetters, expr: 'sum by (job, reason) (rate(pricewright_dead_letters_total[5m])) > 1'}
      - {alert: PricewrightStorage, expr: 'pricewright_journal_free_bytes < 2 * pricewright_journal_free_wanted_bytes'}
      - {alert: PricewrightNotDurable, expr: 'pricewright_durable_lag_seconds > 1', for: 10s}
      - {alert: PricewrightSelfCheck, expr: 'pricewright_replica_alarm == 1'}
```

This page is made from the table in `src/telemetry/metrics/table.rs` by a test (`PRICEWRIGHT_WRITE_DOCS=1 cargo test metrics`).

| name | type | unit | labels | meaning |
| --- | --- | --- | --- | --- |
";

fn documented() -> String {
    let mut page = INTRODUCTION.to_owned();
    for metric in TABLE {
        let name = match metric.kind {
            Type::Histogram => format!("{}_bucket`, `…_sum`, `…_count", metric.sample()),
            _ => metric.sample(),
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let (kind, unit) = (metric.kind.name(), metric.unit.unwrap_or("–"));
        writeln!(page, "| `{name}` | {kind} | {unit} | {labels} | {} |", metric.help).expect("to memory");
    }
    page
}

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = documented();
    if std::env::var_os("PRICEWRIGHT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let written = std::fs::read_to_string(&path).expect("the page is there");
    assert!(
        written == page,
        "{PAGE} is not what the code says; write it with PRICEWRIGHT_WRITE_DOCS=1 cargo test metrics"
    );
}

struct Shop {
    process: Process,
    lines: TcpStream,
    metrics: SocketAddr,
}

/// A shop that takes lines over TCP, with `journal` in `[journal]`.
fn open(place: &Place, journal: &str) -> Shop {
    open_with(place, journal, "")
}

/// As [`open`], with `metrics` in `[metrics]`.
fn open_with(place: &Place, journal: &str, metrics: &str) -> Shop {
    let config = format!(
        "machine = \"flash_sale\"\n[journal]\nsegment_mib = 1\n{journal}\n[runtime]\nidle = \"backoff\"\n\
         [feed.jsonl]\nlisten = \"127.0.0.1:0\"\n[gateway.jsonl]\ndead_letter = \"dead.jsonl\"\n\
         [metrics]\nlisten = \":0\"\n{metrics}[config]\ncurrency_decimals = 2\npublish = \"always\"\n"
    );
    place.write("shop.toml", &config);
    let process = place.start(&["run", "shop.toml", "--journal", "j"]);
    let tcp = process.address_after("TCP clients on ");
    let metrics = process.address_after("metrics at http://");
    assert!(metrics.ip().is_loopback(), "a port alone is of this machine");
    let lines = TcpStream::connect_timeout(&tcp, BOUND).expect("connected");
    Shop { process, lines, metrics }
}

impl Shop {
    fn say(&mut self, line: &str) {
        writeln!(self.lines, "{line}").expect("sent");
    }

    /// The page, once a line of it begins with `wanted`.
    fn page_with(&self, wanted: &str) -> String {
        until(&format!("{wanted} in /metrics"), || {
            let (status, page) = http_get(self.metrics, "/metrics");
            assert_eq!(status, 200);
            page.lines().any(|line| line == wanted).then_some(page)
        })
    }

    fn probe(&self, path: &str) -> (u16, Value) {
        let (status, body) = http_get(self.metrics, path);
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    fn end(self, place: &Place) {
        self.process.signal("TERM");
        let ran = self.process.finish_with_open_input();
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        place.verify("j");
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < BOUND, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Status line and headers, and the body, of a request with `Accept`.
fn get_as(address: SocketAddr, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect_timeout(&address, BOUND).expect("connected");
    stream.set_read_timeout(Some(BOUND)).expect("a bound");
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_shop_shows_its_prices_dead_letters_and_health() {
    let place = Place::new();
    let mut shop = open(&place, "");
    shop.say(r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#);
    shop.say(r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":30}"#);
    shop.say("{\"type\":");
    shop.say(r#"{"type":"purchase","sku":"B","ts":"2026-01-01T00:00:01Z","qty":1}"#);
    let page = shop.page_with("pricewright_dead_letters_total{reason=\"malformed\"} 1");
    for line in [
        "pricewright_build_info{version=\"0.1.0\",machine=\"flash_sale\"} 1",
        "pricewright_decisions_total{kind=\"PricePublished\"} 2",
        "pricewright_events_total{kind=\"Purchase\"} 1",
        "pricewright_dead_letters_total{reason=\"unknown_key\"} 1",
        "pricewright_latched{control=\"none\"} 0",
        "pricewright_storage_low 0",
        "pricewright_clients 1",
        "# TYPE pricewright_stage_latency_seconds histogram",
    ] {
        let page = shop.page_with(line);
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    assert!(page.contains("pricewright_journal_size_bytes{files=\"segments\"} "), "{page}");
    assert!(page.contains("process_resident_memory_bytes "), "{page}");
    assert!(!page.contains("# EOF"), "Prometheus' own format");

    let (head, page) = get_as(shop.metrics, "application/openmetrics-text;version=1.0.0");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(page.ends_with("# EOF\n"), "{page}");

    for path in ["/healthz", "/readyz"] {
        let (status, verdict) = shop.probe(path);
        assert_eq!((status, &verdict["status"]), (200, &Value::from("ok")), "{path}: {verdict:#}");
        assert_eq!(verdict["reasons"], Value::Array(Vec::new()));
    }
    place.expect(0, &["operator", "kill", "j"]);
    let verdict = until("a shop that is frozen is not ready", || {
        let (status, verdict) = shop.probe("/readyz");
        (status == 503).then_some(verdict)
    });
    assert!(verdict["reasons"][0].as_str().expect("a reason").starts_with("latch: "), "{verdict:#}");
    assert_eq!(shop.probe("/healthz").0, 200, "it works as it was told to");
    shop.end(&place);
}

#[test]
fn low_storage_is_not_ready_and_says_why() {
    let place = Place::new();
    // More than any disk of today gives.
    let mut shop = open(&place, "min_free_mib = 4294967295\ndurability = \"async\"");
    let page = shop.page_with("pricewright_journal_free_wanted_bytes 4503599626321920");
    assert!(page.contains("pricewright_durable_lag_records "), "{page}");
    let not_ready = |shop: &Shop, why: &str| {
        let (status, verdict) = shop.probe("/readyz");
        assert_eq!(status, 503, "{verdict:#}");
        let reason = verdict["reasons"][0].as_str().expect("a reason");
        assert!(reason.starts_with(why), "{verdict:#}");
    };
    not_ready(&shop, "storage: less is free than min_free_mib");
    // Half a segment of 1 MiB: the next one is made, and what is free is looked at.
    shop.say(r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":9000,"stock":9000,"base":"100.00"}"#);
    (0..8_000).for_each(|_| shop.say(r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":1}"#));
    shop.page_with("pricewright_storage_low 1");
    not_ready(&shop, "storage: storage is low");
    let (status, verdict) = shop.probe("/healthz");
    assert_eq!(status, 200, "{verdict:#}");
    let checks = verdict["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["check"] == "durable" && check["ok"] == true), "{verdict:#}");
    shop.end(&place);
}

#[test]
fn an_address_that_is_taken_is_refused_before_the_run_begins() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let config = format!(
        "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\n[metrics]\nlisten = \"{address}\"\n[config]\ncurrency_decimals = 2\n"
    );
    place.write("shop.toml", &config);
    let said = place.expect(2, &["run", "shop.toml", "--journal", "j"]).err.join("\n");
    assert!(said.contains("[metrics] listen"), "{said}");
}

#[test]
fn settings_that_cannot_be_or_are_hardly_meant_are_said() {
    let place = Place::new();
    let check = |settings: &str, code| {
        place.write(
            "shop.toml",
            &format!(
                "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\n[metrics]\n{settings}\n[config]\ncurrency_decimals = 2\n"
            ),
        );
        let said = place.expect(code, &["check", "shop.toml"]);
        [said.out, said.err].concat().join("\n")
    };
    for wrong in ["\"localhost\"", "\"127.0.0.1\"", "\"127.0.0.1:99999\"", "70000", "true"] {
        let said = check(&format!("listen = {wrong}"), 2);
        assert!(said.contains("127.0.0.1:9464"), "an example helps: {said}");
    }
    let said = check("listen = 9464\nmax_clients = 0", 2);
    assert!(said.contains("max_clients") && said.contains("1 to 1000"), "{said}");
    let said = check("max_clients = 3", 2);
    assert!(said.contains("listen"), "{said}");
    let said = check("listen = 7002\n[gateway.http]\nlisten = \"127.0.0.1:7002\"", 2);
    assert!(said.contains("[gateway.http] listens there"), "{said}");
    let said = check("listen = \"0.0.0.0:9464\"", 0);
    assert!(said.contains("warning") && said.contains("metrics.listen"), "{said}");
    let said = check("listen = 9464", 0);
    assert!(!said.contains("metrics.listen"), "{said}");
    assert!(said.contains("/readyz on http://127.0.0.1:9464"), "{said}");
}

/// Two places, and clients that say nothing, or half of a request, or more than any: who comes last is answered.
#[test]
fn clients_that_hold_their_places_keep_nobody_out() {
    let place = Place::new();
    let shop = open_with(&place, "", "max_clients = 2\n");
    let mut held = Vec::new();
    for said in ["", "GET /metr", "GET /metrics HTTP/1.1\r\nX: ", ""] {
        let mut stream = TcpStream::connect_timeout(&shop.metrics, BOUND).expect("connected");
        stream.write_all(said.as_bytes()).expect("said");
        held.push(stream);
        assert_eq!(shop.probe("/healthz").0, 200);
    }
    // A head without end: the server has a bound, and closes.
    let mut endless = TcpStream::connect_timeout(&shop.metrics, BOUND).expect("connected");
    endless.set_write_timeout(Some(BOUND)).expect("a bound");
    let more = [b'x'; 65_536];
    let mut sent = endless.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
    for _ in 0..1_024 {
        sent = sent.and_then(|()| endless.write_all(&more));
    }
    assert!(sent.is_err(), "64 MiB of a header are not read");
    let (status, page) = http_get(shop.metrics, "/metrics");
    assert_eq!(status, 200, "{page}");
    assert_eq!(http_get(shop.metrics, "/nothing").0, 404);
    shop.end(&place);
}

/// A desk is ready when the market has spoken and the order session stands, and not before, nor when both are gone.
#[test]
fn a_desk_is_ready_while_its_market_is_there() {
    let place = Place::new();
    let market = Market::find();
    let text = market.configure(include_str!("../../strategies/trading/desk.toml"));
    let text = text.replace("# [metrics]", "[metrics]");
    place.write("desk.toml", &text.replace("# listen = \"127.0.0.1:9464\"", "listen = \"127.0.0.1:0\""));
    let exchange = market.start(&place, &["DEMO"], 5, 500, 0);
    let desk = place.start(&["run", "desk.toml", "--journal", "j"]);
    let metrics = desk.address_after("metrics at http://");
    let ready = || {
        let (status, body) = http_get(metrics, "/readyz");
        (status, serde_json::from_str::<Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    };
    until("a desk that is ready", || (ready().0 == 200).then_some(()));
    let page = until("figures of the desk", || {
        let page = http_get(metrics, "/metrics").1;
        let all = [
            "pricewright_book_health{instrument=\"DEMO\",health=\"valid\"} 1",
            "pricewright_session_phase{session=\"orders\",phase=\"ready\"} 1",
            "pricewright_orders{state=\"live\"}",
            "pricewright_limit{limit=\"max_position_lots\",instrument=\"DEMO\"} 2000",
            "pricewright_net_profit{instrument=\"DEMO\",currency=\"USD\"}",
        ];
        all.iter().all(|wanted| page.contains(wanted)).then_some(page)
    });
    assert!(page.contains("pricewright_feed_kernel_drops_total "), "{page}");
    let summary = crate::processes::summary(exchange);
    assert!(summary.is_object(), "{summary}");
    let reasons = until("a desk without its market is not ready", || {
        let (status, verdict) = ready();
        let reasons = verdict["reasons"].to_string();
        (status == 503 && reasons.contains("feed: ") && reasons.contains("session: ")).then_some(reasons)
    });
    assert_eq!(http_get(metrics, "/healthz").0, 200, "the process works: {reasons}");
    desk.signal("TERM");
    let ran = desk.finish_with_open_input();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}
