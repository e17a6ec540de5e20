//! Current prices over HTTP, on a thread of its own: `GET /prices/{sku}`, `GET /prices`, `GET /health`.
//!
//! It answers from a table that the helper fills from the journal, so a slow reader costs the pipeline nothing.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pricewright_core::kernel::{DecisionRef, EventRef, RecordRef};
use pricewright_feeds::jsonl::encode::Encoder;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::pipeline::helper::Tailer;

/// How long the end of a run waits for answers that are on their way.
const GRACE: Duration = Duration::from_millis(500);

/// What the server answers from.
#[derive(Debug, Default)]
struct Prices {
    /// Price lines by SKU.
    lines: RwLock<BTreeMap<String, String>>,
    /// Set once the prices of earlier runs are all in it: before, an article might be missing that has a price.
    complete: AtomicBool,
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
pub struct PriceServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The table's tailer and the server that answers from it. The run's first record is `first_seq`.
///
/// # Errors
/// Where the address cannot be had.
pub fn serve(listen: SocketAddr, encoder: Encoder, first_seq: u64) -> Result<(PriceTable, PriceServer)> {
    let refused =
        |source| Error::Usage(format!("cannot listen on {listen}: {source}; mend [gateway.http] listen"));
    let listener = TcpListener::bind(listen).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let table = Table::default();
    let (stop, stopped) = oneshot::channel();
    let shared = Arc::clone(&table);
    let thread = std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || run(listener, shared, stopped))
        .map_err(refused)?;
    Ok((
        PriceTable { encoder, table, first_seq },
        PriceServer { address, stop: Some(stop), thread: Some(thread) },
    ))
}

fn run(listener: TcpListener, table: Table, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    if let Err(error) = runtime.and_then(|runtime| runtime.block_on(answer(listener, table, stopped))) {
        tracing::error!(%error, "the price server ended");
    }
}

async fn answer(listener: TcpListener, table: Table, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = Router::new()
        .route("/prices", get(all))
        .route("/prices/{sku}", get(one))
        .route("/health", get(|| async { "ok\n" }))
        .with_state(table);
    let (begin, ending) = oneshot::channel::<()>();
    let graceful = async {
        // An error means that the sender is gone, which is an end too.
        let _end = ending.await;
    };
    let server = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(graceful).into_future());
    // An error means that the owner is gone, which is a stop too.
    let _stop = stopped.await;
    drop(begin);
    // A client that keeps its connection open must not keep the run: after the grace it is cut off.
    match tokio::time::timeout(GRACE, server).await {
        Ok(Ok(served)) => served,
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_late) => Ok(()),
    }
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
        Some(line) => body(line),
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
    let lines = table.lines.read().unwrap_or_else(PoisonError::into_inner);
    let lines: Vec<&str> = lines.values().map(|line| line.trim_end()).collect();
    body(format!("[{}]\n", lines.join(",\n")))
}

impl Prices {
    fn is_complete(&self) -> bool {
        // Acquire: partner of the release in `PriceTable::take`.
        self.complete.load(Ordering::Acquire)
    }
}

impl PriceServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PriceServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It has ended by itself where nobody listens.
            let _ended = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the price server panicked");
        }
    }
}

impl Tailer for PriceTable {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        if let Some(EventRef::Define(define)) = EventRef::of(&record) {
            return self.encoder.define(define).map_err(|error| Error::Failed(error.to_string()));
        }
        let seq = record.header().seq;
        if seq >= self.first_seq {
            self.table.complete.store(true, Ordering::Release);
        }
        let Some(DecisionRef::PricePublished(price)) = DecisionRef::of(&record) else { return Ok(()) };
        let mut line = Vec::new();
        let fail = |error: &dyn std::fmt::Display| Error::Failed(format!("record {seq}: {error}"));
        self.encoder.price(price, seq, &mut line).map_err(|error| fail(&error))?;
        let text = String::from_utf8(line).map_err(|error| fail(&error))?;
        let sku = self.encoder.name(price.source, price.sku).unwrap_or_default().to_owned();
        self.table.lines.write().unwrap_or_else(PoisonError::into_inner).insert(sku, text);
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
