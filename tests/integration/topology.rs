//! Threads are a deployment choice: the same desk on one thread, on two, and with the gateway on a thread of its own that
//! tails the journal.

use pricewright::config::Topology;
use pricewright::pipeline::plan::{PlannedThread, Role};
use pricewright::sim::{Sim, SimConfig};

use crate::market::audit::audit;
use crate::market::engine::{Config, Engine, config, end_both};

/// Orders that the desk decides in each run.
const ORDERS: u64 = 60;

fn trade(what: &str, lay: impl FnOnce(&mut Config)) {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = SimConfig { rate: 6_000, loss: 0.02, ..SimConfig::embedded(false) };
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
}

fn thread(name: &str, stages: &[Role]) -> PlannedThread {
    let idle = "backoff".to_owned().try_into().expect("an idle strategy");
    PlannedThread { name: name.to_owned(), stages: stages.to_vec(), core: None, idle }
}

#[test]
fn on_one_thread() {
    trade("fused", |config| config.runtime.topology = Topology::Fused);
}

#[test]
fn with_ingress_in_front_of_a_ring() {
    trade("pipelined", |config| {
        config.runtime.topology = Topology::Explicit;
        config.runtime.idle = None;
        config.runtime.thread = vec![
            thread("ingress", &[Role::Ingress]),
            thread("machine", &[Role::Machine, Role::Gateway]),
            thread("helper", &[Role::Helper]),
        ];
    });
}

#[test]
fn with_the_gateway_on_a_thread_of_its_own() {
    trade("gateway apart", |config| {
        config.runtime.topology = Topology::Explicit;
        config.runtime.idle = None;
        config.runtime.thread = vec![
            thread("ingress+machine", &[Role::Ingress, Role::Machine]),
            thread("gateway", &[Role::Gateway]),
            thread("helper", &[Role::Helper]),
        ];
    });
}

#[test]
fn everything_on_a_single_thread_with_the_helper() {
    trade("all", |config| {
        config.runtime.topology = Topology::Explicit;
        config.runtime.idle = None;
        config.runtime.thread = vec![thread("all", &Role::ALL)];
    });
}
