//! ITCH messages into order-by-order books: decoded from bytes and applied, one core.
//!
//! Messages are decoded and applied in batches, as they come in packets and files; where the books are large, a batch's
//! memory is read ahead. The books lie in huge pages, as a running machine's do.
//!
//! Each market is filled to its number of live orders, untimed, and keeps it while the timed messages go on. The floor is
//! what no book can avoid once its orders do not fit the cache: one read at a random place of as many cache lines as there
//! are live orders.

use std::hint::black_box;

use hdrhistogram::Histogram;
use pricewright_core::kernel::{InstrumentId, Numbers, Side};
use pricewright_core::market::book::naive::NaiveBooks;
use pricewright_core::market::book::{BookStore, Books};
use pricewright_feeds::nasdaq::itch::FileReader;
use pricewright_feeds::nasdaq::itch::book::{apply, apply_batch};

use super::stream::{Market, Stream};
use crate::error::{Error, Result};
use crate::harness::figure::{Goal, Samples, Spec, new_histogram};
use crate::harness::lab::Lab;
use crate::harness::runner::{Bench, Checked};
use crate::harness::timing::{BATCH, Stopwatch, on_core};
use crate::pipeline::huge_pages::gather;

const LOAD_SMALL: &str = "read at random, 1 k lines (64 KB)";
const LOAD_LARGE: &str = "read at random, 1 M lines (64 MB)";
/// Messages of a round, and live orders of the markets.
const MESSAGES: usize = 1_000_000;
const LARGE: usize = 1_000_000;
const SMALL: usize = 1_000;
/// Instruments of a whole venue.
const VENUE: u16 = 11_000;
/// Messages of the check, and live orders of its market.
const CHECKED: usize = 20_000;
const CHECKED_LIVE: usize = 1_000;
/// Reads of a floor.
const READS: usize = 1_000_000;

/// A figure and its market.
#[derive(Clone, Copy, Debug)]
struct Case {
    spec: Spec,
    live: usize,
    instruments: u16,
    levels: u64,
    young: bool,
}

const CASES: [Case; 5] = [
    Case {
        spec: Spec::batch("1 k live orders, 1 instrument", BATCH)
            .over(LOAD_SMALL)
            .goal(Goal::PerSecond(10e6))
            .per_second("messages"),
        live: SMALL,
        instruments: 1,
        levels: 100,
        young: false,
    },
    Case {
        spec: Spec::batch("1 M live orders, 1 instrument", BATCH)
            .over(LOAD_LARGE)
            .goal(Goal::PerSecond(4e6))
            .per_second("messages"),
        live: LARGE,
        instruments: 1,
        levels: 1_000,
        young: false,
    },
    Case {
        spec: Spec::batch("1 M live orders, 1 instrument, mostly young ones touched", BATCH)
            .over(LOAD_LARGE)
            .per_second("messages"),
        live: LARGE,
        instruments: 1,
        levels: 1_000,
        young: true,
    },
    Case {
        spec: Spec::batch("1 M live orders, 11,000 instruments", BATCH)
            .over(LOAD_LARGE)
            .goal(Goal::PerSecond(4e6))
            .per_second("messages"),
        live: LARGE,
        instruments: VENUE,
        levels: 40,
        young: false,
    },
    Case {
        spec: Spec::batch("1 M live orders, 11,000 instruments, mostly young ones touched", BATCH)
            .over(LOAD_LARGE)
            .per_second("messages"),
        live: LARGE,
        instruments: VENUE,
        levels: 40,
        young: true,
    },
];

/// The bench.
#[derive(Clone, Copy, Debug, Default)]
pub struct BookBench;

/// A market with its books.
struct Running {
    stream: Stream,
    books: Books,
    bytes: Vec<u8>,
}

impl Bench for BookBench {
    fn name(&self) -> &'static str {
        "book"
    }

    fn question(&self) -> &'static str {
        "How long does an ITCH message take from bytes into an order-by-order book, one core?"
    }

    fn figures(&self) -> Vec<Spec> {
        let floors = [Spec::batch(LOAD_SMALL, BATCH), Spec::batch(LOAD_LARGE, BATCH)];
        floors.into_iter().chain(CASES.map(|case| case.spec)).collect()
    }

    fn check(&mut self, lab: &Lab) -> Result<Checked> {
        let mut hasher = blake3::Hasher::new();
        for instruments in [1, 7] {
            let market =
                Market { seed: lab.seed(), live: CHECKED_LIVE, instruments, levels: 20, young: false };
            check_market(market, &mut hasher)?;
        }
        let facts = vec![format!("{CHECKED} messages agree with the naive books, order by order")];
        Ok(Checked { result: hasher.finalize(), facts })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let watch = lab.watch();
        for (name, lines) in [(LOAD_SMALL, SMALL), (LOAD_LARGE, lab.count(LARGE, SMALL))] {
            let reads = lab.count(READS, 10_000);
            samples.add(name, &on_core(lab.hot(), move || random_reads(watch, lines, reads))?)?;
        }
        for case in CASES {
            let (live, messages) = (lab.count(case.live, SMALL), lab.count(MESSAGES, 16 * BATCH as usize));
            let seed = lab.seed();
            let timed = on_core(lab.hot(), move || Running::open(seed, case, live)?.go(watch, messages))?;
            samples.add(case.spec.name, &timed)?;
        }
        Ok(())
    }
}

