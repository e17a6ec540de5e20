use std::collections::BTreeMap;

use pricewright_core::kernel::table::{EventRef, Inventory};
use pricewright_core::kernel::{Nanos, RecordBuf, SourceId};
use quickcheck::{TestResult, quickcheck};

use super::super::decode::{self, Decoder};
use super::super::session::Session;
use super::*;

fn config(seed: u64) -> Config {
    let start = EventNanos(1_767_225_600_000_000_000);
    Config { seed, start, articles: 12, purchases_per_second: 20, currency_decimals: 2 }
}

fn lines(config: Config, count: usize) -> Vec<u8> {
    let (mut generator, mut out) = (Generator::new(config), Vec::new());
    for _ in 0..count {
        generator.next_line(&mut out);
    }
    out
}

#[test]
fn the_same_seed_gives_the_same_lines() {
    assert_eq!(lines(config(7), 2_000), lines(config(7), 2_000));
    assert_ne!(lines(config(7), 2_000), lines(config(8), 2_000));
}

/// What happened in a shop, as the decoder reads it.
#[derive(Debug, Default)]
struct Day {
    sold_out: usize,
    oversold: usize,
    restocked: usize,
    first_seconds: usize,
    last_ns: i64,
}

fn day(config: &Config, count: usize) -> Result<Day, String> {
    let mut decoder = Decoder::new(&decode::Config::default(), SourceId(0))?;
    let (mut session, mut sink) = (Session::new(4_096, 0), RecordBuf::default());
    let text = lines(config.clone(), count);
    session.receive(&mut decoder, &text, Nanos(0), &mut sink).map_err(|full| format!("{full:?}"))?;
    let (mut day, mut stock, mut events) = (Day::default(), BTreeMap::new(), 0);
    for record in sink.iter() {
        let event_ns = match EventRef::of(&record) {
            Some(EventRef::Inventory(Inventory { sku, initial, stock: now, event_ns, .. })) => {
                day.restocked += usize::from(stock.insert(*sku, *now).is_some());
                if initial != now || *now < 1 {
                    return Err(format!("{sku} begins at {now}/{initial}"));
                }
                event_ns
            }
            Some(EventRef::Purchase(purchase)) => {
                let left = stock.get_mut(&purchase.sku).ok_or("bought before it was on sale")?;
                if *left == 0 {
                    return Err(format!("{} was bought after it was sold out", purchase.sku));
                }
                day.oversold += usize::from(purchase.qty > *left);
                *left = 0.max(*left - purchase.qty);
                day.sold_out += usize::from(*left == 0);
                &purchase.event_ns
            }
            Some(EventRef::Malformed(malformed)) => return Err(malformed.text.to_string()),
            _ => continue,
        };
        if event_ns.0 < day.last_ns {
            return Err(format!("{event_ns} after {}", day.last_ns));
        }
        events += 1;
        day.last_ns = event_ns.0;
        day.first_seconds += usize::from(event_ns.0 - config.start.0 < 10_000_000_000);
    }
    if events == count { Ok(day) } else { Err(format!("{events} of {count} events")) }
}

#[test]
fn a_day_has_a_burst_sell_outs_restocks_and_oversales() {
    let config = config(42);
    let day = day(&config, 20_000).expect("good lines");
    assert!(day.sold_out > 20 && day.oversold > 0 && day.restocked > 20, "{day:?}");
    let seconds = (day.last_ns - config.start.0) / 1_000_000_000;
    let mean_of_ten_seconds = 20_000 / usize::try_from(seconds / 10).expect("it went on");
    assert!(day.first_seconds > 2 * mean_of_ten_seconds, "{day:?} in {seconds} s has no burst");
}

quickcheck! {
    fn every_seed_gives_lines_that_the_decoder_reads(seed: u64, articles: u8, rate: u16) -> TestResult {
        let config = Config {
            articles: usize::from(articles),
            purchases_per_second: u32::from(rate),
            ..config(seed)
        };
        match day(&config, 500) {
            Ok(_) => TestResult::passed(),
            Err(error) => TestResult::error(format!("{config:?}: {error}")),
        }
    }
}
