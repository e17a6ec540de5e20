//! Checks of what stands around `[config]`: each setting by itself, and what goes with what.

use std::net::SocketAddr;

use pricewright_core::kernel::ConfigFault;

use super::{
    JournalSettings, JsonlFeed, JsonlGateway, MAX_RING_CELLS, MIN_RING_CELLS, MetricsSettings, NasdaqFeed,
    PipelineConfig, RuntimeSettings, Topology, clients, is_default, keep,
};

/// Everything that is wrong, each with its key.
pub(super) fn faults<C>(config: &PipelineConfig<C>) -> Vec<ConfigFault> {
    let mut faults = journal_faults(&config.journal);
    faults.extend(runtime_faults(&config.runtime));
    faults.extend(feed_faults(config));
    faults.extend(gateway_faults(config));
    faults.extend(config.metrics.iter().filter_map(MetricsSettings::fault));
    faults.extend(listen_faults(config));
    faults
}

/// Whoever would listen where another does.
fn listen_faults<C>(config: &PipelineConfig<C>) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    let mut there: Vec<(&str, SocketAddr)> = Vec::new();
    for (table, listen) in [
        ("feed.jsonl", config.feed.jsonl.as_ref().and_then(|feed| feed.listen)),
        ("gateway.http", config.gateway.http.as_ref().map(|http| http.listen)),
        ("metrics", config.metrics.as_ref().map(|metrics| metrics.listen)),
    ] {
        // With port 0 the kernel gives each its own.
        let Some(listen) = listen.filter(|listen| listen.port() != 0) else { continue };
        if let Some((first, _)) = there.iter().find(|(_, other)| *other == listen) {
            let message = format!("[{table}] listen: [{first}] listens there; give another port");
            faults.push(ConfigFault::at(format!("{table}.listen"), message));
        }
        there.push((table, listen));
    }
    faults
}

/// Of an address that is sent to or received on: nobody can know a port that the kernel chooses.
fn port_fault(key: &str, address: SocketAddr) -> Option<ConfigFault> {
    let name = key.rsplit('.').find(|step| step.parse::<usize>().is_err()).unwrap_or(key);
    (address.port() == 0)
        .then(|| ConfigFault::at(key, format!("{name}: {address} has no port; give the venue's, 1 to 65535")))
}

fn journal_faults(journal: &JournalSettings) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    let mut refuse = |wrong: bool, key: &str, message: &str| {
        if wrong {
            faults.push(ConfigFault::at(format!("journal.{key}"), message));
        }
    };
    refuse(!(1..=1024).contains(&journal.segment_mib), "segment_mib", "segment_mib: give 1 to 1024");
    refuse(journal.snapshot_every == 0, "snapshot_every", "snapshot_every: give at least 1 record");
    refuse(journal.snapshot_every_s == 0, "snapshot_every_s", "snapshot_every_s: give at least 1 second");
    refuse(journal.snapshots == 0, "snapshots", "snapshots: keep at least 1");
    let interval = (1..=1000).contains(&journal.durable_interval_ms);
    refuse(!interval, "durable_interval_ms", "durable_interval_ms: give 1 to 1000");
    refuse(
        journal.durability.is_in_ram() && !journal.ram_dir.is_absolute(),
        "ram_dir",
        "ram_dir: give an absolute path on a file system in RAM, such as \"/dev/shm\"",
    );
    faults.extend(
        keep::complaint(journal).map(|message| ConfigFault::from(message.to_owned()).within("journal")),
    );
    faults
}

fn runtime_faults(runtime: &RuntimeSettings) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    if !runtime.ring_cells.is_power_of_two() || runtime.ring_cells < MIN_RING_CELLS {
        let message = "ring_cells: give a power of two, at least 4096";
        faults.push(ConfigFault::at("runtime.ring_cells", message));
    } else if runtime.ring_cells > MAX_RING_CELLS {
        let message = "ring_cells: give at most 16777216 (1 GiB)";
        faults.push(ConfigFault::at("runtime.ring_cells", message));
    }
    if (runtime.topology == Topology::Explicit) == runtime.thread.is_empty() {
        let message = "topology: \"explicit\" goes with [[runtime.thread]] entries, and they with it";
        faults.push(ConfigFault::at("runtime.topology", message).or_at("runtime.thread"));
    }
    faults
}