impl Running {
    fn open(seed: u64, case: Case, live: usize) -> Result<Self> {
        let Case { instruments, levels, young, .. } = case;
        let mut stream = Stream::new(Market { seed, live, instruments, levels, young });
        let mut books =
            Books::with_capacity(usize::from(instruments) + 1, live + live / 16 + 64, levels as usize);
        let mut bytes = Vec::new();
        stream.open(&mut bytes);
        apply_all(&mut books, &bytes)?;
        // As a run does with its machine's memory before it begins.
        gather().map_err(|error| Error::Failed(format!("huge pages: {error}")))?;
        Ok(Self { stream, books, bytes })
    }

    /// New messages, timed in batches; then the books are held against the generator.
    fn go(&mut self, watch: Stopwatch, messages: usize) -> Result<Histogram<u64>> {
        let Self { stream, books, bytes } = self;
        bytes.clear();
        stream.go_on(messages, bytes);
        let mut histogram = new_histogram()?;
        let mut reader = FileReader::new(bytes);
        let mut decoded = Vec::with_capacity(BATCH as usize);
        let (batches, mut failed) = (messages as u64 / BATCH, 0_u64);
        for batch in 0..batches {
            let start = watch.stamp();
            decoded.clear();
            decoded.extend(reader.by_ref().take(BATCH as usize).filter_map(|found| Some(found.ok()?.1)));
            failed += BATCH - decoded.len() as u64;
            apply_batch(books, &decoded, |_, _| failed += 1);
            let end = watch.stamp();
            // The generator has had the cache to itself until now.
            if batch >= batches / 16 {
                watch.record_mean(&mut histogram, start, end, BATCH);
            }
        }
        let rest = bytes.get(reader.offset()..).unwrap_or(&[]);
        apply_all(books, rest)?;
        let (found, expected) = (books.len(), stream.live());
        if failed > 0 || found != expected || books.growths() > 0 {
            return Err(Error::Failed(format!(
                "the books hold {found} orders instead of {expected}, {failed} messages were refused, and the store grew \
                 {} times; please report this",
                books.growths()
            )));
        }
        Ok(histogram)
    }
}

/// Reads of one cache line each, at random places, each place known only when the one before was read.
fn random_reads(watch: Stopwatch, lines: usize, reads: usize) -> Result<Histogram<u64>> {
    let lines = lines.next_power_of_two();
    let region: Vec<[u64; 8]> = vec![[1; 8]; lines];
    let mut numbers = Numbers::new(lines as u64);
    let mut found = 0;
    let histogram = watch.batches(reads, |_| {
        let place = (numbers.draw() ^ found) as usize & (lines - 1);
        found = region.get(place).and_then(|line| line.first()).copied().unwrap_or(0) & 1;
    });
    black_box(found);
    histogram
}

fn check_market(market: Market, hasher: &mut blake3::Hasher) -> Result<()> {
    let mut stream = Stream::new(market);
    let mut bytes = Vec::new();
    stream.open(&mut bytes);
    stream.go_on(CHECKED, &mut bytes);
    let instruments = usize::from(market.instruments) + 1;
    let mut books = Books::with_capacity(instruments, 2 * CHECKED_LIVE, market.levels as usize);
    let mut naive = NaiveBooks::new(instruments);
    apply_all(&mut books, &bytes)?;
    apply_all(&mut naive, &bytes)?;
    for instrument in 1..=market.instruments {
        for side in [Side::Buy, Side::Sell] {
            let orders = books.all_orders(InstrumentId(instrument), side);
            if orders != naive.all_orders(InstrumentId(instrument), side) {
                return Err(Error::Failed(format!(
                    "seed {}: the book of instrument {instrument} differs from the naive one; please report this",
                    market.seed
                )));
            }
            for order in orders {
                hasher.update(&order.order.to_le_bytes());
                hasher.update(&order.price.0.to_le_bytes());
                hasher.update(&order.qty.0.to_le_bytes());
            }
        }
    }
    Ok(())
}

fn apply_all(books: &mut impl BookStore, bytes: &[u8]) -> Result<()> {
    for message in FileReader::new(bytes) {
        let (offset, message) = message.map_err(|error| Error::Failed(error.to_string()))?;
        apply(books, &message).map_err(|error| {
            Error::Failed(format!("message at byte {offset}: {error}; please report this"))
        })?;
    }
    Ok(())
}
