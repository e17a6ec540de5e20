use std::collections::HashSet;

use pricewright_feeds::nasdaq::itch::{Message, decode};
use pricewright_feeds::nasdaq::moldudp64::{Packet, decode as decode_packet};

use super::market::{Market, own_bid_e4};

/// Every packet moves both orders by a cent or two, and orders that are replaced are those of the packet before.
#[test]
fn each_packet_moves_the_market() {
    let mut market = Market::new(0);
    let opening = market.open().expect("made");
    let Packet::Data { first, messages, .. } = decode_packet(&opening).expect("a packet") else {
        panic!("messages")
    };
    assert_eq!((first, messages.left()), (1, 5));
    let (mut bid, mut ask) = ((1, 999_600_u32), (2, 1_000_400_u32));
    for number in 1..=1_000 {
        let (made, packet) = market.next_packet().expect("made");
        let Packet::Data { first, messages, .. } = decode_packet(&packet).expect("a packet") else {
            panic!("messages")
        };
        assert_eq!((made, first), (number, 6 + 2 * (number - 1)));
        let mut replaced = messages.map(|bytes| match decode(bytes).expect("a message") {
            Message::OrderReplace(body) => (body.order.get(), body.new_order.get(), body.price.get()),
            other => panic!("{other:?}"),
        });
        let (old, new, price) = replaced.next().expect("the bid");
        assert_eq!(old, bid.0);
        assert!([100, 200].contains(&price.abs_diff(bid.1)), "{price} after {}", bid.1);
        let moved = i64::from(price) - i64::from(bid.1);
        bid = (new, price);
        let (old, new, price) = replaced.next().expect("the ask");
        assert_eq!((old, i64::from(price) - i64::from(ask.1)), (ask.0, moved));
        ask = (new, price);
        assert_eq!(own_bid_e4(number), u64::from(bid.1 + 200), "two cents from the mid, which is four away");
    }
}

/// The desk may not send the same order twice within a millisecond: at 90 000 packets a second, within 90 packets.
#[test]
fn no_price_comes_again_within_two_hundred_packets() {
    let prices: Vec<u64> = (1..=2_000).map(own_bid_e4).collect();
    for window in prices.windows(200) {
        assert_eq!(window.iter().collect::<HashSet<_>>().len(), 200);
    }
}

#[test]
fn a_histogram_crosses_between_processes() {
    let histogram = super::histogram(&[(1_000, 3), (2_000, 1)]).expect("bounds");
    assert_eq!((histogram.len(), histogram.value_at_quantile(0.5)), (4, 1_000));
}
