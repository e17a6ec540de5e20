//! A flash sale as a service: TCP clients, HTTP, crashes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::support::{BOUND, Place, Process, http_get, http_get_200};

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
    place.write("tcp.toml", &config());
    let process = place.start(&["run", "tcp.toml", "--journal", "j"]);
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
            last_heard = client.hear();
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
