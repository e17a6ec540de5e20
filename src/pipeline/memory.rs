//! How much memory this process may still take: what the machine has, the limits of its control groups (v2 and v1), and the
//! process's own limit of address space.
//!
//! Sizes that are settings are held against it before any is taken: where memory ends, the kernel ends a process without a
//! word.

use std::path::Path;

use pricewright_core::kernel::Reserved;

use super::control_groups::{self, Mount};

/// Settings that are named in an error: the largest.
const NAMED: usize = 3;

/// Bytes that may still be taken, by the narrowest limit that the kernel says; `None` where it says none.
pub fn available() -> Option<u64> {
    available_by(&|path| std::fs::read_to_string(path).ok())
}

/// As [`available`]; `read` gives a file's text.
fn available_by(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = field(&read(Path::new("/proc/meminfo")).unwrap_or_default(), "MemAvailable:");
    let groups = control_groups::limits("memory", read, &|mount, folder| left_in(mount, folder, read));
    let least = groups.unwrap_or_default().into_iter().min();
    [machine, least, address_space(read)].into_iter().flatten().min()
}

/// The number behind `name` in a text of lines `name number kB`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What the group at `folder` may still take, where it is limited. The page cache that it can give back counts as free.
fn left_in(mount: &Mount<'_>, folder: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let [limit, used, cache] = if mount.v2 {
        ["memory.max", "memory.current", "inactive_file "]
    } else {
        ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "]
    };
    let number = |name: &str| read(&folder.join(name))?.trim().parse::<u64>().ok();
    let stat = read(&folder.join("memory.stat")).unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<u64>().ok());
    let used = number(used)?.saturating_sub(cached.unwrap_or(0));
    Some(number(limit)?.saturating_sub(used))
}

/// What `ulimit -v` leaves, where it is set.
fn address_space(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = read(Path::new("/proc/self/limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit = line.split_whitespace().next()?.parse::<u64>().ok()?;
    let used = field(&read(Path::new("/proc/self/status"))?, "VmSize:")?;
    Some(limit.saturating_sub(used))
}

/// Says where `wanted` is more than `available`; names what wants most.
///
/// # Errors
/// The sum, what there is, and the settings that are to be lowered.
pub fn check(wanted: &[Reserved], available: Option<u64>) -> Result<(), String> {
    let sum = wanted.iter().fold(0_u64, |sum, part| sum.saturating_add(part.bytes));
    let Some(available) = available.filter(|available| sum > *available) else { return Ok(()) };
    let mut largest: Vec<&Reserved> = wanted.iter().collect();
    largest.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    let named: Vec<String> =
        largest.iter().take(NAMED).map(|part| format!("{} ({})", part.settings, size(part.bytes))).collect();
    Err(format!(
        "these settings take {} of memory, and {} are available here: lower {}",
        size(sum),
        size(available),
        named.join(", ")
    ))
}

/// A size as people read it, in powers of ten.
pub fn size(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let (name, factor) =
        units.into_iter().find(|(_, factor)| bytes as f64 >= *factor).unwrap_or(("bytes", 1.0));
    if factor == 1.0 { format!("{bytes} bytes") } else { format!("{:.1} {name}", bytes as f64 / factor) }
}

#[cfg(test)]
mod tests;
