//! Current prices over HTTP, on a thread of its own: `GET /prices/{sku}`, `GET /prices`, `GET /health`.
//!
//! It answers from a table that the helper fills from the journal, so a slow reader costs the pipeline nothing.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

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

/// Price lines by SKU.
type Table = Arc<RwLock<BTreeMap<String, String>>>;

/// Fills the table from the journal.
pub struct PriceTable {
    encoder: Encoder,
    table: Table,
}

/// The server's thread.
#[derive(Debug)]
pub struct PriceServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The table's tailer and the server that answers from it.
///
/// # Errors
/// Where the address cannot be had.
pub fn serve(listen: SocketAddr, encoder: Encoder) -> Result<(PriceTable, PriceServer)> {
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
    Ok((PriceTable { encoder, table }, PriceServer { address, stop: Some(stop), thread: Some(thread) }))
}

fn run(listener: TcpListener, table: Table, stopped: oneshot::Receiver<()>) {
    let served = tokio::runtime::Builder::new_current_thread().enable_io().build().and_then(|runtime| {
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let router = Router::new()
                .route("/prices", get(all))
                .route("/prices/{sku}", get(one))
                .route("/health", get(|| async { "ok\n" }))
                .with_state(table);
            let stop = async {
                // An error means that the owner is gone, which is a stop too.
                let _stop = stopped.await;
            };
            axum::serve(listener, router).with_graceful_shutdown(stop).await
        })
    });
    if let Err(error) = served {
        tracing::error!(%error, "the price server ended");
    }
}

fn body(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn one(State(table): State<Table>, Path(sku): Path<String>) -> Response {
    let found = table.read().unwrap_or_else(PoisonError::into_inner).get(&sku).cloned();
    match found {
        Some(line) => body(line),
        None => {
            let text = serde_json::json!({ "error": "no price for this SKU", "sku": sku });
            (StatusCode::NOT_FOUND, body(format!("{text}\n"))).into_response()
        }
    }
}

async fn all(State(table): State<Table>) -> Response {
    let table = table.read().unwrap_or_else(PoisonError::into_inner);
    let lines: Vec<&str> = table.values().map(|line| line.trim_end()).collect();
    body(format!("[{}]\n", lines.join(",\n")))
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
        let Some(DecisionRef::PricePublished(price)) = DecisionRef::of(&record) else { return Ok(()) };
        let mut line = Vec::new();
        let seq = record.header().seq;
        let fail = |error: &dyn std::fmt::Display| Error::Failed(format!("record {seq}: {error}"));
        self.encoder.price(price, seq, &mut line).map_err(|error| fail(&error))?;
        let text = String::from_utf8(line).map_err(|error| fail(&error))?;
        let sku = self.encoder.name(price.source, price.sku).unwrap_or_default().to_owned();
        self.table.write().unwrap_or_else(PoisonError::into_inner).insert(sku, text);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
