//! The sales of a shop out of a seed, as JSON lines: for demonstrations, tests and benches.
//!
//! Every article goes on sale within the first seconds, to a burst of purchases that ebbs away by halves. When an
//! article sells out, the shop orders more, and a new sale of it begins some seconds later; now and then it takes in
//! more before. Two customers may reach for the last pieces at once: then the shop reports a purchase of more pieces
//! than it has, as real shops do.
//!
//! Integers only: the same seed gives the same bytes on every machine, for ever.

use std::io::Write as _;

use pricewright_core::kernel::{Decimal, EventNanos, MAX_DECIMALS, Minor, Numbers};

use super::timestamp::Rfc3339;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// A sale begins with this many times its calm demand.
const BURST: u64 = 32;
/// The burst halves in this time.
const BURST_HALVES_NS: u64 = 2 * NANOS_PER_SECOND;
/// Of so many purchases one is followed by a restock of an article that is still on sale.
const RESTOCK_ONE_IN: u64 = 400;
/// The most articles.
const MAX_ARTICLES: usize = 10_000;

const THINGS: [&str; 8] =
    ["sneaker", "hoodie", "backpack", "headphones", "watch", "lamp", "kettle", "skateboard"];
const COLOURS: [&str; 5] = ["black", "white", "red", "blue", "green"];

/// What is to be generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The same seed gives the same lines.
    pub seed: u64,
    /// The first stamp.
    pub start: EventNanos,
    /// Articles of the shop, 1 to 10 000.
    pub articles: usize,
    /// Purchases per second of the whole shop when it is calm, from 1; a burst has up to 32 times as many.
    pub purchases_per_second: u32,
    /// Decimals of the currency.
    pub currency_decimals: u8,
}

#[derive(Clone, Debug)]
struct Article {
    sku: String,
    base: Minor,
    /// Share of the shop's calm demand.
    weight: u64,
    initial: u64,
    stock: u64,
    /// When the present sale began, or the next one begins where there is none, in nanoseconds after the start.
    begins: u64,
    on_sale: bool,
}

/// Makes one line at a time.
#[derive(Clone, Debug)]
pub struct Generator {
    random: Numbers,
    config: Config,
    articles: Vec<Article>,
    /// Nanoseconds after the start.
    elapsed: u64,
    total_weight: u64,
}

impl Generator {
    /// A shop before its first sale. Numbers outside their range are brought into it.
    pub fn new(config: Config) -> Self {
        let config = Config {
            articles: config.articles.clamp(1, MAX_ARTICLES),
            purchases_per_second: config.purchases_per_second.max(1),
            currency_decimals: config.currency_decimals.min(MAX_DECIMALS),
            ..config
        };
        let mut random = Numbers::new(config.seed);
        let articles: Vec<Article> =
            (0..config.articles).map(|index| article(index, config.currency_decimals, &mut random)).collect();
        let total_weight = articles.iter().map(|article| article.weight).sum();
        Self { random, config, articles, elapsed: 0, total_weight }
    }

    /// Appends the next line to `out`, LF included. Returns its stamp; stamps never decrease.
    pub fn next_line(&mut self, out: &mut Vec<u8>) -> EventNanos {
        let next_sale = self
            .articles
            .iter()
            .enumerate()
            .filter(|(_, article)| !article.on_sale)
            .map(|(index, article)| (article.begins, index))
            .min();
        let demand: u64 = self.articles.iter().map(|article| article.demand(self.elapsed)).sum();
        let purchase_at = self.elapsed.saturating_add(self.gap(demand));
        match next_sale {
            Some((begins, index)) if begins <= purchase_at || demand == 0 => {
                self.elapsed = self.elapsed.max(begins);
                self.begin_sale(index);
                self.write(index, None, out)
            }
            _ => {
                self.elapsed = purchase_at;
                let index = self.pick(demand);
                if self.random.one_in(RESTOCK_ONE_IN) {
                    self.begin_sale(index);
                    return self.write(index, None, out);
                }
                let qty = self.buy(index);
                self.write(index, Some(qty), out)
            }
        }
    }

