//! JSON lines in, a pricing machine, JSON lines out: in whichever pieces the bytes come, and with a restart in between, the
//! events, decisions and lines are the same; positions count lines; prices are positive and stocks within what there was;
//! whatever is written is one line of JSON each.

use pricewright_core::kernel::table::{DecisionRef, EventRef};
use pricewright_core::kernel::{Bps, Driver, Nanos, NoProbe, RecordBuf, SourceId, Step};
use pricewright_feeds::jsonl::{Config, Decoder, Encoder, Session, generator};
use pricewright_strategies::pricing::flash_sale::{self, FlashSale};

use crate::input::Input;

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    events: Vec<Vec<u8>>,
    decisions: Vec<Vec<u8>>,
    lines: Vec<u8>,
}

struct Case<'a> {
    feed: Config,
    machine: flash_sale::Config,
    bytes: &'a [u8],
}

impl Case<'_> {
    /// The records that the bytes become, in pieces of these lengths.
    fn records(&self, pieces: &[u8]) -> RecordBuf {
        let mut decoder = Decoder::new(&self.feed, SourceId(1)).expect("a good configuration");
        let mut session = Session::new(self.feed.max_line_bytes, 0);
        let mut records = RecordBuf::default();
        let mut rest = self.bytes;
        let mut lengths = pieces.iter().cycle();
        while !rest.is_empty() {
            let length = lengths.next().map_or(rest.len(), |length| usize::from(*length) + 1).min(rest.len());
            let taken =
                session.receive(&mut decoder, &rest[..length], Nanos(1_000), &mut records).expect("room");
            assert_eq!(taken, length, "an unbounded sink takes all");
            rest = &rest[length..];
        }
        assert!(session.finish(&mut decoder, Nanos(1_000), &mut records).expect("room"));
        records
    }

    fn outcome(&self, pieces: &[u8], restart_at: Option<usize>) -> Outcome {
        let mut driver = Driver::<FlashSale>::new(&self.machine).expect("a good configuration");
        let mut encoder = Encoder::new(self.feed.currency_decimals, self.feed.max_skus);
        let mut outcome = Outcome::default();
        let mut expected = 0;
        for (index, record) in self.records(pieces).iter().enumerate() {
            if restart_at == Some(index) {
                driver = restarted(&driver, &self.machine);
            }
            let event = EventRef::of(&record).expect("a feed puts events only");
            let position = match event {
                EventRef::Inventory(body) => Some(body.position),
                EventRef::Purchase(body) => Some(body.position),
                EventRef::Malformed(body) => Some(body.position),
                EventRef::Mark(mark) => {
                    expected = mark.first;
                    None
                }
                EventRef::Define(define) => {
                    encoder.define(define).expect("defined in order");
                    None
                }
                _ => panic!("JSON lines give no such event"),
            };
            if let Some(position) = position {
                assert_eq!(position, expected, "positions count lines");
                expected += 1;
                outcome.events.push(record.payload().to_vec());
            }
            assert_eq!(driver.step(Nanos(2_000 + index as i64), event, &mut NoProbe), Step::Done);
            for decision in driver.decisions() {
                outcome.decisions.push(decision.payload().to_vec());
                write(DecisionRef::of(&decision).expect("a decision"), &encoder, &mut outcome.lines);
            }
        }
        outcome
    }
}

fn restarted(driver: &Driver<FlashSale>, config: &flash_sale::Config) -> Driver<FlashSale> {
    let state = driver.snapshot().expect("a state can be written");
    let again = Driver::<FlashSale>::restore(config, &state).expect("and read");
    assert_eq!(again.state_hash().expect("a hash"), driver.state_hash().expect("a hash"));
    again
}

fn write(decision: DecisionRef<'_>, encoder: &Encoder, lines: &mut Vec<u8>) {
    if let DecisionRef::PricePublished(price) = decision {
        assert!(price.price.0 > 0 && (0..=price.initial).contains(&price.stock), "{price:?}");
    }
    let from = lines.len();
    encoder.encode(decision, 7, lines).expect("every key is defined");
    let text = std::str::from_utf8(&lines[from..]).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n') && text.lines().count() == 1, "one line: {text}");
    if !text.is_empty() {
        serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    }
}

/// See the module.
pub fn json_lines(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let restart_at = usize::from(input.byte());
    let pieces: Vec<u8> = (0..1 + input.below(4)).map(|_| input.byte() % 64).collect();
    let feed = Config {
        currency_decimals: [2, 0, 6, 3][usize::from(flags & 3)],
        max_skus: [3, 1_000][usize::from(flags >> 2 & 1)],
        max_line_bytes: [4_096, 64][usize::from(flags >> 3 & 1)],
    };
    let machine = flash_sale::Config {
        currency_decimals: feed.currency_decimals,
        max_change_bps: (flags & 16 > 0).then_some(Bps(500)),
        floor: (flags & 32 > 0).then(|| "5".to_owned()),
        ceiling: (flags & 64 > 0).then(|| "900".to_owned()),
        max_skus: 4,
        max_sources: 2,
        id_window: if flags & 128 > 0 { 4 } else { 64 },
        ..flash_sale::Config::default()
    };
    let case = Case { feed, machine, bytes: input.rest() };
    assert_eq!(
        case.outcome(&[], None),
        case.outcome(&pieces, Some(restart_at)),
        "pieces and restarts change nothing"
    );
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let config = generator::Config {
        seed: 7,
        start: pricewright_core::kernel::EventNanos(1_767_600_000_000_000_000),
        articles: 3,
        purchases_per_second: 5,
        currency_decimals: 2,
    };
    let mut generated = generator::Generator::new(config);
    let mut lines = vec![0, 9, 2, 5, 60];
    for _ in 0..20 {
        generated.next_line(&mut lines);
    }
    let by_hand = concat!(
        "\u{feff}{\"type\":\"inventory\",\"sku\":\"A\",\"stock\":10,\"base_price\":19.99,",
        "\"timestamp\":\"2026-01-05T10:00:00Z\",\"id\":\"x1\"}\r\n\n",
        "{\"type\":\"purchase\",\"sku\":\"A\",\"quantity\":2,\"timestamp\":\"2026-01-05T10:00:01+01:00\",\"id\":\"x1\"}\n",
        "[1,2]\n{\"type\":\"purchase\",\"sku\":\"\\u0041\",\"quantity\":12345678901234567890123}\n{\"a\":",
    );
    vec![lines, [&[0xff_u8, 2, 1, 3][..], by_hand.as_bytes()].concat()]
}
