//! A flash sale as a service: TCP clients, HTTP, crashes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{BOUND, Place, Process, http_get, http_get_200, objects};

/// The repository's own file, on ports that the system chooses.
fn config() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/tcp.toml");
    let text = std::fs::read_to_string(path).expect("it is there");
    text.replace("127.0.0.1:7001", "127.0.0.1:0").replace("127.0.0.1:7002", "127.0.0.1:0")
}

struct Service {
    process: Process,
    tcp: SocketAddr,
    http: SocketAddr,
}

fn start(place: &Place) -> Service {
    start_with(place, &config(), &[])
}

fn start_with(place: &Place, config: &str, more: &[&str]) -> Service {
    place.write("tcp.toml", config);
    let process = place.start(&[&["run", "tcp.toml", "--journal", "j"], more].concat());
    let tcp = process.address_after("TCP clients on ");
    let http = process.address_after("prices at http://");
    Service { process, tcp, http }
}

impl Service {
    /// Asks it to end, and sees that it does so cleanly.
    fn end(self, place: &Place) -> Value {
        self.process.signal("TERM");
        let ran = self.process.finish_with_open_input();
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let report = place.verify("j");
        assert_eq!(report["clean_end"], true, "the journal is sealed: {report:#}");
        report
    }
}

struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, BOUND).expect("connected");
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
        let lines = BufReader::new(stream.try_clone().expect("a second handle"));
        Self { stream, lines }
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("sent");
    }

    /// The next line that comes back; `None` at the end.
    fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.lines.read_line(&mut line).expect("received") {
            0 => None,
            _ => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))),
        }
    }

    fn hear_price(&mut self) -> (String, String) {
        let line = self.hear().expect("a price");
        let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
        (text("sku"), text("price"))
    }
}

fn inventory(sku: &str, initial: u64, base: &str) -> String {
    let ts = "2026-01-01T00:00:00Z";
    format!(
        "{}\n",
        json!({ "type": "inventory", "sku": sku, "ts": ts, "initial": initial, "stock": initial, "base": base })
    )
}

fn purchase(sku: &str, qty: u64) -> String {
    format!("{}\n", json!({ "type": "purchase", "sku": sku, "ts": "2026-01-01T00:00:01Z", "qty": qty }))
}

fn price(sku: &str, price: &str) -> (String, String) {
    (sku.to_owned(), price.to_owned())
}

#[test]
fn two_clients_share_a_shop_and_http_knows_its_prices() {
    let place = Place::new();
    let service = start(&place);
    let mut one = Client::connect(service.tcp);
    one.say(&inventory("A", 40, "100.00"));
    assert_eq!(one.hear_price(), price("A", "100.00"));
    let mut two = Client::connect(service.tcp);
    two.say(&inventory("lamp/7 ä", 4, "10.00"));
    assert_eq!(two.hear_price(), price("lamp/7 ä", "10.00"));
    assert_eq!(one.hear_price(), price("lamp/7 ä", "10.00"), "every client hears every price");
    // A SKU is the same whichever client names it. The line comes in two parts.
    let line = purchase("A", 30);
    let (head, tail) = line.split_at(20);
    two.say(head);
    one.say("nonsense\n");
    two.say(tail);
    assert_eq!(one.hear_price(), price("A", "175.00"));
    assert_eq!(two.hear_price(), price("A", "175.00"));
    let letter = service.process.after("\"line\":2,");
    assert!(letter.contains("nonsense"), "{letter}");
    let body: Value = serde_json::from_str(&http_get_200(service.http, "/prices/A")).expect("JSON");
    assert_eq!((&body["sku"], &body["price"]), (&json!("A"), &json!("175.00")));
    let body: Value =
        serde_json::from_str(&http_get_200(service.http, "/prices/lamp%2F7%20%C3%A4")).expect("JSON");
    assert_eq!(body["price"], "10.00");
    let (status, body) = http_get(service.http, "/prices/B");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &body["sku"]), (404, &json!("B")));
    let all: Value = serde_json::from_str(&http_get_200(service.http, "/prices")).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    service.end(&place);
    assert_eq!((one.hear(), two.hear()), (None, None), "the end of the run is the end of the connections");
}

