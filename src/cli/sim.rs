//! `pricewright sim`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::args::SimArgs;
use super::show::{json as print_json, line, thousands};
use crate::error::{Error, Result};
use crate::sim::{Sim, SimAddresses, SimConfig, SimSummary};

pub(super) fn sim(args: &SimArgs) -> Result<()> {
    let config = SimConfig {
        itch: args.itch.clone(),
        write_itch: args.write_itch.clone(),
        seed: args.seed,
        seconds: args.seconds,
        rate: args.rate,
        symbols: args.symbols.clone(),
        lines: args.lines.iter().map(|line| (*line).into()).collect(),
        rerequest: args.rerequest.into(),
        ouch: args.ouch,
        loss: args.loss / 100.0,
        duplicate: args.duplicate / 100.0,
        reorder: args.reorder / 100.0,
        rerequest_loss: args.rerequest_loss / 100.0,
        ..SimConfig::default()
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Error::Failed(format!("signal {signal} cannot be caught: {error}")))?;
    }
    let quiet = args.json;
    let mut shown = Ok(());
    let summary = Sim::run_until_stopped(&config, stop, |addresses| {
        if !quiet {
            shown = line(&ready_text(addresses));
        }
    })?;
    shown?;
    if args.json { print_json(&as_json(&summary)) } else { line(&as_text(&summary)) }
}

fn ready_text(addresses: &SimAddresses) -> String {
    let lines: Vec<String> = addresses.lines.iter().map(ToString::to_string).collect();
    format!(
        "Simulated exchange, session {}: ITCH 5.0 over MoldUDP64 on {}, re-requests at {}, OUCH 5.0 over SoupBinTCP at {}. \
         Ctrl-C ends the day.",
        addresses.session,
        lines.join(" and "),
        addresses.rerequest,
        addresses.ouch
    )
}

fn as_text(summary: &SimSummary) -> String {
    let mut text = format!(
        "Done. {} messages in {:.1} s, {} orders from outside, {} fills of theirs, {} re-requests answered, {} orders left in the book.",
        thousands(summary.messages),
        summary.elapsed.as_secs_f64(),
        thousands(summary.exchange.orders),
        thousands(summary.exchange.outside_fills),
        thousands(summary.rerequests.served),
        summary.book.len()
    );
    for (name, line) in ('A'..='D').zip(&summary.lines) {
        text.push_str(&format!(
            "\nline {name}  {} packets, {} lost, {} duplicated, {} reordered on purpose",
            thousands(line.packets),
            thousands(line.lost),
            thousands(line.duplicated),
            thousands(line.reordered)
        ));
    }
    text
}

/// The summary as JSON.
pub(super) fn as_json(summary: &SimSummary) -> serde_json::Value {
    json!({
        "session": summary.session.to_string(),
        "seconds": summary.elapsed.as_secs_f64(),
        "messages": summary.messages,
        "logins": summary.logins,
        "orders": summary.exchange.orders,
        "fills": summary.exchange.outside_fills,
        "rejected": summary.exchange.rejected,
        "rerequests_served": summary.rerequests.served,
        "lines": summary.lines.iter().map(|line| json!({
            "packets": line.packets, "lost": line.lost, "duplicated": line.duplicated, "reordered": line.reordered,
        })).collect::<Vec<_>>(),
        "book": summary.book.iter().map(|order| json!({
            "symbol": order.symbol.to_string(),
            "side": order.side.sign(),
            "order": order.order,
            "price": order.price.0,
            "qty": order.qty.0,
        })).collect::<Vec<_>>(),
    })
}
