use std::io::Write;
use std::net::Ipv4Addr;

use super::*;
use crate::io::wait::Waiter;

const PATIENCE: Duration = Duration::from_secs(10);

fn acceptor() -> TcpAcceptor {
    TcpAcceptor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a listener")
}

fn pair() -> (TcpConnection, TcpConnection) {
    let acceptor = acceptor();
    let client = TcpConnection::connect(acceptor.local_addr(), PATIENCE).expect("a connection");
    let mut waiter = Waiter::new();
    waiter.readable(acceptor.as_fd());
    assert_eq!(waiter.wait(PATIENCE).expect("poll"), 1);
    let (server, peer) = acceptor.accept().expect("accept").expect("a peer");
    assert_eq!(server.peer_addr().expect("connected"), peer);
    (client, server)
}

/// Waits until there is something other than nothing.
fn receive(connection: &mut TcpConnection, buffer: &mut [u8]) -> Result<Received, TcpError> {
    let mut waiter = Waiter::new();
    loop {
        match connection.recv(buffer) {
            Ok(Received::Nothing) => {
                waiter.clear();
                waiter.readable(connection.as_fd());
                assert!(waiter.wait(PATIENCE).expect("poll") > 0, "nothing came");
            }
            outcome => return outcome,
        }
    }
}

#[test]
fn nothing_bytes_end() {
    let (mut client, mut server) = pair();
    let mut buffer = [0; 16];
    assert_eq!(server.recv(&mut buffer), Ok(Received::Nothing));
    client.send(b"hello").expect("send");
    assert_eq!(receive(&mut server, &mut buffer), Ok(Received::Bytes(5)));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(server.recv(&mut []), Ok(Received::Nothing), "an empty buffer is no end");
    drop(client);
    assert_eq!(receive(&mut server, &mut buffer), Ok(Received::End));
}

/// Peers that vanish without a word would hold their places for ever.
#[test]
fn both_ends_ask_whether_the_other_is_there() {
    let (client, server) = pair();
    for connection in [&client, &server] {
        let socket = SockRef::from(&connection.stream);
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), Duration::from_secs(30));
    }
}

#[test]
fn no_peer_is_none() {
    assert!(acceptor().accept().expect("accept").is_none());
}

/// The peer does not read: the kernel takes some, the buffer the rest, then whole messages are refused; once the peer
/// reads, exactly the accepted messages arrive, in order.
#[test]
fn partial_writes_keep_messages_whole() {
    let (mut client, mut server) = pair();
    let message = |n: u32| -> Vec<u8> { n.to_le_bytes().repeat(1_000 + (n as usize % 7) * 11) };
    let mut expected = Vec::new();
    let mut n = 0;
    loop {
        let bytes = message(n);
        match client.send(&bytes) {
            Ok(()) => expected.extend_from_slice(&bytes),
            Err(error) => {
                assert_eq!(error, TcpError::Full);
                break;
            }
        }
        n += 1;
    }
    assert!(client.pending() > SEND_BUFFER_LEN - 8_000 && client.room() < 8_000);
    let pending = client.pending();
    assert_eq!(client.send(&message(n)), Err(TcpError::Full));
    assert_eq!(client.pending(), pending, "nothing of a refused message is kept");

    // A few more go in while the peer reads slowly, so that pending bytes wrap to the front of the buffer.
    let mut arrived = Vec::new();
    let mut buffer = vec![0; 50_000];
    let more = n + 400;
    while arrived.len() < expected.len() || n < more {
        while n < more && client.send(&message(n)).is_ok() {
            expected.extend_from_slice(&message(n));
            n += 1;
        }
        client.flush().expect("connected");
        if let Received::Bytes(count) = server.recv(&mut buffer).expect("connected") {
            arrived.extend_from_slice(&buffer[..count]);
        }
    }
    assert_eq!(client.flush(), Ok(0));
    assert!(arrived == expected, "the stream differs");
}

#[test]
fn a_message_longer_than_the_buffer_is_refused() {
    let (mut client, _server) = pair();
    assert_eq!(client.send(&vec![0; SEND_BUFFER_LEN + 1]), Err(TcpError::Full));
    assert_eq!(client.pending(), 0);
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_no_signal() {
    let (mut client, server) = pair();
    server.shutdown().expect("connected");
    drop(server);
    let mut outcome = Ok(());
    for _ in 0..1_000 {
        outcome = client.send(&[1; 1_000]);
        if outcome.is_err() {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(outcome, Err(TcpError::Reset));
}

#[test]
fn refused_connections_say_what_to_do() {
    let address = acceptor().local_addr();
    let error = TcpConnection::connect(address, PATIENCE).expect_err("nobody listens").to_string();
    assert!(error.contains(&address.to_string()) && error.contains("start the other side first"), "{error}");
    let taken = acceptor();
    let error = TcpAcceptor::bind(taken.local_addr()).expect_err("taken").to_string();
    assert!(error.contains("set another port"), "{error}");
}

#[test]
fn it_understands_other_implementations() {
    let acceptor = acceptor();
    let mut stream = TcpStream::connect(acceptor.local_addr()).expect("connect");
    stream.write_all(b"plain").expect("write");
    let mut waiter = Waiter::new();
    waiter.readable(acceptor.as_fd());
    waiter.wait(PATIENCE).expect("poll");
    let (mut server, _) = acceptor.accept().expect("accept").expect("a peer");
    let mut buffer = [0; 16];
    assert_eq!(receive(&mut server, &mut buffer), Ok(Received::Bytes(5)));
    assert_eq!(&buffer[..5], b"plain");
}
