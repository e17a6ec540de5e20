//! HTTP/1 on the connections that the [`Door`] lets in.
//!
//! A client may end its side right after its request (`nc -N`, a shell's pipe) and is answered all the same: what `axum::serve`
//! takes for a client that is gone is here one that has said all it had to say. Its connection ends with the answer.

use std::pin::pin;

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener as _;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;

use super::door::Door;

/// Answers by `router` until `ending` is done; then until the answers that are on their way are out.
pub(super) async fn serve(mut door: Door, router: Router, ending: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.half_close(true);
    let service = TowerToHyperService::new(router.layer(from_fn(with_host)));
    let graceful = GracefulShutdown::new();
    let mut ending = pin!(ending);
    loop {
        let guest = tokio::select! {
            (guest, _peer) = door.accept() => guest,
            () = &mut ending => break,
        };
        let connection = graceful.watch(http.serve_connection(TokioIo::new(guest), service.clone()));
        tokio::spawn(async move {
            // A connection that breaks is its client's affair.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "an HTTP connection broke");
            }
        });
    }
    drop(door);
    graceful.shutdown().await;
}

/// Refuses a request without `Host`, but of HTTP/1.0, and one with several (RFC 9112 section 3.2).
async fn with_host(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(HOST).iter().count();
    let may_lack = request.version() < Version::HTTP_11;
    if hosts > 1 || (hosts == 0 && !may_lack) {
        return (StatusCode::BAD_REQUEST, "give one Host header\n").into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests;
