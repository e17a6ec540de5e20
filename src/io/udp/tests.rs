use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use super::*;
use crate::io::wait::Waiter;

const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const PATIENCE: Duration = Duration::from_secs(10);

fn open(address: Ipv4Addr, port: u16, receive_buffer: usize) -> UdpReceiver {
    let config = ReceiverConfig { receive_buffer, ..ReceiverConfig::new(SocketAddrV4::new(address, port)) };
    UdpReceiver::open(&config).expect("a receiver")
}

fn sender(receiver: &UdpReceiver) -> UdpSender {
    UdpSender::open(receiver.local_addr(), LOCALHOST, LOCAL_TTL).expect("a sender")
}

/// Waits until something has come, and appends all payloads that have.
fn drain(receiver: &mut UdpReceiver, wanted: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let mut waiter = Waiter::new();
    while payloads.len() < wanted {
        waiter.clear();
        waiter.readable(receiver.as_fd());
        assert!(waiter.wait(PATIENCE).expect("poll") > 0, "{} of {wanted} came", payloads.len());
        let batch = receiver.recv_batch().expect("receive");
        payloads.extend(batch.iter().map(|packet| packet.bytes.to_vec()));
    }
    payloads
}

#[test]
fn nothing_is_an_empty_batch() {
    let mut receiver = open(LOCALHOST, 0, 1 << 16);
    let batch = receiver.recv_batch().expect("receive");
    assert!(batch.is_empty() && batch.iter().next().is_none());
    assert_eq!(batch.len(), 0);
}

#[test]
fn two_groups_on_one_port_stay_apart() {
    if !probe_multicast(LOCALHOST) {
        eprintln!("not tested: this machine's loopback carries no multicast");
        return;
    }
    let mut line_a = open(Ipv4Addr::new(239, 255, 10, 1), 0, 1 << 20);
    let port = line_a.local_addr().port();
    let mut line_b = open(Ipv4Addr::new(239, 255, 10, 2), port, 1 << 20);
    let mut twin_b = open(Ipv4Addr::new(239, 255, 10, 2), port, 1 << 20);
    let (sender_a, sender_b) = (sender(&line_a), sender(&line_b));
    for n in 0..50_u8 {
        sender_a.send(&[b'a', n]).expect("send");
        sender_b.send(&[b'b', n]).expect("send");
    }
    let expected = |line| (0..50_u8).map(|n| vec![line, n]).collect::<Vec<_>>();
    assert_eq!(drain(&mut line_a, 50), expected(b'a'));
    assert_eq!(drain(&mut line_b, 50), expected(b'b'));
    assert_eq!(drain(&mut twin_b, 50), expected(b'b'), "every listener of a group has its own copy");
    for receiver in [&mut line_a, &mut line_b, &mut twin_b] {
        assert!(receiver.recv_batch().expect("receive").is_empty());
        assert_eq!((receiver.packets(), receiver.kernel_drops()), (50, 0));
    }
}

#[test]
fn kernel_drops_are_counted_to_the_last_one() {
    let mut receiver = open(LOCALHOST, 0, 8_192);
    let sender = sender(&receiver);
    let sent = 1_000_u64;
    for round in 1..=3 {
        for _ in 0..sent {
            sender.send(&[7; 1_000]).expect("send");
        }
        while !receiver.recv_batch().expect("receive").is_empty() {}
        // A drop shows in the next datagram that is received.
        sender.send(b"after").expect("send");
        assert_eq!(drain(&mut receiver, 1), [b"after"]);
        assert!(receiver.kernel_drops() > round * sent / 2, "a small buffer cannot hold them");
        assert_eq!(
            receiver.packets() + receiver.kernel_drops(),
            round * (sent + 1),
            "none is unaccounted for"
        );
    }
}

#[test]
fn a_large_volume_arrives_whole_when_it_is_drained() {
    let mut receiver = open(LOCALHOST, 0, 1 << 20);
    let mut sender = sender(&receiver);
    let mut next = 0_u64;
    for round in 0..4_000_u64 {
        let payloads: Vec<Vec<u8>> = (0..BATCH_LEN as u64)
            .map(|n| {
                let number = round * BATCH_LEN as u64 + n;
                let mut payload = vec![number as u8; 8 + (number % 400) as usize];
                payload[..8].copy_from_slice(&number.to_le_bytes());
                payload
            })
            .collect();
        let mut slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        while !slices.is_empty() {
            let sent = sender.send_batch(&slices).expect("send");
            slices.drain(..sent);
        }
        let from = receive_round(&mut receiver, &payloads, &mut next);
        assert_eq!(*from.ip(), LOCALHOST);
    }
    assert_eq!((next, receiver.packets()), (128_000, 128_000));
    assert_eq!(receiver.kernel_drops(), 0);
}

