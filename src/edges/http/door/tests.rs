use std::io::Read as _;
use std::net::TcpStream as Client;

use super::*;
use crate::edges::http::connections::serve;

/// A door with `places` on a thread of its own that answers nothing; its address.
fn door(places: usize) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("an option");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("registered");
            // As long as the test.
            serve(Door::new(listener, places), axum::Router::new(), std::future::pending()).await;
        });
    });
    address
}

#[test]
fn who_comes_last_is_let_in_and_who_came_first_goes() {
    let address = door(2);
    let connect = || {
        let client = Client::connect(address).expect("connected");
        client.set_read_timeout(Some(Duration::from_secs(60))).expect("a bound");
        client
    };
    let mut idle: Vec<Client> = (0..5).map(|_| connect()).collect();
    let mut asking = connect();
    io::Write::write_all(&mut asking, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("asked");
    let mut answer = String::new();
    asking.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    // Reset or ended, long before they are idle for too long.
    let gone = idle[0].read(&mut [0; 8]);
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
}
