//! What is said of clients in `[feed.jsonl]`, `[gateway.jsonl]` and `[gateway.http]`, held against each other.

use super::PipelineConfig;

/// The most clients that may be configured.
const MAX_CLIENTS: usize = 10_000;

/// What is wrong with it, where something is.
pub(super) fn complaint<C>(config: &PipelineConfig<C>) -> Option<&'static str> {
    let feed = config.feed.jsonl.as_ref();
    let listens = feed.is_some_and(|feed| feed.listen.is_some());
    if config.gateway.jsonl.as_ref().is_some_and(|gateway| gateway.tcp) && !listens {
        return Some("tcp: prices go back to the clients of [feed.jsonl] listen = \"ip:port\"; add that");
    }
    if feed.is_some_and(|feed| feed.ack) && !listens {
        return Some("ack: lines of TCP clients are acknowledged; it goes with listen = \"ip:port\"");
    }
    let feed_clients = feed.map_or(1, |feed| feed.max_clients);
    let http_clients = config.gateway.http.as_ref().map_or(1, |http| http.max_clients);
    let fit = [feed_clients, http_clients].iter().all(|clients| (1..=MAX_CLIENTS).contains(clients));
    if fit { None } else { Some("max_clients: give 1 to 10000") }
}