fn feed_faults<C>(config: &PipelineConfig<C>) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    match (&config.feed.nasdaq, &config.feed.jsonl) {
        (None, None) => faults.push(ConfigFault::at("feed", "no feed: add [feed.nasdaq] or [feed.jsonl]")),
        (Some(_), Some(_)) => {
            let message = "two feeds: keep one of [feed.nasdaq] and [feed.jsonl]";
            faults.push(ConfigFault::at("feed.jsonl", message));
        }
        _ => {}
    }
    faults.extend(config.feed.nasdaq.iter().flat_map(market_data_faults));
    faults.extend(config.feed.jsonl.iter().flat_map(line_faults));
    if let Err(message) = config.venue.check() {
        faults.push(ConfigFault::at("venue", message));
    }
    // Where there is no feed at all, that is what is to be mended.
    if config.feed.nasdaq.is_none() && config.feed.jsonl.is_some() && !is_default(&config.venue) {
        let message = "[venue] goes with [feed.nasdaq]: remove it, or the feed [feed.jsonl]";
        faults.push(ConfigFault::at("venue", message));
    }
    faults
}

fn market_data_faults(feed: &NasdaqFeed) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    let mut refuse = |wrong: bool, key: &str, message: &str| {
        if wrong {
            faults.push(ConfigFault::at(format!("feed.nasdaq.{key}"), message));
        }
    };
    let lines = (1..=4).contains(&feed.lines.len());
    refuse(!lines, "lines", "lines: give 1 to 4 addresses, line A first");
    for (at, line) in feed.lines.iter().enumerate() {
        let twice = feed.lines.iter().take(at).any(|earlier| earlier == line);
        refuse(twice, &format!("lines.{at}"), &format!("lines: {line} is there twice; give each line once"));
    }
    let buffer = (1..=1024).contains(&feed.glimpse_buffer_mib);
    refuse(!buffer, "glimpse_buffer_mib", "glimpse_buffer_mib: give 1 to 1024");
    let snapshot = (1..=4096).contains(&feed.glimpse_snapshot_mib);
    refuse(!snapshot, "glimpse_snapshot_mib", "glimpse_snapshot_mib: give 1 to 4096");
    for (at, line) in feed.lines.iter().enumerate() {
        faults.extend(port_fault(&format!("feed.nasdaq.lines.{at}"), (*line).into()));
    }
    faults.extend(port_fault("feed.nasdaq.rerequest", feed.rerequest.into()));
    faults.extend(feed.glimpse.and_then(|glimpse| port_fault("feed.nasdaq.glimpse", glimpse)));
    faults
}

fn line_faults(feed: &JsonlFeed) -> Option<ConfigFault> {
    let sources = usize::from(feed.stdin)
        + usize::from(feed.file.is_some())
        + usize::from(feed.listen.is_some())
        + usize::from(feed.generated.is_some());
    (sources != 1).then(|| {
        ConfigFault::at(
            "feed.jsonl",
            "[feed.jsonl]: give exactly one of stdin = true, file = \"…\", listen = \"ip:port\" and \
             [feed.jsonl.generated]",
        )
    })
}

fn gateway_faults<C>(config: &PipelineConfig<C>) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    let gateway = &config.gateway;
    let (market, lines) = (config.feed.nasdaq.is_some(), config.feed.jsonl.is_some());
    if market && !lines {
        for (there, table) in
            [(gateway.jsonl.is_some(), "gateway.jsonl"), (gateway.http.is_some(), "gateway.http")]
        {
            if there {
                let message =
                    format!("[{table}] goes with [feed.jsonl]: remove it, or the feed [feed.nasdaq]");
                faults.push(ConfigFault::at(table, message));
            }
        }
    }
    if lines && !market && gateway.ouch.is_some() {
        let message = "[gateway.ouch] goes with [feed.nasdaq]: remove it, or the feed [feed.jsonl]";
        faults.push(ConfigFault::at("gateway.ouch", message));
    }
    if let Some(JsonlGateway { file: Some(file), dead_letter: Some(dead_letter), .. }) = &gateway.jsonl
        && file == dead_letter
    {
        let message = "dead_letter: give it another name than file";
        faults.push(ConfigFault::at("gateway.jsonl.dead_letter", message));
    }
    faults.extend(clients::faults(config));
    if let Some(ouch) = &gateway.ouch
        && !(1..=6).contains(&ouch.user.len())
    {
        faults.push(ConfigFault::at("gateway.ouch.user", "user: give 1 to 6 characters"));
    }
    if let Some(ouch) = &gateway.ouch {
        faults.extend(port_fault("gateway.ouch.address", ouch.address));
        faults.extend(ouch.drop_copy.and_then(|address| port_fault("gateway.ouch.drop_copy", address)));
        if ouch.drop_copy == Some(ouch.address) && ouch.address.port() != 0 {
            let message = "drop_copy: this is the address that orders go to, and each login there would end the other; give \
                           the venue's address for drop copies, or remove it";
            faults.push(ConfigFault::at("gateway.ouch.drop_copy", message));
        }
    }
    faults
}
