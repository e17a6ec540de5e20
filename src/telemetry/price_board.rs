//! Prices at a glance, for the status line of a shop: how many, and which article has risen most over its base price.

use std::sync::{Arc, Mutex, PoisonError};

use pricewright_core::kernel::{Class, Column, Decimal, DecisionRef, EventRef, Kind, Minor, RecordRef};

use crate::error::Result;
use crate::pipeline::helper::Tailer;

/// Fills a [`Board`] from the journal. Clones share it.
#[derive(Clone, Debug)]
pub struct PriceBoard {
    board: Arc<Mutex<Board>>,
    /// Records before this one are of earlier runs: they count nothing, but their articles and prices still hold.
    first_seq: u64,
}

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// Events of this run.
    pub events: u64,
    /// Prices published in this run.
    pub prices: u64,
    /// Inputs refused in this run.
    pub dead_letters: u64,
    decimals: u8,
    /// By SKU number.
    articles: Vec<Article>,
    /// The inventory taken last, and the base price that it replaced: it may be refused yet.
    replaced: Option<(u32, u64, Minor)>,
}

#[derive(Clone, Debug, Default)]
struct Article {
    sku: String,
    base: Minor,
    price: Minor,
}

/// The article that has risen most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// Its name.
    pub sku: String,
    /// Its price, in the currency's unit.
    pub price: String,
    /// How far above its base price, in whole percent, rounded towards zero.
    pub percent: i64,
}

impl PriceBoard {
    /// An empty board, for a currency with `decimals` decimals; this run's records begin at `first_seq`.
    pub fn new(decimals: u8, first_seq: u64) -> Self {
        let board = Board { decimals, ..Board::default() };
        Self { board: Arc::new(Mutex::new(board)), first_seq }
    }

    /// The board as it stands.
    pub fn now(&self) -> Board {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tailer for PriceBoard {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        let counts = record.header().seq >= self.first_seq;
        self.board.lock().unwrap_or_else(PoisonError::into_inner).take(record, counts);
        Ok(())
    }

    fn begins_at(&self) -> Option<u64> {
        Some(self.first_seq)
    }

    fn prime(&mut self, record: RecordRef<'_>) -> Result<()> {
        self.take(record)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Board {
    /// Articles seen so far, of earlier runs too.
    pub fn skus(&self) -> u64 {
        self.articles.len() as u64
    }

    /// The article that has risen most over its base price; the first defined of several. `None` before the first price.
    pub fn top(&self) -> Option<Top> {
        let (rise, article) = self
            .articles
            .iter()
            .filter_map(|article| Some((rise(article)?, article)))
            .fold(None, |best: Option<(i128, &Article)>, (rise, article)| match best {
                Some((most, _)) if most >= rise => best,
                _ => Some((rise, article)),
            })?;
        let price = Decimal { minor: article.price, decimals: self.decimals }.to_string();
        Some(Top { sku: article.sku.clone(), price, percent: i64::try_from(rise / 100).ok()? })
    }

    fn take(&mut self, record: RecordRef<'_>, counts: bool) {
        let class = Kind::from_u16(record.header().kind).map(|kind| kind.schema().class);
        let counts = u64::from(counts);
        match class {
            Some(Class::Event) => {
                self.events += counts;
                self.event(EventRef::of(&record));
            }
            Some(Class::Decision) => match DecisionRef::of(&record) {
                Some(DecisionRef::PricePublished(price)) => {
                    self.prices += counts;
                    self.replaced = None;
                    if let Some(article) = self.article(price.sku) {
                        article.price = price.price;
                    }
                }
                Some(DecisionRef::Rejected(rejected)) => {
                    self.dead_letters += counts;
                    self.refused(rejected.position);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn event(&mut self, event: Option<EventRef<'_>>) {
        match event {
            // Numbers are dense: the next definition has the next number.
            Some(EventRef::Define(define)) if define.column == Column::SKU => {
                self.articles.push(Article { sku: define.text.as_str().to_owned(), ..Article::default() });
            }
            Some(EventRef::Inventory(inventory)) => {
                if let Some(article) = self.article(inventory.sku) {
                    let before = core::mem::replace(&mut article.base, inventory.base);
                    self.replaced = Some((inventory.sku, inventory.position, before));
                }
            }
            _ => self.replaced = None,
        }
    }

    /// What was refused changed nothing.
    fn refused(&mut self, position: u64) {
        if let Some((sku, _, before)) = self.replaced.take().filter(|(_, taken, _)| *taken == position)
            && let Some(article) = self.article(sku)
        {
            article.base = before;
        }
    }

    fn article(&mut self, sku: u32) -> Option<&mut Article> {
        self.articles.get_mut(usize::try_from(sku).ok()?)
    }
}

/// How far the price lies above the base price, in basis points.
fn rise(article: &Article) -> Option<i128> {
    if article.price.0 < 1 || article.base.0 < 1 {
        return None;
    }
    Some(i128::from(article.price.0 - article.base.0) * 10_000 / i128::from(article.base.0))
}

#[cfg(test)]
mod tests;
