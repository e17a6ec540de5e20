//! Where figures and probes are served.

use std::net::{Ipv4Addr, SocketAddr};

use pricewright_core::kernel::ConfigFault;
use serde::{Deserialize, Deserializer, Serialize};

/// `[metrics]`: figures for Prometheus and probes, over HTTP; nothing is served without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    /// Where to listen: an address with port, or a port alone, which only this machine reaches. Serves `/metrics`,
    /// `/healthz` and `/readyz` (docs/metrics.md).
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Clients at once, 1 to 1 000. If all places are taken, the connection goes that came first.
    #[serde(default = "max_clients")]
    pub max_clients: usize,
}

/// The most clients that may be configured.
const MOST_CLIENTS: usize = 1_000;

fn max_clients() -> usize {
    16
}

/// An address as it may be written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Port(u16),
    Text(String),
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let wrong = || {
        serde::de::Error::custom(
            "listen: give an address with port (\"127.0.0.1:9464\"), or a port from 0 to 65535, which only this machine reaches (9464)",
        )
    };
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match Written::deserialize(from).map_err(|_| wrong())? {
        Written::Port(port) => Ok(local(port)),
        Written::Text(text) => match text.strip_prefix(':').unwrap_or(&text).parse() {
            Ok(port) => Ok(local(port)),
            Err(_) => text.parse().map_err(|_| wrong()),
        },
    }
}

impl MetricsSettings {
    /// What is wrong with them.
    pub(super) fn fault(&self) -> Option<ConfigFault> {
        (!(1..=MOST_CLIENTS).contains(&self.max_clients))
            .then(|| ConfigFault::at("metrics.max_clients", "[metrics] max_clients: give 1 to 1000"))
    }

    /// What is allowed and hardly meant.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        (!self.listen.ip().is_loopback()).then_some(
            "metrics.listen is no address of this machine alone: there is no password, and who reaches it reads positions and \
             profit",
        )
    }
}
