//! The header that every measurement carries: on what it was made.

use crate::clock::Ticker;
use crate::pipeline::cores::Cores;

/// Cores, processor, kernel, governor, clock and build, in one line.
pub fn describe(cores: &Cores) -> String {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let processor = read("/proc/cpuinfo")
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "?".to_owned());
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        .unwrap_or_else(|| "no governor".to_owned());
    let build = if cfg!(debug_assertions) { "debug build" } else { "optimised build" };
    format!(
        "{} usable core(s), {processor}, kernel {kernel}, {governor}, clock {:?}, {build} {}",
        cores.usable(),
        Ticker::detect(),
        env!("CARGO_PKG_VERSION"),
    )
}
