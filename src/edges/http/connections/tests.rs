use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;

/// A server of one page on a thread of its own, and what ends it.
fn server() -> (SocketAddr, oneshot::Sender<()>, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("an option");
    let address = listener.local_addr().expect("an address");
    let (end, ended) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let door = Door::new(TcpListener::from_std(listener).expect("registered"), 4);
            let router = Router::new().route("/health", get(|| async { "well" }));
            let ending = async {
                let _end = ended.await;
            };
            serve(door, router, ending).await;
        });
    });
    (address, end, thread)
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("connected");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a bound");
    client.set_nodelay(true).expect("no delay");
    client
}

/// What comes back until the server closes, for `pieces` and then the end of the client's side.
fn ask(address: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut client = connect(address);
    for piece in pieces {
        client.write_all(piece).expect("sent");
    }
    client.shutdown(Shutdown::Write).expect("ended");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("closed, not reset");
    answer
}

const QUESTION: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn who_ends_its_side_after_the_request_is_answered() {
    let (address, end, thread) = server();
    // The end may come with the request, or while it is worked on: many tries meet both.
    for _ in 0..200 {
        let answer = ask(address, &[QUESTION]);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nwell"), "{answer}");
    }
    let (head, rest) = QUESTION.split_at(11);
    assert!(ask(address, &[head, rest]).ends_with("\r\n\r\nwell"), "in two pieces");
    let twice = ask(address, &[QUESTION, QUESTION]);
    assert_eq!(twice.matches("\r\n\r\nwell").count(), 2, "{twice}");
    assert!(ask(address, &[b"GET /other HTTP/1.0\r\n\r\n"]).starts_with("HTTP/1.0 404 "));
    drop(end);
    thread.join().expect("ended");
}

#[test]
fn who_ends_its_side_within_a_request_is_let_go() {
    let (address, end, thread) = server();
    assert_eq!(ask(address, &[]), "");
    for length in [1, 11, QUESTION.len() - 1] {
        let answer = ask(address, &[&QUESTION[..length]]);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    // A body that does not come: the page asks for none.
    let lacking = b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc";
    assert!(ask(address, &[lacking]).starts_with("HTTP/1.1 200 OK\r\n"));
    drop(end);
    thread.join().expect("ended");
}

/// RFC 9112 section 3.2.
#[test]
fn a_request_without_host_or_with_several_is_refused() {
    let (address, end, thread) = server();
    let asked = |head: &str| ask(address, &[format!("GET {head}\r\n\r\n").as_bytes()]);
    for bad in [
        "/health HTTP/1.1",
        "/nothing HTTP/1.1",
        "http://x/health HTTP/1.1",
        "/health HTTP/1.1\r\nHost: x\r\nHost: x",
        "/health HTTP/1.0\r\nHost: x\r\nHost: y",
    ] {
        assert!(asked(bad).contains(" 400 Bad Request\r\n"), "{bad}: {}", asked(bad));
    }
    for good in ["/health HTTP/1.0", "/health HTTP/1.1\r\nHost:"] {
        assert!(asked(good).contains(" 200 OK\r\n"), "{good}: {}", asked(good));
    }
    drop(end);
    thread.join().expect("ended");
}

#[test]
fn a_connection_goes_on_until_the_server_ends() {
    let (address, end, thread) = server();
    let mut client = connect(address);
    for _ in 0..3 {
        client.write_all(QUESTION).expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nwell") {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("answered");
            answer.push(byte[0]);
        }
    }
    drop(end);
    // Idle connections end too, and nobody else is let in.
    assert_eq!(client.read(&mut [0; 8]).expect("ended"), 0);
    thread.join().expect("ended");
    assert!(TcpStream::connect(address).is_err(), "closed");
}
