//! What the kernel says of the process, by `/proc`. What cannot be read is left out.

use std::fs::read_to_string;

/// Ticks of `/proc/self/stat` in a second: the same on every Linux (`USER_HZ`).
const TICKS: f64 = 100.0;
/// Where the fields of `/proc/self/stat` stand behind the name in parentheses (proc_pid_stat(5), less 3).
const UTIME: usize = 11;
const STIME: usize = 12;
const STARTED: usize = 19;

/// Figures of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Bytes in memory.
    pub resident: Option<u64>,
    /// Bytes of address space.
    pub virtual_size: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// The most descriptors.
    pub max_fds: Option<u64>,
    /// User and system time in s.
    pub cpu: Option<f64>,
    /// When it started, Unix s.
    pub started: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let limits = read_to_string("/proc/self/limits").unwrap_or_default();
        let stat = read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok().map(|ticks| ticks as f64 / TICKS);
        let boot = read_to_string("/proc/stat").unwrap_or_default();
        let boot = number_after(&boot, "btime ").map(|seconds| seconds as f64);
        Self {
            resident: number_after(&status, "VmRSS:").map(|kib| kib * 1024),
            virtual_size: number_after(&status, "VmSize:").map(|kib| kib * 1024),
            threads: number_after(&status, "Threads:"),
            // One of them is that of the listing.
            open_fds: std::fs::read_dir("/proc/self/fd")
                .ok()
                .map(|open| open.count().saturating_sub(1) as u64),
            max_fds: number_after(&limits, "Max open files"),
            cpu: ticks(UTIME).zip(ticks(STIME)).map(|(user, system)| user + system),
            started: boot.zip(ticks(STARTED)).map(|(boot, since)| boot + since),
        }
    }
}

/// The first number of the line that begins with `key`.
fn number_after(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}
