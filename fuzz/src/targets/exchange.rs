//! The simulated exchange against any requests of two participants: every answer is one that OUCH 5.0 knows, every published
//! message one that ITCH 5.0 knows, each request is counted once, and the book is never crossed.

use pricewright::sim::exchange::{Exchange, Source};
use pricewright_core::kernel::{InstrumentId, Nanos};
use pricewright_feeds::nasdaq::ouch::{decode_response, tag};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, itch};

use super::wire;
use crate::input::Input;

/// 5 January 2026, 14:30 UTC.
const OPENING: Nanos = Nanos(1_767_623_400_000_000_000);
const SYMBOL: &[u8; 8] = wire::SYMBOLS[0];

fn terms(input: &mut Input<'_>) -> (u32, u64) {
    let qty = if input.one_in(8) { input.number32() } else { 1 + u32::from(input.word() % 2_000) };
    let price = if input.one_in(16) { input.number() } else { 990_000 + 100 * u64::from(input.byte()) };
    (qty, price)
}

/// A request, laid out as in OUCH 5.0, section 2.
fn request(input: &mut Input<'_>, next: &mut u32) -> Vec<u8> {
    let known = if input.one_in(4) { input.number32() } else { input.below(40) as u32 };
    let (qty, price) = terms(input);
    let mut bytes = Vec::new();
    match input.below(9) {
        0..=3 => {
            *next += 1;
            bytes.push(b'O');
            bytes.extend(next.to_be_bytes());
            bytes.push(input.pick(b"BSTE"));
            bytes.extend(qty.to_be_bytes());
            bytes.extend(SYMBOL);
            bytes.extend(price.to_be_bytes());
            bytes.extend([input.pick(b"0356"), input.pick(b"YYNA"), b'P', b'N', b'N']);
            bytes.extend([b' '; 14]);
            let options: &[u8] = if input.one_in(2) { &[2, tag::POST_ONLY, b'P'] } else { &[] };
            bytes.extend((options.len() as u16).to_be_bytes());
            bytes.extend(options);
        }
        4 | 5 => {
            *next += 1;
            bytes.push(b'U');
            bytes.extend(known.to_be_bytes());
            bytes.extend(next.to_be_bytes());
            bytes.extend(qty.to_be_bytes());
            bytes.extend(price.to_be_bytes());
            bytes.extend(*b"0YN");
            bytes.extend([b' '; 14]);
            bytes.extend([0, 0]);
        }
        6 => {
            bytes.push(b'X');
            bytes.extend(known.to_be_bytes());
            bytes.extend(qty.to_be_bytes());
        }
        7 => {
            bytes.push(b'M');
            bytes.extend(known.to_be_bytes());
            bytes.push(input.pick(b"BSTE"));
            bytes.extend(qty.to_be_bytes());
        }
        _ => bytes = input.take(60).to_vec(),
    }
    bytes
}

/// See the module.
pub fn exchange(data: &[u8]) {
    let mut input = Input::new(data);
    let symbols = vec![Alpha(*SYMBOL)];
    let seed = u64::from(input.byte());
    let mut exchange = Exchange::new(Source::Flow { seed, rate: 100, symbols }, OPENING);
    exchange.open(OPENING);
    let accounts: Vec<_> = [b"A     ", b"B     "]
        .map(|name| exchange.log_in(Alpha(*name), Password(Alpha::BLANK)).expect("nobody has the name"))
        .to_vec();
    let (mut now, mut next, mut requests) = (OPENING, 0, 0);
    while !input.is_empty() && requests < 300 {
        let account = input.pick(&accounts);
        match input.below(16) {
            0 | 1 => {
                now += Nanos(i64::from(input.word()) * 10_000);
                exchange.advance(now).expect("a generated market goes on");
            }
            2 if input.one_in(32) => exchange.close(now),
            3 if input.one_in(8) => exchange.disconnect(account),
            _ => {
                exchange.request(account, &request(&mut input, &mut next));
                requests += 1;
            }
        }
        assert_eq!(exchange.counters().requests, requests, "each request is counted once");
        let best = exchange.best(InstrumentId(0));
        assert!(best.bid.zip(best.ask).is_none_or(|(bid, ask)| bid.price < ask.price), "a crossed book");
    }
    for account in accounts {
        for answer in exchange.answers(account).expect("logged in").from(1) {
            decode_response(answer).expect("an answer of OUCH");
        }
    }
    for message in exchange.tape().from(1) {
        itch::decode(message).expect("a message of ITCH");
    }
    for order in exchange.book() {
        assert!(order.qty.0 > 0 && order.price.0 > 0, "{order:?}");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
