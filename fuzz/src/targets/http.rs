//! The price server over a socket: any bytes, in pieces, get an answer of HTTP or none, and the server goes on to answer.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pricewright::edges::http::{PriceServer, PriceTable, serve};
use pricewright::edges::vitals::Vitals;
use pricewright_feeds::jsonl::Encoder;

use crate::input::Input;

/// How long an answer may take before the connection is given up; a request that waits for more is left alone.
const PATIENCE: Duration = Duration::from_millis(200);
const QUESTION: &[u8] = b"GET /prices HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// One server for all inputs.
fn address() -> SocketAddr {
    static SERVER: OnceLock<(PriceTable, PriceServer)> = OnceLock::new();
    let start = || {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        serve(any, Encoder::new(2, 8), 1, 16, Arc::new(Vitals::default())).expect("a port")
    };
    SERVER.get_or_init(start).1.address()
}

/// What comes back for these pieces, as far as it comes in time.
fn ask<'a>(pieces: impl Iterator<Item = &'a [u8]>, patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address()).expect("the server listens");
    stream.set_read_timeout(Some(patience)).expect("a time-out");
    stream.set_nodelay(true).expect("no delay");
    for piece in pieces {
        // It may have closed on what came before.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    // It may have closed before.
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
    }
    answer
}

/// See the module.
pub fn http(data: &[u8]) {
    let mut input = Input::new(data);
    let step = 1 + usize::from(input.byte()) * 4;
    let answer = ask(input.rest().chunks(step), PATIENCE);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
    let answer = ask(std::iter::once(QUESTION), Duration::from_secs(30));
    assert!(answer.starts_with(b"HTTP/1.1 "), "it answers no more: {}", String::from_utf8_lossy(&answer));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let requests: [&[u8]; 6] = [
        QUESTION,
        b"GET /prices/A%20B HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /prices/%ff%00 HTTP/1.0\r\n\r\n",
        b"POST /prices HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nx",
        b"POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    requests.iter().map(|request| [&[255], *request].concat()).collect()
}
