use std::collections::HashMap;

use pricewright_feeds::nasdaq::itch::{FileReader, Message};

use super::*;

const MARKET: Market = Market { seed: 7, live: 2_000, instruments: 5, levels: 30, young: false };
const COUNT: usize = 50_000;

fn day(market: Market) -> (Stream, Vec<u8>) {
    let mut stream = Stream::new(market);
    let mut bytes = Vec::new();
    assert_eq!(stream.open(&mut bytes), market.live);
    stream.go_on(COUNT, &mut bytes);
    (stream, bytes)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(day(MARKET).1, day(MARKET).1);
    assert_ne!(day(MARKET).1, day(Market { seed: 8, ..MARKET }).1);
}

/// Every message is about an order that is there, and takes no more shares than it has.
#[test]
fn messages_are_about_live_orders() {
    for market in [MARKET, Market { young: true, ..MARKET }] {
        let (stream, bytes) = day(market);
        let mut shares_of: HashMap<u64, (u16, u32)> = HashMap::new();
        let mut count = 0;
        for message in FileReader::new(&bytes) {
            let (_, message) = message.expect("a message");
            let locate = message.header().locate.get();
            assert!((1..=market.instruments).contains(&locate));
            let mut take = |order: u64, shares: u32| {
                let left = shares_of.get_mut(&order).expect("a live order");
                assert_eq!(left.0, locate);
                left.1 = left.1.checked_sub(shares).expect("as many shares");
                if left.1 == 0 {
                    shares_of.remove(&order);
                }
            };
            match message {
                Message::AddOrder(body) => {
                    assert!(shares_of.insert(body.order.get(), (locate, body.shares.get())).is_none());
                }
                Message::AddOrderAttributed(body) => {
                    assert!(shares_of.insert(body.order.get(), (locate, body.shares.get())).is_none());
                }
                Message::OrderExecuted(body) => take(body.order.get(), body.shares.get()),
                Message::OrderExecutedWithPrice(body) => take(body.order.get(), body.shares.get()),
                Message::OrderCancel(body) => take(body.order.get(), body.shares.get()),
                Message::OrderDelete(body) => {
                    assert!(shares_of.remove(&body.order.get()).is_some());
                }
                Message::OrderReplace(body) => {
                    assert!(shares_of.remove(&body.order.get()).is_some());
                    shares_of.insert(body.new_order.get(), (locate, body.shares.get()));
                }
                other => panic!("{other:?} is not expected"),
            }
            count += 1;
        }
        assert_eq!(count, market.live + COUNT);
        assert_eq!(shares_of.len(), stream.live());
        let off = stream.live().abs_diff(market.live);
        assert!(off <= market.live / 16, "{} live orders instead of {}", stream.live(), market.live);
    }
}

#[test]
fn a_symbol_is_its_locate_code() {
    assert_eq!(symbol(1).as_str(), "P00001");
    assert_eq!(symbol(65_535).as_str(), "P65535");
}