    /// Nanoseconds to the next purchase: uniform between nothing and twice the mean.
    fn gap(&mut self, demand: u64) -> u64 {
        let rate = u128::from(self.config.purchases_per_second) * u128::from(demand.max(1));
        let twice_mean = 2 * u128::from(NANOS_PER_SECOND) * u128::from(self.total_weight) / rate;
        self.random.below(u64::try_from(twice_mean).unwrap_or(u64::MAX).max(1))
    }

    /// An article by its share of the demand.
    fn pick(&mut self, demand: u64) -> usize {
        let mut rest = self.random.below(demand.max(1));
        let elapsed = self.elapsed;
        let mut last = 0;
        for (index, article) in self.articles.iter().enumerate().filter(|(_, article)| article.on_sale) {
            // The burst may have ebbed away a little since the demand was summed: then the last article takes it.
            last = index;
            match rest.checked_sub(article.demand(elapsed)) {
                Some(left) => rest = left,
                None => break,
            }
        }
        last
    }

    fn begin_sale(&mut self, index: usize) {
        let pieces = 20 + self.random.below(381);
        let elapsed = self.elapsed;
        if let Some(article) = self.articles.get_mut(index) {
            article.stock = if article.on_sale { article.stock + pieces } else { pieces };
            article.initial = article.stock;
            article.begins = elapsed;
            article.on_sale = true;
        }
    }

    fn buy(&mut self, index: usize) -> u64 {
        let qty = match self.random.below(20) {
            0 => 5,
            1 => 3,
            2..=4 => 2,
            _ => 1,
        };
        let wait = (5 + self.random.below(26)) * NANOS_PER_SECOND;
        let race = self.random.one_in(8);
        let elapsed = self.elapsed;
        let Some(article) = self.articles.get_mut(index) else { return qty };
        // Only in a race for the last pieces does the shop sell more than it has.
        let qty = if race { qty } else { qty.min(article.stock) };
        article.stock = article.stock.saturating_sub(qty);
        if article.stock == 0 {
            article.on_sale = false;
            article.begins = elapsed + wait;
        }
        qty
    }

    fn write(&self, index: usize, purchase: Option<u64>, out: &mut Vec<u8>) -> EventNanos {
        let elapsed = i64::try_from(self.elapsed).unwrap_or(i64::MAX);
        let stamp = EventNanos(self.config.start.0.saturating_add(elapsed));
        let Some(article) = self.articles.get(index) else { return stamp };
        let (sku, ts) = (&article.sku, Rfc3339(stamp));
        // Writing to a vector does not fail.
        let _ = match purchase {
            Some(qty) => writeln!(out, r#"{{"type":"purchase","sku":"{sku}","ts":"{ts}","qty":{qty}}}"#),
            None => {
                let base = Decimal { minor: article.base, decimals: self.config.currency_decimals };
                let (initial, stock) = (article.initial, article.stock);
                writeln!(
                    out,
                    r#"{{"type":"inventory","sku":"{sku}","ts":"{ts}","initial":{initial},"stock":{stock},"base":"{base}"}}"#
                )
            }
        };
        stamp
    }
}

impl Article {
    /// Share of the demand at this time: the calm share, times what is left of the burst.
    fn demand(&self, elapsed: u64) -> u64 {
        if !self.on_sale {
            return 0;
        }
        let halvings = elapsed.saturating_sub(self.begins) / BURST_HALVES_NS;
        self.weight * (BURST >> halvings.min(63)).max(1)
    }
}

fn article(index: usize, decimals: u8, random: &mut Numbers) -> Article {
    let thing = THINGS.get(index % THINGS.len()).unwrap_or(&"thing");
    let colour = COLOURS.get(index / THINGS.len() % COLOURS.len()).unwrap_or(&"plain");
    let sku = match index / (THINGS.len() * COLOURS.len()) {
        0 => format!("{thing}-{colour}"),
        model => format!("{thing}-{colour}-{model}"),
    };
    let unit = 10_i64.pow(u32::from(decimals));
    let whole = i64::try_from(10 + random.below(190)).unwrap_or(10);
    // 89.90: nine tenths on top, where the currency has tenths.
    let base = Minor(whole * unit + unit * 9 / 10);
    let begins = random.below(5 * NANOS_PER_SECOND);
    Article { sku, base, weight: 1 + random.below(9), initial: 0, stock: 0, begins, on_sale: false }
}

#[cfg(test)]
mod tests;
