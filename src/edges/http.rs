//! Current prices over HTTP, on a thread of its own: `GET /prices/{sku}`, `GET /prices`, `GET /health`.
//!
//! It answers from a table that is filled from the journal, so a slow reader costs the pipeline nothing; [`door`] keeps
//! strangers from holding places and descriptors. A price says how old it is (`age_ms`, since it was decided) and whether
//! something keeps it from following the stock (`held`: `frozen` by an operator, or `storage`: the journal has no room for
//! another event). `/health` says the same of the whole shop: `docs/json-lines.md`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pricewright_core::kernel::{DecisionRef, EventRef, Nanos, OperatorCommand, RecordRef};
use pricewright_feeds::jsonl::encode::Encoder;

use self::pages::Pages;
use self::server::{Bound, Server};
use super::vitals::Vitals;
use crate::clock::wall_clock;
use crate::error::{Error, Result};
use crate::pipeline::helper::Tailer;

mod connections;
mod door;
mod pages;
pub(super) mod server;

/// What the server answers from.
#[derive(Debug)]
struct Prices {
    /// Prices by SKU.
    lines: RwLock<BTreeMap<String, Price>>,
    /// Set once the prices of earlier runs are all in it: before, an article might be missing that has a price.
    complete: AtomicBool,
    /// The stamp of the newest record; 0 before the first.
    newest: AtomicI64,
    vitals: Arc<Vitals>,
}

/// A price with its place in time.
#[derive(Clone, Debug)]
struct Price {
    /// The line of the price without its last brace.
    open: String,
    decided: Nanos,
}

type Table = Arc<Prices>;

/// Fills the table from the journal.
pub struct PriceTable {
    encoder: Encoder,
    table: Table,
    first_seq: u64,
}

/// The server's thread.
#[derive(Debug)]
pub struct PriceServer(Server);

/// The table's tailer and the server that answers from it, for at most `places` clients at once. The run's first record is
/// `first_seq`.
///
/// # Errors
/// Where the address cannot be had.
pub fn serve(
    listen: SocketAddr,
    encoder: Encoder,
    first_seq: u64,
    places: usize,
    vitals: Arc<Vitals>,
) -> Result<(PriceTable, PriceServer)> {
    let bound = Bound::bind(listen, "[gateway.http] listen")?;
    let table = Arc::new(Prices {
        lines: RwLock::default(),
        complete: AtomicBool::new(false),
        newest: AtomicI64::new(0),
        vitals,
    });
    let shared = Arc::clone(&table);
    let router = move || {
        Router::new()
            .route("/prices", get(all))
            .route("/prices/{sku}", get(one))
            .route("/health", get(health))
            .with_state(shared)
    };
    let server = bound.serve("http", places, router)?;
    Ok((PriceTable { encoder, table, first_seq }, PriceServer(server)))
}

fn body(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

fn not_yet() -> Response {
    let text = "{\"error\":\"the prices of earlier runs are being read; ask again\"}\n";
    (StatusCode::SERVICE_UNAVAILABLE, body(text.to_owned())).into_response()
}

async fn one(State(table): State<Table>, Path(sku): Path<String>) -> Response {
    let complete = table.is_complete();
    let found = table.lines.read().unwrap_or_else(PoisonError::into_inner).get(&sku).cloned();
    match found {
        _ if !complete => not_yet(),
        Some(price) => body(format!("{}\n", price.at(wall_clock(), table.held()))),
        None => {
            let text = serde_json::json!({ "error": "no price for this SKU", "sku": sku });
            (StatusCode::NOT_FOUND, body(format!("{text}\n"))).into_response()
        }
    }
}

async fn all(State(table): State<Table>) -> Response {
    if !table.is_complete() {
        return not_yet();
    }
    let (now, held) = (wall_clock(), table.held());
    ([(CONTENT_TYPE, "application/json")], Pages::new(table, now, held).into_body()).into_response()
}

/// Good is 200. Where no event can be taken it is 503, since prices do not follow the stock then.
async fn health(State(table): State<Table>) -> Response {
    let vitals = &table.vitals;
    let stuck = vitals.is_stuck();
    let status = match () {
        () if stuck => "storage_full",
        () if vitals.is_storage_low() => "storage_low",
        () if vitals.is_frozen() => "frozen",
        () if vitals.is_full() => "full_house",
        () if !table.is_complete() => "starting",
        () => "ok",
    };
    let (clients, most) = vitals.clients();
    let newest = Nanos(table.newest.load(Ordering::Relaxed));
    let text = serde_json::json!({
        "status": status,
        "prices": if vitals.is_frozen() { "frozen" } else if stuck { "stopped" } else { "following" },
        "storage": if stuck { "full" } else if vitals.is_storage_low() { "low" } else { "ok" },
        "clients": clients,
        "max_clients": most,
        "clients_waiting": vitals.is_full(),
        "last_record_age_ms": (newest.0 > 0).then(|| age_ms(newest, wall_clock())),
    });
    let code = if stuck { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, body(format!("{text}\n"))).into_response()
}

fn age_ms(stamp: Nanos, now: Nanos) -> i64 {
    now.0.saturating_sub(stamp.0).max(0) / 1_000_000
}

impl Price {
    fn at(&self, now: Nanos, held: Option<&'static str>) -> String {
        let held = held.map_or_else(|| "null".to_owned(), |held| format!("\"{held}\""));
        format!("{},\"age_ms\":{},\"held\":{held}}}", self.open, age_ms(self.decided, now))
    }
}

impl Prices {
    fn is_complete(&self) -> bool {
        // Acquire: partner of the release in `PriceTable::take`.
        self.complete.load(Ordering::Acquire)
    }

    /// What keeps prices from following the stock.
    fn held(&self) -> Option<&'static str> {
        if self.vitals.is_frozen() {
            Some("frozen")
        } else if self.vitals.is_stuck() {
            Some("storage")
        } else {
            None
        }
    }
}

impl PriceServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

impl Tailer for PriceTable {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        if let Some(EventRef::Define(define)) = EventRef::of(&record) {
            return self.encoder.define(define).map_err(|error| Error::Failed(error.to_string()));
        }
        let (seq, decided) = (record.header().seq, record.header().now);
        if seq >= self.first_seq {
            self.table.complete.store(true, Ordering::Release);
        }
        self.table.newest.fetch_max(decided.0, Ordering::Relaxed);
        if let Some(EventRef::Operator(told)) = EventRef::of(&record) {
            match told.command {
                OperatorCommand::STORAGE_LOW => self.table.vitals.set_storage_low(true),
                OperatorCommand::STORAGE_OK => self.table.vitals.set_storage_low(false),
                _ => {}
            }
        }
        let price = match DecisionRef::of(&record) {
            Some(DecisionRef::PricePublished(price)) => price,
            Some(DecisionRef::KillLatched(latch)) => {
                self.table.vitals.set_frozen(latch.released == 0);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let mut line = Vec::new();
        let fail = |error: &dyn std::fmt::Display| Error::Failed(format!("record {seq}: {error}"));
        self.encoder.price(price, seq, &mut line).map_err(|error| fail(&error))?;
        let mut open = String::from_utf8(line).map_err(|error| fail(&error))?;
        open.truncate(open.trim_end().len().saturating_sub(1));
        let sku = self.encoder.name(price.source, price.sku).unwrap_or_default().to_owned();
        self.table.lines.write().unwrap_or_else(PoisonError::into_inner).insert(sku, Price { open, decided });
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

#[cfg(test)]
mod tests;
