//! Threads are a deployment choice: the same desk on one thread, on two, and with the gateway on a thread of its own that
//! tails the journal.

use pricewright::config::Topology;
use pricewright::pipeline::plan::{PlannedThread, Role};
use pricewright::sim::{Sim, SimConfig};
use tempfile::TempDir;

use crate::market::audit::audit;
use crate::market::engine::{Config, Engine, config, end_both};

/// Orders that the desk decides in each run.
const ORDERS: u64 = 60;

/// Messages a second of the exchange.
const RATE: u32 = 6_000;

/// Trades with the desk that `lay` lays out, and holds its journal against the exchange and against another decision of it. Gives
/// the folder that `journal` lies in.
pub fn trade(what: &str, rate: u32, lay: impl FnOnce(&mut Config)) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = SimConfig { rate, loss: 0.02, ..SimConfig::embedded(false) };
    let sim = Sim::start(&sim).expect("an exchange");
    let mut config = config(sim.addresses(), 1);
    lay(&mut config);
    let journal = folder.path().join("journal");
    let engine = Engine::start(&config, &journal, what);
    engine.until_orders(ORDERS);
    engine.until("fills", |seen| seen.fills > 0);
    let summary = end_both(sim, engine);
    // The audit decides the journal again and holds every decision against it.
    let audit = audit(&journal, &config, what);
    assert_eq!(audit.desk.len(), summary.book.len(), "{what}: orders in the book");
    assert!(summary.exchange.orders > 0 && summary.exchange.outside_fills > 0, "{what}: {summary:?}");
    folder
}

fn explicit(config: &mut Config, threads: Vec<PlannedThread>) {
    config.runtime.topology = Topology::Explicit;
    config.runtime.idle = None;
    config.runtime.thread = threads;
}

/// One thread for all but the helper.
pub fn fused(config: &mut Config) {
    config.runtime.topology = Topology::Fused;
}

/// Ingress on a thread of its own.
pub fn behind_a_ring(config: &mut Config) {
    let threads = vec![
        thread("ingress", &[Role::Ingress]),
        thread("machine", &[Role::Machine, Role::Gateway]),
        thread("helper", &[Role::Helper]),
    ];
    explicit(config, threads);
}

/// The gateway on a thread of its own.
pub fn gateway_apart(config: &mut Config) {
    let threads = vec![
        thread("ingress+machine", &[Role::Ingress, Role::Machine]),
        thread("gateway", &[Role::Gateway]),
        thread("helper", &[Role::Helper]),
    ];
    explicit(config, threads);
}

fn thread(name: &str, stages: &[Role]) -> PlannedThread {
    let idle = "backoff".to_owned().try_into().expect("an idle strategy");
    PlannedThread { name: name.to_owned(), stages: stages.to_vec(), core: None, idle }
}

#[test]
fn on_one_thread() {
    trade("fused", RATE, fused);
}

#[test]
fn with_ingress_in_front_of_a_ring() {
    trade("pipelined", RATE, behind_a_ring);
}

#[test]
fn with_the_gateway_on_a_thread_of_its_own() {
    trade("gateway apart", RATE, gateway_apart);
}

#[test]
fn everything_on_a_single_thread_with_the_helper() {
    trade("all", RATE, |config| explicit(config, vec![thread("all", &Role::ALL)]));
}
