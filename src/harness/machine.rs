//! The header that every measurement carries: on what it was made.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cache_line::FAR_NS;
use super::jitter::jitter;
use super::lab::Lab;
use super::runner::placement;
use super::timing::on_core;
use crate::clock::Ticker;
use crate::error::Result;
use crate::pipeline::open::build_hash;

/// Length of the header's own jitter run.
const JITTER: Duration = Duration::from_millis(200);
/// Bytes of the build's hash that are shown.
const HASH_BYTES: usize = 8;

/// A machine, a build and a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
    /// Who chooses the cores' frequency.
    pub governor: String,
    /// What stamps are made of, and its rate.
    pub clock: String,
    /// `near` where the two cores share a cache of the last level, `far` where they do not, `one core`.
    pub placement: String,
    /// Median round trip of a cache line between them, in ns.
    pub cache_line_ns: Option<f64>,
    /// Part of the time that lay in gaps over 1 µs on a spinning thread.
    pub taken_away: f64,
    /// Part of all cores' time that the hypervisor took, since the machine's start.
    pub stolen: Option<f64>,
    /// Mean number of threads that wanted to run in the last minute.
    pub load: Option<f64>,
    /// The build's profile.
    pub profile: String,
    /// The program's version.
    pub version: String,
    /// The first bytes of the executable's BLAKE3.
    pub build: String,
    /// When, RFC 3339, UTC.
    pub date: String,
}

impl Machine {
    /// Looks at the machine: half a second.
    ///
    /// # Errors
    /// Where no thread can be had, or the executable cannot be read.
    pub fn look(lab: &Lab) -> Result<Self> {
        let cache_line_ns = placement(lab)?;
        let watch = lab.watch();
        let length = lab.time(JITTER).min(JITTER);
        let (_, taken_away) = on_core(lab.hot(), move || jitter(watch, length))?;
        let build = build_hash()?;
        let clock = match watch.ticker() {
            Ticker::Tsc => format!("TSC at {:.3} GHz", watch.hertz() / 1e9),
            Ticker::Monotonic => "CLOCK_MONOTONIC".to_owned(),
        };
        Ok(Self {
            cores: lab.cores().usable(),
            processor: processor(),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned()),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
                .unwrap_or_else(|| "none visible".to_owned()),
            clock,
            placement: place(cache_line_ns).to_owned(),
            cache_line_ns,
            taken_away,
            stolen: stolen(&read("/proc/stat").unwrap_or_default()),
            load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
            profile: env!("PRICEWRIGHT_PROFILE").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: build.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        })
    }

    /// In a few lines.
    pub fn describe(&self) -> String {
        let percent =
            |part: Option<f64>| part.map_or("?".to_owned(), |part| format!("{:.2} %", part * 100.0));
        let line = self.cache_line_ns.map_or(String::new(), |ns| format!(" (cache line {ns:.0} ns)"));
        format!(
            "{} cores usable, {}, kernel {}, governor {}\n{}, placement {}{line}, taken away {}, stolen {}, load {}\n\
             pricewright {} ({} build {}), {}",
            self.cores,
            self.processor,
            self.kernel,
            self.governor,
            self.clock,
            self.placement,
            percent(Some(self.taken_away)),
            percent(self.stolen),
            self.load.map_or("?".to_owned(), |load| format!("{load:.1}")),
            self.version,
            self.profile,
            self.build,
            self.date,
        )
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).ok()
}

fn processor() -> String {
    let found = read("/proc/cpuinfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    found.unwrap_or_else(|| "unknown processor".to_owned())
}

fn place(cache_line_ns: Option<f64>) -> &'static str {
    match cache_line_ns {
        None => "one core",
        Some(ns) if ns > FAR_NS => "far",
        Some(_) => "near",
    }
}

/// The stolen part of all cores' time, from the text of `/proc/stat` (proc(5): the eighth number of the line `cpu`).
fn stolen(stat: &str) -> Option<f64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let times: Vec<f64> =
        line.split_whitespace().skip(1).take(8).map_while(|text| text.parse().ok()).collect();
    let total: f64 = times.iter().sum();
    Some(times.get(7)? / total.max(1.0))
}

#[cfg(test)]
mod tests;