#[test]
fn a_client_that_ends_its_input_hears_its_answers_and_then_the_end() {
    let place = Place::new();
    let service = start(&place);
    let mut other = Client::connect(service.tcp);
    let mut client = Client::connect(service.tcp);
    let mut text = inventory("A", 1_000, "100.00");
    text.extend((0..1_000).map(|_| purchase("A", 1)));
    // The last line has no end.
    client.say(text.trim_end());
    client.stream.shutdown(Shutdown::Write).expect("half closed");
    let mut heard = Vec::new();
    while let Some(line) = client.hear() {
        heard.push(line);
    }
    assert_eq!(heard.len(), 1_001);
    assert_eq!(heard.last().expect("the last")["price"], "200.00");
    // A client that vanishes in the middle of a line troubles nobody.
    let mut gone = Client::connect(service.tcp);
    gone.say("{\"type\":\"purch");
    drop(gone);
    let letter = service.process.after("\"line\":1,");
    assert!(letter.contains("malformed"), "{letter}");
    other.say(&inventory("B", 2, "1.00"));
    while other.hear_price() != price("B", "1.00") {}
    drop(other);
    assert_eq!(service.end(&place)["decisions"], 1_003);
}

#[test]
fn a_restart_knows_prices_and_articles() {
    let place = Place::new();
    let service = start(&place);
    let mut client = Client::connect(service.tcp);
    client.say(&inventory("A", 40, "100.00"));
    assert_eq!(client.hear_price(), price("A", "100.00"));
    service.end(&place);
    let service = start(&place);
    assert!(http_get_200(service.http, "/prices/A").contains("\"price\":\"100.00\""));
    assert_eq!(http_get(service.http, "/prices/B").0, 404);
    let mut client = Client::connect(service.tcp);
    client.say(&purchase("A", 30));
    assert_eq!(client.hear_price(), price("A", "175.00"), "what an earlier run priced is not said again");
    service.end(&place);
}

/// What a client has heard survives: the journal holds it before anybody hears it.
#[test]
fn kill_9_in_the_middle_of_a_stream_continues_the_sequence() {
    let place = Place::new();
    let mut last_heard: Option<Value> = None;
    for round in 0..3 {
        let service = start(&place);
        if let Some(last) = &last_heard {
            let recovered = service.process.after("recovered run ");
            assert!(recovered.starts_with(&round.to_string()), "{recovered}");
            // The price that was heard last, or a later one.
            let now: Value = serde_json::from_str(&http_get_200(service.http, "/prices/A")).expect("JSON");
            assert!(now["seq"].as_u64() >= last["seq"].as_u64(), "{now} after {last}");
        }
        // It sends without a pause, so that another one hears.
        let mut listener = Client::connect(service.tcp);
        let mut client = Client::connect(service.tcp);
        if round == 0 {
            client.say(&inventory("A", 1_000_000, "10000.00"));
        }
        let mut writer = client.stream.try_clone().expect("a second handle");
        let stream = std::thread::spawn(move || {
            let lines = purchase("A", 1).repeat(100);
            // Ends when the process dies.
            while writer.write_all(lines.as_bytes()).is_ok() {}
        });
        for _ in 0..500 {
            last_heard = listener.hear();
            assert!(last_heard.is_some(), "it is still there");
        }
        service.process.signal("KILL");
        assert_eq!(service.process.finish_with_open_input().code, None);
        stream.join().expect("the writer");
        let report = place.verify("j");
        assert_eq!(report["clean_end"], false, "{report:#}");
    }
    let service = start(&place);
    let before = last_heard.expect("heard");
    http_get_200(service.http, "/prices/A");
    let mut client = Client::connect(service.tcp);
    client.say(&purchase("A", 1));
    let now = client.hear().expect("a price");
    assert!(now["seq"].as_u64() > before["seq"].as_u64());
    assert!(now["stock"].as_i64() < before["stock"].as_i64());
    service.end(&place);
}

fn stock(service: &Service) -> i64 {
    let body: Value = serde_json::from_str(&http_get_200(service.http, "/prices/A")).expect("JSON");
    body["stock"].as_i64().expect("a number")
}

