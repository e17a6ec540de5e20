//! The snapshot server on real sockets: what a client gets is what the feed had said by then.

use std::net::SocketAddr;
use std::time::Instant;

use pricewright_feeds::nasdaq::glimpse::{Snapshot, SnapshotClient, SnapshotClientConfig};
use pricewright_feeds::nasdaq::itch::{Message, decode};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, Symbol};

use super::{
    BookOrder, Listener, Lots, PATIENCE, PlainBook, Side, Sim, SimConfig, TcpConnection, Ticks, now, symbol,
};
use crate::io::tcp::Received;
use crate::io::wait::nap;
use crate::sim::snapshots::MAX_CLIENTS;

fn config(symbols: &[&str]) -> SnapshotClientConfig {
    SnapshotClientConfig {
        username: Alpha::new("READER").expect("short"),
        password: Password(Alpha::BLANK),
        symbols: symbols.iter().map(|text| Symbol::new(text).expect("short")).collect(),
        max_bytes: 1 << 22,
    }
}

/// A connection, logged in; `None` where the server hangs up.
fn fetch(address: SocketAddr, symbols: &[&str]) -> Option<Snapshot> {
    let mut connection = TcpConnection::connect(address, PATIENCE).expect("a connection");
    let mut client = SnapshotClient::connect(config(symbols), now()).expect("room");
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "no snapshot");
        let sent = client.output().len();
        if connection.send(client.output()).is_err() {
            return None;
        }
        client.consume(sent);
        match connection.recv(client.spare()) {
            Ok(Received::Bytes(count)) => {
                if client.on_received(count, now()).expect("a sound snapshot") {
                    return client.into_snapshot();
                }
            }
            Ok(Received::Nothing) => nap(std::time::Duration::from_millis(1)),
            Ok(Received::End) | Err(_) => return None,
        }
    }
}

/// The orders of a snapshot as the exchange lists them, and how many messages are something else.
fn orders(snapshot: &Snapshot, symbols: &[&str]) -> (Vec<BookOrder>, usize) {
    let messages =
        (0..snapshot.len()).map(|index| decode(snapshot.message(index).expect("there")).expect("ITCH"));
    let (adds, others): (Vec<_>, Vec<_>) =
        messages.partition(|message| matches!(message, Message::AddOrder(_)));
    let mut orders: Vec<BookOrder> = adds
        .iter()
        .map(|message| {
            let Message::AddOrder(body) = message else { unreachable!("they were picked") };
            BookOrder {
                symbol: body.stock,
                side: if body.side == b'B' { Side::Buy } else { Side::Sell },
                order: body.order.get(),
                price: Ticks(i64::from(body.price.get())),
                qty: Lots(i64::from(body.shares.get())),
            }
        })
        .collect();
    orders.sort_by_key(|order| {
        let place = symbols.iter().position(|text| order.symbol.as_str() == *text);
        let price = if order.side == Side::Buy { -order.price.0 } else { order.price.0 };
        (place, order.side == Side::Sell, price)
    });
    (orders, others.len())
}

#[test]
fn a_snapshot_is_what_the_feed_had_said_by_then_order_by_order() {
    let symbols = ["ONE", "TWO"];
    let config =
        SimConfig { rate: 5_000, symbols: symbols.map(str::to_owned).to_vec(), ..SimConfig::embedded(false) };
    let sim = Sim::start(&config).expect("an exchange");
    let mut listener = Listener::new(sim.addresses());
    let start = Instant::now();
    let (mut snapshots, mut of_one) = (Vec::new(), None);
    while !listener.is_complete() {
        assert!(start.elapsed() < PATIENCE, "gave up");
        listener.poll();
        if snapshots.len() < 3 && listener.kept.messages.len() > 2_000 * (snapshots.len() + 1) {
            snapshots.push(fetch(sim.addresses().glimpse, &symbols).expect("a snapshot"));
        }
        if snapshots.len() == 3 && of_one.is_none() {
            of_one = Some(fetch(sim.addresses().glimpse, &["ONE"]).expect("a snapshot"));
            sim.stop();
        }
    }
    for snapshot in &snapshots {
        let heard = &listener.kept.messages[..snapshot.next_sequence() as usize - 1];
        assert!(heard.len() > 2_000);
        let book = PlainBook::of(heard.iter().map(Vec::as_slice)).book();
        let (orders, others) = orders(snapshot, &symbols);
        assert_eq!(orders, book, "up to {}", heard.len());
        // O, S and Q; directory, state and restriction of both.
        assert_eq!(others, 3 + 2 * 3);
    }
    let (orders, others) = orders(&of_one.expect("it was asked for"), &["ONE"]);
    assert!(orders.len() > 10 && orders.iter().all(|order| order.symbol == symbol("ONE")));
    assert_eq!(others, 3 + 3, "events, and directory, state and restriction of one");
    let summary = sim.join().expect("a summary");
    assert_eq!(summary.snapshots, 4);
}

#[test]
fn one_client_too_many_is_closed_and_the_others_are_served() {
    let sim = Sim::start(&SimConfig { rate: 0, ..SimConfig::embedded(false) }).expect("an exchange");
    let address = sim.addresses().glimpse;
    let silent: Vec<TcpConnection> =
        (0..MAX_CLIENTS).map(|_| TcpConnection::connect(address, PATIENCE).expect("a connection")).collect();
    assert!(fetch(address, &["DEMO"]).is_none(), "there are as many as there may be");
    drop(silent);
    let start = Instant::now();
    let snapshot = loop {
        assert!(start.elapsed() < PATIENCE, "places are not free again");
        if let Some(snapshot) = fetch(address, &["DEMO"]) {
            break snapshot;
        }
    };
    sim.stop();
    let summary = sim.join().expect("a summary");
    assert_eq!(orders(&snapshot, &["DEMO"]).0, summary.book);
}
