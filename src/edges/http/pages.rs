//! All prices as a body in pages. A client that reads slowly, or not at all, holds a page and what the connection buffers, and
//! the table is locked for a page at a time. Each price is as it is when its page is made.

use std::convert::Infallible;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use pricewright_core::kernel::Nanos;

use super::Table;

/// Articles of a page.
pub(super) const PAGE: usize = 256;

/// A JSON array of all prices.
pub(super) struct Pages {
    table: Table,
    now: Nanos,
    held: Option<&'static str>,
    next: Next,
}

enum Next {
    First,
    Behind(String),
    End,
}

impl Pages {
    pub(super) fn new(table: Table, now: Nanos, held: Option<&'static str>) -> Self {
        Self { table, now, held, next: Next::First }
    }

    /// As a body: of known length if it is one page.
    pub(super) fn into_body(mut self) -> Body {
        let first = self.page().unwrap_or_default();
        if matches!(self.next, Next::End) {
            return Body::from(first);
        }
        self.next = Next::First;
        Body::new(self)
    }

    /// The next page; `None` behind the last.
    pub(super) fn page(&mut self) -> Option<String> {
        let (mut text, behind) = match &self.next {
            Next::First => ("[".to_owned(), Bound::Unbounded),
            Next::Behind(sku) => (String::new(), Bound::Excluded(sku.as_str())),
            Next::End => return None,
        };
        let lines = self.table.lines.read().unwrap_or_else(PoisonError::into_inner);
        let mut left = lines.range::<str, _>((behind, Bound::Unbounded));
        let mut comma = matches!(behind, Bound::Excluded(_));
        let mut last = None;
        for (sku, price) in left.by_ref().take(PAGE) {
            if comma {
                text.push_str(",\n");
            }
            text.push_str(&price.at(self.now, self.held));
            (comma, last) = (true, Some(sku));
        }
        let next = match last {
            Some(last) if left.next().is_some() => Next::Behind(last.clone()),
            _ => Next::End,
        };
        drop(lines);
        if matches!(next, Next::End) {
            text.push_str("]\n");
        }
        self.next = next;
        Some(text)
    }
}

impl hyper::body::Body for Pages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.page().map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, AtomicI64};
    use std::sync::{Arc, RwLock};

    use super::super::super::vitals::Vitals;
    use super::super::{Price, Prices};
    use super::*;

    fn table(articles: usize) -> Table {
        let line = |n: usize| {
            let open = format!("{{\"sku\":\"{n:05}\"");
            (format!("{n:05}"), Price { open, decided: Nanos(0) })
        };
        let lines: BTreeMap<String, Price> = (0..articles).map(line).collect();
        Arc::new(Prices {
            lines: RwLock::new(lines),
            complete: AtomicBool::new(true),
            newest: AtomicI64::new(0),
            vitals: Arc::new(Vitals::stuck()),
        })
    }

    fn pages(table: &Table) -> Vec<String> {
        let mut pages = Pages::new(Arc::clone(table), Nanos(0), None);
        std::iter::from_fn(|| pages.page()).collect()
    }

    #[test]
    fn pages_are_one_list_whatever_the_number_of_articles() {
        for articles in [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE + 7] {
            let pages = pages(&table(articles));
            assert_eq!(pages.len(), articles.div_ceil(PAGE).max(1), "{articles}");
            let list: Vec<serde_json::Value> = serde_json::from_str(&pages.concat()).expect("JSON");
            let skus: Vec<&str> = list.iter().filter_map(|price| price["sku"].as_str()).collect();
            let wanted: Vec<String> = (0..articles).map(|n| format!("{n:05}")).collect();
            assert_eq!(skus, wanted, "{articles}");
        }
    }

    /// Nobody's reading keeps the table from being filled.
    #[test]
    fn the_table_changes_between_two_pages() {
        let table = table(2 * PAGE);
        let mut pages = Pages::new(Arc::clone(&table), Nanos(0), None);
        let mut text = pages.page().expect("a page");
        let other = Price { open: "{\"sku\":\"other\"".to_owned(), decided: Nanos(0) };
        table.lines.try_write().expect("free").insert("zzz".to_owned(), other);
        text.extend(std::iter::from_fn(|| pages.page()));
        let list: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(list.len(), 2 * PAGE + 1);
    }
}
