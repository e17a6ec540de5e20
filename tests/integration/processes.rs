//! A simulated exchange and a desk, each a process, on sockets of this machine.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use serde_json::Value;

use crate::support::{Place, Process, free_address};

/// Addresses that were free a moment ago, on the loopback.
pub(crate) struct Market {
    lines: [SocketAddr; 2],
    rerequest: SocketAddr,
    ouch: SocketAddr,
    glimpse: SocketAddr,
}

impl Market {
    /// Finds free ports.
    pub(crate) fn find() -> Self {
        let udp = || free_address(|address| UdpSocket::bind(address).is_ok());
        let tcp = || free_address(|address| TcpListener::bind(address).is_ok());
        Self { lines: [udp(), udp()], rerequest: udp(), ouch: tcp(), glimpse: tcp() }
    }

    /// Starts the exchange; it says what it was, as JSON, when it is asked to end.
    pub(crate) fn start(&self, place: &Place, symbols: &[&str], seed: u64, rate: u32, loss: u32) -> Process {
        let mut arguments = self.arguments(symbols, seed, rate, loss);
        arguments.push("--json".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        place.start(&arguments)
    }

    /// The exchange's arguments.
    pub(crate) fn arguments(&self, symbols: &[&str], seed: u64, rate: u32, loss: u32) -> Vec<String> {
        let pairs = [
            ("--symbols", symbols.join(",")),
            ("--seed", seed.to_string()),
            ("--rate", rate.to_string()),
            ("--loss", loss.to_string()),
            ("--lines", format!("{},{}", self.lines[0], self.lines[1])),
            ("--rerequest", self.rerequest.to_string()),
            ("--ouch", self.ouch.to_string()),
            ("--glimpse", self.glimpse.to_string()),
        ];
        let pairs = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        std::iter::once("sim".to_owned()).chain(pairs).collect()
    }

    /// The configuration `text` with these addresses.
    pub(crate) fn configure(&self, text: &str) -> String {
        let lines = format!("lines = [\"{}\", \"{}\"]", self.lines[0], self.lines[1]);
        let swap = |text: String, from: &str, to: &str| {
            assert!(text.contains(from), "the example has {from:?}");
            text.replace(from, to)
        };
        let text = swap(text.to_owned(), "lines = [\"239.192.7.1:31001\", \"239.192.7.2:31002\"]", &lines);
        let text = swap(text, "127.0.0.1:31003", &self.rerequest.to_string());
        let text = swap(text, "127.0.0.1:31004", &self.ouch.to_string());
        let text = swap(text, "127.0.0.1:31006", &self.glimpse.to_string());
        // Other tests want the cores too.
        swap(text, "# idle = \"backoff\"", "idle = \"backoff\"")
    }
}

/// Ends an exchange and gives its summary.
pub(crate) fn summary(exchange: Process) -> Value {
    exchange.signal("TERM");
    let finished = exchange.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    serde_json::from_str(&finished.out.join("\n")).expect("a summary")
}