/// Receives one round and compares it with what was sent; gives the sender's address.
fn receive_round(receiver: &mut UdpReceiver, payloads: &[Vec<u8>], next: &mut u64) -> SocketAddrV4 {
    let mut from = None;
    let mut expected = payloads.iter();
    let mut waiter = Waiter::new();
    while expected.len() > 0 {
        waiter.clear();
        waiter.readable(receiver.as_fd());
        assert!(waiter.wait(PATIENCE).expect("poll") > 0, "packet {next} is lost");
        for packet in receiver.recv_batch().expect("receive").iter() {
            assert_eq!(
                packet.bytes,
                expected.next().expect("no more than were sent").as_slice(),
                "packet {next}"
            );
            assert!(!packet.truncated() && packet.kernel_stamp().is_none());
            from = Some(packet.from());
            *next += 1;
        }
    }
    from.expect("a packet")
}

#[test]
fn more_than_a_batch_is_sent_in_parts() {
    let mut receiver = open(LOCALHOST, 0, 1 << 20);
    let mut sender = sender(&receiver);
    let payloads = [b"x".as_slice(); BATCH_LEN + 5];
    assert_eq!(sender.send_batch(&payloads).expect("send"), BATCH_LEN);
    assert_eq!(sender.send_batch(&payloads[BATCH_LEN..]).expect("send"), 5);
    assert_eq!(sender.send_batch(&[]).expect("send"), 0);
    assert_eq!(drain(&mut receiver, BATCH_LEN + 5).len(), BATCH_LEN + 5);
    assert_eq!(sender.target(), receiver.local_addr());
}

#[test]
fn datagrams_too_long_are_marked_and_empty_ones_come() {
    let mut receiver = open(LOCALHOST, 0, 1 << 20);
    let sender = sender(&receiver);
    sender.send(&[1; DATAGRAM_LEN + 1]).expect("send");
    sender.send(&[]).expect("send");
    sender.send(&[2; DATAGRAM_LEN]).expect("send");
    let batch = receiver.recv_batch().expect("receive");
    let found: Vec<(usize, bool)> =
        batch.iter().map(|packet| (packet.bytes.len(), packet.truncated())).collect();
    assert_eq!(found, [(DATAGRAM_LEN, true), (0, false), (DATAGRAM_LEN, false)]);
}

#[test]
fn the_kernel_stamps_datagrams_where_asked_and_counts_drops_beside() {
    let config = ReceiverConfig {
        kernel_stamps: true,
        receive_buffer: 8_192,
        ..ReceiverConfig::new(SocketAddrV4::new(LOCALHOST, 0))
    };
    let mut receiver = UdpReceiver::open(&config).expect("a receiver");
    let sender = sender(&receiver);
    for _ in 0..100 {
        sender.send(&[0; 1_000]).expect("send");
    }
    let mut stamps = Vec::new();
    loop {
        let batch = receiver.recv_batch().expect("receive");
        if batch.is_empty() {
            break;
        }
        stamps.extend(batch.iter().map(|packet| packet.kernel_stamp().expect("a stamp").0));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos() as i64;
    let day = 86_400_000_000_000;
    assert!(
        !stamps.is_empty() && stamps.iter().all(|stamp| (now - stamp).abs() < day),
        "{stamps:?} at {now}"
    );
    sender.send(b"after").expect("send");
    assert_eq!(drain(&mut receiver, 1), [b"after"]);
    assert_eq!(receiver.kernel_drops() + receiver.packets(), 101);
}

#[test]
fn an_answer_comes_to_the_asking_socket() {
    let mut client = open(LOCALHOST, 0, 1 << 16);
    let mut server = open(LOCALHOST, 0, 1 << 16);
    client.send_to(b"again from 7", server.local_addr()).expect("send");
    assert_eq!(drain(&mut server, 1), [b"again from 7"]);
    let asker = server.recv_batch().expect("receive").iter().next().map(|packet| packet.from());
    assert_eq!(asker, None, "an empty batch shows nothing of the last one");
    client.send_to(b"again from 8", server.local_addr()).expect("send");
    let asker = loop {
        if let Some(packet) = server.recv_batch().expect("receive").iter().next() {
            break packet.from();
        }
    };
    assert_eq!(asker, client.local_addr());
    server.send_to(b"7 and on", asker).expect("send");
    assert_eq!(drain(&mut client, 1), [b"7 and on"]);
}

#[test]
fn receivers_move_between_threads() {
    let mut receiver = open(LOCALHOST, 0, 1 << 20);
    let sender = sender(&receiver);
    sender.send(b"first").expect("send");
    assert_eq!(drain(&mut receiver, 1), [b"first"]);
    let thread = std::thread::spawn(move || drain(&mut receiver, 2));
    sender.send(b"second").expect("send");
    sender.send(b"third").expect("send");
    assert_eq!(thread.join().expect("it ends"), [b"second".to_vec(), b"third".to_vec()]);
}

#[test]
fn set_up_errors_name_address_and_mend() {
    let taken = open(LOCALHOST, 0, 1 << 16);
    let address = taken.local_addr();
    let error = UdpReceiver::open(&ReceiverConfig::new(address)).expect_err("taken").to_string();
    assert!(error.contains(&address.to_string()) && error.contains("set another port"), "{error}");
    // 192.0.2.0/24 is for documentation (RFC 5737); some machines carry it all the same, so 203.0.113.0/24 is used.
    let foreign = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 9), 0);
    let error = UdpReceiver::open(&ReceiverConfig::new(foreign)).expect_err("not ours").to_string();
    assert!(error.contains("203.0.113.9") && error.contains("ip addr"), "{error}");
}
