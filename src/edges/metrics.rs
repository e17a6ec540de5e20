//! `GET /metrics`, `/healthz` and `/readyz`, on a thread of their own: `docs/metrics.md`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pricewright_core::kernel::{DisplayUnits, Machine};

use super::http::server::{Bound, Server};
use crate::config::{MetricsSettings, PipelineConfig};
use crate::error::Result;
use crate::pipeline::launch::Launch;
use crate::pipeline::run_control::RunControl;
use crate::telemetry::metrics::probes::{Expected, Verdict, health, readiness};
use crate::telemetry::metrics::{Exposition, Monitor, Sources, View, expose};

/// How often the hot thread is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long it may stand still.
const STALL: Duration = Duration::from_secs(5);

/// The address, and what follows the journal, before the run begins.
#[derive(Debug)]
pub(super) struct Prepared {
    bound: Bound,
    places: usize,
    monitor: Monitor,
    machine: &'static str,
    units: DisplayUnits,
    expected: Expected,
}

/// The server's thread; it ends when this is dropped.
#[derive(Debug)]
pub struct MetricsServer(Server);

impl MetricsServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

/// What answers come from.
#[derive(Debug)]
struct Pages {
    monitor: Monitor,
    sources: Sources,
    machine: &'static str,
    units: DisplayUnits,
    expected: Expected,
    beat: Beat,
}

/// When the hot thread was last seen to move.
#[derive(Debug)]
struct Beat {
    start: Instant,
    beats: AtomicU64,
    moved_ms: AtomicU64,
}

impl Beat {
    fn new() -> Self {
        Self { start: Instant::now(), beats: AtomicU64::new(0), moved_ms: AtomicU64::new(0) }
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn look(&self, control: &RunControl) {
        let beats = control.beats();
        if self.beats.swap(beats, Ordering::Relaxed) != beats {
            self.moved_ms.store(self.ms(), Ordering::Relaxed);
        }
    }

    /// For how long it has not moved, if that is too long.
    fn stalled_ms(&self) -> Option<u64> {
        let still = self.ms().saturating_sub(self.moved_ms.load(Ordering::Relaxed));
        (u128::from(still) > STALL.as_millis()).then_some(still)
    }
}

/// Takes the address of `[metrics]`, for `places` clients at once.
///
/// # Errors
/// If the address cannot be had.
pub(super) fn prepare<M: Machine + Send + 'static>(
    settings: &MetricsSettings,
    config: &PipelineConfig<M::Config>,
    launch: &Launch<M>,
    places: usize,
) -> Result<Prepared> {
    if let Some(warning) = settings.warning() {
        tracing::warn!("{warning}");
    }
    Ok(Prepared {
        bound: Bound::bind(settings.listen, "[metrics] listen")?,
        places,
        monitor: Monitor::new(launch.first_seq(), launch.resume().is_latched()),
        machine: M::NAME,
        units: M::units(&config.config),
        expected: Expected { feed: config.feed.nasdaq.is_some(), session: config.gateway.ouch.is_some() },
    })
}

impl Prepared {
    /// What is to follow the journal.
    pub(super) fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Begins to answer.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn serve(self, sources: Sources) -> Result<MetricsServer> {
        sources.watch.want_standing();
        let pages = Arc::new(Pages {
            monitor: self.monitor,
            sources,
            machine: self.machine,
            units: self.units,
            expected: self.expected,
            beat: Beat::new(),
        });
        let router = move || {
            tokio::spawn(watch(Arc::clone(&pages)));
            Router::new()
                .route("/metrics", get(metrics))
                .route("/healthz", get(healthz))
                .route("/readyz", get(readyz))
                .with_state(pages)
        };
        self.bound.serve("metrics-http", self.places, router).map(MetricsServer)
    }
}

/// Ends with the server's runtime.
async fn watch(pages: Arc<Pages>) {
    loop {
        pages.beat.look(&pages.sources.control);
        tokio::time::sleep(LOOK).await;
    }
}

impl Pages {
    fn view<T>(&self, make: impl FnOnce(&View<'_>) -> T) -> T {
        let read = self.sources.read();
        self.monitor.look(|seen| make(&View { machine: self.machine, units: &self.units, seen, read: &read }))
    }
}

async fn metrics(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let exposition = Exposition::accepted(&accept.join(","));
    match pages.view(|view| expose(view, exposition)) {
        Ok(page) => ([(CONTENT_TYPE, exposition.content_type())], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn healthz(State(pages): State<Arc<Pages>>) -> Response {
    answer(&pages.view(|view| health(view, pages.beat.stalled_ms())))
}

async fn readyz(State(pages): State<Arc<Pages>>) -> Response {
    answer(&pages.view(|view| readiness(view, pages.beat.stalled_ms(), pages.expected)))
}

fn answer(verdict: &Verdict) -> Response {
    let code = if verdict.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = serde_json::to_string(verdict).unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (code, headers, format!("{text}\n")).into_response()
}
