//! `pricewright demo flash-sale`: the sales of a made-up shop, at their own pace, through the same pipeline as any other.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use pricewright_core::kernel::Venue;
use pricewright_strategies::pricing::flash_sale::{Config, FlashSale};
use serde_json::json;

use super::args::{DemoCommand, FlashSaleArgs};
use super::demo_market::{how_long, limit};
use super::show::{note, result, said, say, thousands};
use super::signals::{EarlySignals, Signals};
use super::status_line::StatusLine;
use super::where_is::{KEPT, argument, fresh_dir, program, remove_old, remove_unbegun, try_lines};
use crate::config::{
    FeedSettings, GatewaySettings, GeneratedLines, HttpGateway, JournalSettings, JsonlFeed, PipelineConfig,
    RuntimeSettings,
};
use crate::edges::assemble::assemble;
use crate::error::{Error, Result};
use crate::pipeline::idle::Idle;
use crate::pipeline::launch::{Launch, Outcome};
use crate::pipeline::topology::plan_for;
use crate::telemetry::price_board::{Board, PriceBoard};

/// MiB of a journal segment: a demo is short.
const SEGMENT_MIB: u32 = 4;

pub(super) fn demo(command: &DemoCommand) -> Result<()> {
    match command {
        DemoCommand::FlashSale(args) => flash_sale(args),
    }
}

fn flash_sale(args: &FlashSaleArgs) -> Result<()> {
    free(args.http)?;
    let dir = match &args.journal {
        Some(dir) => dir.clone(),
        None => fresh_dir("flash-sale")?,
    };
    let done = run(args, &dir);
    if done.is_err() && args.journal.is_none() {
        remove_unbegun(&dir);
    }
    done
}

fn run(args: &FlashSaleArgs, dir: &Path) -> Result<()> {
    let config = configuration(args, dir.to_path_buf());
    let plan = plan_for(&config.runtime)?;
    let tell = |text: &str| {
        // With --json standard output is for the object alone.
        if args.json { note(text) } else { say(text) }
    };
    tell(&format!("Flash sale: a made-up shop, this machine only, {}.", how_long(args.seconds)));
    tell(&format!("{plan} Ctrl-C stops early."));
    let early = EarlySignals::take()?;
    let launch = Launch::<FlashSale>::prepare(&config, dir, plan, false)?;
    if let Some(recovered) = launch.recovered() {
        note(recovered);
    }
    let control = launch.control().clone();
    let signals = early.end(&control)?;
    let board = PriceBoard::new(config.config.currency_decimals, launch.first_seq());
    let assembled = assemble(launch, &config, vec![Box::new(board.clone())], None)?;
    let address = assembled.http.as_ref().map_or(args.http, |http| http.address());
    let mut status = StatusLine::of_demo(args.json, control);
    tell(&format!("prices at http://{address}/prices"));
    let outcome = assembled.live.wait(limit(args.seconds), |elapsed| {
        status.tick(elapsed, |seconds| status_parts(seconds, &board.now()));
    });
    status.finish()?;
    if args.journal.is_none() {
        remove_old("flash-sale")?;
    }
    report(args, dir, address, (&outcome, &signals), &board.now())
}

/// Says before anything is written that the address cannot be had.
fn free(http: SocketAddr) -> Result<()> {
    TcpListener::bind(http).map(drop).map_err(|error| {
        Error::Usage(format!(
            "cannot listen on {http}: {error}; choose another address (--http {}:0 takes a free port)",
            http.ip()
        ))
    })
}

fn configuration(args: &FlashSaleArgs, dir: PathBuf) -> PipelineConfig<Config> {
    let generated = GeneratedLines { seed: args.seed, ..GeneratedLines::default() };
    PipelineConfig {
        venue: Venue::default(),
        machine: "flash_sale".to_owned(),
        journal: JournalSettings { dir, segment_mib: SEGMENT_MIB, ..JournalSettings::default() },
        runtime: RuntimeSettings {
            // A shop's events are far apart: nothing is gained by a spinning core.
            idle: Some(Idle::BACKOFF),
            seed: args.seed,
            duration_s: args.seconds,
            ..RuntimeSettings::default()
        },
        feed: FeedSettings {
            jsonl: Some(JsonlFeed { generated: Some(generated), ..JsonlFeed::default() }),
            nasdaq: None,
        },
        gateway: GatewaySettings { http: Some(HttpGateway::at(args.http)), ..GatewaySettings::default() },
        metrics: None,
        config: Config::default(),
    }
}

fn status_parts(seconds: u64, board: &Board) -> Vec<String> {
    let mut parts = vec![
        format!("{seconds:>3}s"),
        format!("{} SKUs", thousands(board.skus())),
        format!("prices {}", thousands(board.prices)),
    ];
    if let Some(top) = board.top() {
        parts.push(format!("top: {} {} ({:+} %)", top.sku, top.price, top.percent));
    }
    parts.push(format!("dead letters {}", thousands(board.dead_letters)));
    parts
}

fn report(
    args: &FlashSaleArgs,
    dir: &Path,
    address: SocketAddr,
    (outcome, signals): (&Outcome, &Signals),
    board: &Board,
) -> Result<()> {
    outcome.check(dir)?;
    let top = board.top();
    if args.json {
        let value = json!({
            "journal": dir.display().to_string(),
            "ended": outcome.reason.name(),
            "http": address.to_string(),
            "skus": board.skus(),
            "events": board.events,
            "prices": board.prices,
            "dead_letters": board.dead_letters,
            "self_check": super::run::self_check(&outcome.replica),
            "top": top.map(|top| json!({ "sku": top.sku, "price": top.price, "percent": top.percent })),
        });
        return result(&value, signals);
    }
    say(&format!(
        "Done. {} events, {} prices of {} SKUs, {} dead letters.",
        thousands(board.events),
        thousands(board.prices),
        thousands(board.skus()),
        thousands(board.dead_letters),
    ));
    let kept = if args.journal.is_some() {
        String::new()
    } else {
        format!(" (the newest {KEPT} with events are kept)")
    };
    say(&format!("Journal: {}{kept}", dir.display()));
    let sku = top.map_or_else(|| "{sku}".to_owned(), |top| top.sku);
    let dir = argument(args.journal.as_deref());
    say(try_text(&dir, address, &sku).trim_end());
    said()
}

fn try_text(dir: &str, address: SocketAddr, sku: &str) -> String {
    let program = program();
    try_lines(&[
        (format!("{program} explain{dir}"), "why was that last price set?"),
        (format!("{program} replay --verify{dir}"), "the same prices, bit for bit"),
        (format!("curl http://{address}/prices/{sku}"), "while it runs (--http fixes the port)"),
        (format!("{program} init my-shop"), "your own"),
    ])
}

#[cfg(test)]
mod tests;
