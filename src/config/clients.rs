//! What is said of clients in `[feed.jsonl]`, `[gateway.jsonl]` and `[gateway.http]`, held against each other.

use pricewright_core::kernel::ConfigFault;

use super::PipelineConfig;

/// The most clients that may be configured.
const MAX_CLIENTS: usize = 10_000;

/// What is wrong with it.
pub(super) fn faults<C>(config: &PipelineConfig<C>) -> Vec<ConfigFault> {
    let feed = config.feed.jsonl.as_ref();
    let listens = feed.is_some_and(|feed| feed.listen.is_some());
    let mut faults = Vec::new();
    // Where no lines come in at all, that is said of the feed.
    if feed.is_some() && config.gateway.jsonl.as_ref().is_some_and(|gateway| gateway.tcp) && !listens {
        let message = "tcp: prices go back to the clients of [feed.jsonl] listen = \"ip:port\"; add that";
        faults.push(ConfigFault::at("gateway.jsonl.tcp", message));
    }
    if feed.is_some_and(|feed| feed.ack) && !listens {
        let message = "ack: lines of TCP clients are acknowledged; it goes with listen = \"ip:port\"";
        faults.push(ConfigFault::at("feed.jsonl.ack", message));
    }
    let feed_clients = feed.map_or(1, |feed| feed.max_clients);
    let http_clients = config.gateway.http.as_ref().map_or(1, |http| http.max_clients);
    for (clients, table) in [(feed_clients, "feed.jsonl"), (http_clients, "gateway.http")] {
        if !(1..=MAX_CLIENTS).contains(&clients) {
            let message = format!("max_clients is {clients}: give 1 to 10000");
            faults.push(ConfigFault::at(format!("{table}.max_clients"), message));
        }
    }
    faults
}
