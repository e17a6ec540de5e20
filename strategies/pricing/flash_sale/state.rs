//! What a flash sale remembers: for each source, the articles in the order of their interned numbers.

use pricewright_core::kernel::{EventNanos, Minor, SourceId};
use serde::{Deserialize, Serialize};

/// An article on sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Base price for one piece.
    pub base: Minor,
    /// Pieces at the start of the sale; 0 where the article is not on sale.
    pub initial: i64,
    /// Pieces left, in `0..=initial`.
    pub stock: i64,
    /// The last price; 0 where there was none in this sale.
    pub price: Minor,
    /// When the pieces were counted: the stamp of the inventory that began this sale, by the source's clock.
    pub counted: EventNanos,
}

impl Article {
    /// Not on sale.
    pub(super) const NONE: Self =
        Self { base: Minor(0), initial: 0, stock: 0, price: Minor(0), counted: EventNanos(0) };

    /// The last price, where there was one in this sale.
    pub(super) fn previous(&self) -> Option<Minor> {
        (self.price.0 > 0).then_some(self.price)
    }
}

/// One source's articles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceState {
    /// Whose.
    pub(super) source: SourceId,
    /// Indexed by the interned number.
    articles: Vec<Article>,
}

/// All sources, in the order of their first event. Memory is reserved at the start and never grows.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    used: Vec<SourceState>,
    /// Reserved tables for sources not heard of yet.
    free: Vec<Vec<Article>>,
    max_skus: usize,
}

/// A capacity is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Sources {
    pub(super) fn new(max_sources: usize, max_skus: usize) -> Self {
        Self {
            used: Vec::with_capacity(max_sources),
            free: (0..max_sources).map(|_| touched(max_skus)).collect(),
            max_skus,
        }
    }

    /// The state of `source`, where it was heard of.
    pub(super) fn find(&mut self, source: SourceId) -> Option<&mut SourceState> {
        self.used.iter_mut().find(|state| state.source == source)
    }

    /// The state of `source`, taking a reserved table at its first event.
    pub(super) fn claim(&mut self, source: SourceId) -> Option<&mut SourceState> {
        match self.used.iter().position(|state| state.source == source) {
            Some(at) => self.used.get_mut(at),
            None => {
                let articles = self.free.pop()?;
                self.used.push(SourceState { source, articles });
                self.used.last_mut()
            }
        }
    }

    /// The article, where it is on sale.
    pub(super) fn article(&self, source: SourceId, sku: u32) -> Option<&Article> {
        let state = self.used.iter().find(|state| state.source == source)?;
        state.articles.get(usize::try_from(sku).ok()?).filter(|article| article.initial > 0)
    }

    /// The articles from number `from` on of the source that was heard of as the `nth`, at most `most` of them. `None` where
    /// there is no such source.
    pub(super) fn part(
        &mut self,
        nth: usize,
        from: usize,
        most: usize,
    ) -> Option<(SourceId, &mut [Article])> {
        let state = self.used.get_mut(nth)?;
        let end = state.articles.len().min(from.saturating_add(most));
        Some((state.source, state.articles.get_mut(from..end).unwrap_or(&mut [])))
    }

    /// What has to be remembered.
    pub(super) fn state(&self) -> &[SourceState] {
        &self.used
    }

    /// Takes back what [`Self::state`] gave, into reserved memory.
    pub(super) fn restore(&mut self, state: &[SourceState]) -> Result<(), NoRoom> {
        for remembered in state {
            if remembered.articles.len() > self.max_skus {
                return Err(NoRoom);
            }
            let mut articles = self.free.pop().ok_or(NoRoom)?;
            articles.extend_from_slice(&remembered.articles);
            self.used.push(SourceState { source: remembered.source, articles });
        }
        Ok(())
    }
}

/// An empty table whose memory was written once, so that its first articles meet no page fault.
fn touched(max_skus: usize) -> Vec<Article> {
    let mut articles = vec![Article { initial: 1, ..Article::NONE }; max_skus];
    articles.clear();
    articles
}

impl SourceState {
    /// The article on sale with this number.
    pub(super) fn article_mut(&mut self, sku: u32) -> Option<&mut Article> {
        self.articles.get_mut(usize::try_from(sku).ok()?).filter(|article| article.initial > 0)
    }

    /// Puts an article on sale, anew where it was on sale. Returns its place.
    pub(super) fn put(
        &mut self,
        sku: u32,
        max_skus: usize,
        article: Article,
    ) -> Result<&mut Article, NoRoom> {
        let index = usize::try_from(sku).map_err(|_| NoRoom)?;
        if index >= max_skus {
            return Err(NoRoom);
        }
        if index >= self.articles.len() {
            // Within the reserved capacity: no allocation.
            self.articles.resize(index + 1, Article::NONE);
        }
        let place = self.articles.get_mut(index).ok_or(NoRoom)?;
        *place = article;
        Ok(place)
    }
}
