//! `pricewright sim`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pricewright_core::kernel::TimeZone;

use super::args::SimArgs;
use super::show::{result, said, say};
use super::signals::stop_on_signals;
use crate::clock::wall_clock;
use crate::error::{Error, Result};
use crate::pipeline::clock_ahead::check_wall;
use crate::sim::replay::Speed;
use crate::sim::{Sim, SimAddresses, SimConfig};

pub(super) fn sim(args: &SimArgs) -> Result<()> {
    check_wall(wall_clock())?;
    let config = SimConfig {
        itch: args.itch.clone(),
        speed: speed(&args.speed)?,
        write_itch: args.write_itch.clone(),
        seed: args.seed,
        seconds: args.seconds,
        rate: args.rate,
        symbols: args.symbols.clone(),
        lines: args.lines.iter().map(|line| (*line).into()).collect(),
        rerequest: args.rerequest.into(),
        ouch: args.ouch,
        drop_copy: args.drop_copy,
        glimpse: args.glimpse,
        loss: args.loss / 100.0,
        duplicate: args.duplicate / 100.0,
        reorder: args.reorder / 100.0,
        rerequest_loss: args.rerequest_loss / 100.0,
        time_zone: TimeZone::new(&args.time_zone)
            .map_err(|error| Error::Usage(format!("--time-zone: {error}")))?,
        ..SimConfig::default()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let signals = stop_on_signals(&stop, &Arc::default())?;
    let quiet = args.json;
    let summary = Sim::run_until_stopped(&config, stop, |addresses| {
        if !quiet {
            say(&ready_text(addresses));
        }
    })?;
    if args.json {
        return result(&summary.to_json(), &signals);
    }
    say(&summary.to_string());
    said()
}

fn ready_text(addresses: &SimAddresses) -> String {
    let lines: Vec<String> = addresses.lines.iter().map(ToString::to_string).collect();
    format!(
        "Simulated exchange, session {}: ITCH 5.0 over MoldUDP64 on {}, re-requests at {}, OUCH 5.0 over SoupBinTCP at {}, snapshots \
         (GLIMPSE 5.0) at {}{}. Ctrl-C ends the day.",
        addresses.session,
        lines.join(" and "),
        addresses.rerequest,
        addresses.ouch,
        addresses.glimpse,
        addresses.drop_copy.map_or_else(String::new, |address| format!(", drop copy at {address}"))
    )
}

fn speed(text: &str) -> Result<Speed> {
    if text == "max" {
        return Ok(Speed::Maximum);
    }
    text.parse()
        .map(Speed::Recorded)
        .map_err(|_| Error::Usage(format!("--speed {text}: give a factor such as 1 or 0.5, or max")))
}