/// Waits until `done` says so.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < BOUND, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Unread prices would make the kernel of a closing client throw away the lines that it had still to send.
#[test]
fn a_client_that_sends_closes_and_reads_nothing_loses_no_line() {
    let place = Place::new();
    // Longer than a client of a busy machine is kept from its processor.
    let config = config().replace("tcp = true", "tcp = true\nquiet_ms = 5000");
    let service = start_with(&place, &config, &[]);
    for lines in [20_000, 100_000] {
        let mut client = Client::connect(service.tcp);
        client.say(&inventory("A", 1_000_000, "10000.00"));
        client.say(&purchase("A", 1).repeat(lines));
        drop(client);
        let left = 1_000_000 - i64::try_from(lines).expect("few");
        until("lines are missing", || stock(&service) == left);
    }
    service.end(&place);
}

/// It must not have been sent the other's prices in the moment between its coming and the first look at what it sent.
#[test]
fn who_comes_sends_and_closes_while_another_sends_loses_no_line() {
    const LINES: i64 = 2_000;
    let place = Place::new();
    let service = start(&place);
    let mut busy = Client::connect(service.tcp);
    busy.say(&inventory("B", 100_000_000, "10000.00"));
    busy.say(&inventory("A", 1_000_000, "10000.00"));
    until("no stock", || http_get(service.http, "/prices/A").1.contains("\"stock\":1000000,"));
    let ended = Arc::new(AtomicBool::new(false));
    let sends = {
        let ended = Arc::clone(&ended);
        std::thread::spawn(move || {
            while !ended.load(Ordering::Acquire) {
                busy.say(&purchase("B", 1).repeat(500));
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    for round in 1..=10 {
        let mut client = Client::connect(service.tcp);
        // One write, which the kernel takes whole.
        client.say(&purchase("A", 1).repeat(LINES as usize));
        drop(client);
        until("lines are missing", || stock(&service) == 1_000_000 - round * LINES);
    }
    ended.store(true, Ordering::Release);
    sends.join().expect("the other client");
    service.end(&place);
}

/// A client that is not the first to be answered reads everything when it has ended its input, more than is kept for it.
#[test]
fn a_client_that_reads_late_hears_everything() {
    let place = Place::new();
    let service = start(&place);
    let mut client = Client::connect(service.tcp);
    let mut text = inventory("A", 20_000, "10000.00");
    text.push_str(&purchase("A", 1).repeat(10_000));
    client.say(&text);
    client.stream.shutdown(Shutdown::Write).expect("half closed");
    until("not taken", || http_get(service.http, "/prices/A").1.contains("\"stock\":10000,"));
    let mut heard = 0;
    while let Some(line) = client.hear() {
        assert_eq!(line["stock"].as_u64(), Some(20_000 - heard));
        heard += 1;
    }
    assert_eq!(heard, 10_001);
    service.end(&place);
}

#[test]
fn acknowledged_lines_are_in_the_journal() {
    let place = Place::new();
    let config = config().replace("tcp = true", "tcp = false");
    let service = start_with(&place, &config, &["--ack"]);
    let mut client = Client::connect(service.tcp);
    client.say(&inventory("A", 40, "100.00"));
    client.say("nonsense\n");
    client.say(&purchase("A", 1));
    let mut last = client.hear().expect("an acknowledgement");
    while last["ack"] != 3 || last["refused"] != 1 {
        last = client.hear().expect("an acknowledgement");
    }
    let seq = last["seq"].as_u64().expect("a number");
    // It is there, whatever becomes of the process now.
    service.process.signal("KILL");
    service.process.finish_with_open_input();
    let export = place.expect(0, &["journal", "export", "j", "--jsonl", "--out", "-"]).out;
    let record = objects(&export).into_iter().find(|record| record["seq"] == seq);
    assert!(record.is_some(), "record {seq}: {export:#?}");
    // Without TCP clients there is nobody to say it to.
    place.write("stdin.toml", &config.replace("listen = \"127.0.0.1:0\"", "stdin = true"));
    let refused = place.expect(2, &["run", "stdin.toml", "--ack"]);
    assert!(refused.err.join(" ").contains("listen"), "{refused:#?}");
}

#[test]
fn a_full_house_is_said_and_the_silent_make_room() {
    let place = Place::new();
    let config = config().replace("max_skus = 65536", "max_skus = 16\nmax_clients = 3\nidle_s = 1");
    let service = start_with(&place, &config, &[]);
    let mut seller = Client::connect(service.tcp);
    seller.say(&inventory("A", 40, "100.00"));
    assert_eq!(seller.hear_price(), price("A", "100.00"));
    let mut silent = [Client::connect(service.tcp), Client::connect(service.tcp)];
    until("three are in", || http_get_200(service.http, "/health").contains("\"clients\":3"));
    let mut late = Client::connect(service.tcp);
    late.say(&purchase("A", 30));
    service.process.after("all 3 places for TCP clients are taken");
    assert_eq!(late.hear_price(), price("A", "175.00"), "the one that was silent longest went");
    assert_eq!(seller.hear_price(), price("A", "175.00"), "who has sent lines stays");
    // One of the two has gone, the other hears.
    silent[1].stream.set_read_timeout(Some(BOUND)).expect("a bound");
    while silent[0].hear().is_some() {}
    assert_eq!(silent[1].hear_price(), price("A", "175.00"));
    let health: Value = serde_json::from_str(&http_get_200(service.http, "/health")).expect("JSON");
    assert_eq!((&health["clients"], &health["max_clients"]), (&json!(3), &json!(3)));
    service.end(&place);
}

/// Descriptors that strangers take are none that the journal needs.
#[test]
fn idle_http_clients_stop_neither_prices_nor_health() {
    let place = Place::new();
    let config = config().replace("segment_mib = 16", "segment_mib = 1").replace("on_change", "always");
    place.write("tcp.toml", &config);
    let program = env!("CARGO_BIN_EXE_pricewright");
    let process = place
        .start_other("bash", &["-c", &format!("ulimit -n 128; exec '{program}' run tcp.toml --journal j")]);
    let tcp = process.address_after("TCP clients on ");
    let http = process.address_after("prices at http://");
    let service = Service { process, tcp, http };
    let mut client = Client::connect(tcp);
    client.say(&inventory("A", 1_000_000_000, "100.00"));
    assert_eq!(client.hear_price(), price("A", "100.00"));
    let idle: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect_timeout(&http, BOUND).expect("connected");
            // A request that is never finished. Who has been sent away already cannot write any more.
            let _sent = stream.write_all(b"GET /prices/A HTTP/1.1\r\nHost: x\r\n");
            stream
        })
        .collect();
    let health: Value = serde_json::from_str(&http_get_200(http, "/health")).expect("JSON");
    assert_eq!(health["status"], "ok", "{health:#}");
    let left = 1_000_000_000 - 30_000;
    for _ in 0..60 {
        client.say(&purchase("A", 1).repeat(500));
    }
    until("prices go on while they stay", || stock(&service) == left);
    drop(idle);
    client.stream.shutdown(Shutdown::Write).expect("half closed");
    let mut heard = 0;
    while client.hear().is_some() {
        heard += 1;
    }
    assert_eq!(heard, 30_000);
    service.end(&place);
}

#[test]
fn an_operator_freezes_prices_and_releases_them() {
    let place = Place::new();
    let service = start(&place);
    let mut client = Client::connect(service.tcp);
    client.say(&inventory("A", 40, "100.00"));
    assert_eq!(client.hear_price(), price("A", "100.00"));
    place.expect(0, &["operator", "kill", "j"]);
    client.say(&purchase("A", 30));
    until("frozen", || http_get_200(service.http, "/health").contains("\"prices\":\"frozen\""));
    let body: Value = serde_json::from_str(&http_get_200(service.http, "/prices/A")).expect("JSON");
    assert_eq!((&body["price"], &body["held"]), (&json!("100.00"), &json!("frozen")));
    assert!(body["age_ms"].is_u64(), "{body:#}");
    service.end(&place);
    // It outlives the run.
    let service = start(&place);
    until("frozen", || http_get_200(service.http, "/health").contains("\"prices\":\"frozen\""));
    let mut client = Client::connect(service.tcp);
    place.expect(0, &["operator", "rearm", "j"]);
    assert_eq!(client.hear_price(), price("A", "175.00"), "the stock was counted all the time");
    until("released", || http_get_200(service.http, "/health").contains("\"status\":\"ok\""));
    service.end(&place);
}
