//! Which cores this process may use: its affinity mask, and the CPU quota of its control groups (v2 and v1).

use std::fs;
use std::path::Path;

use super::control_groups::{self, Mount};

/// The cores at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Cores {
    /// The ids in the affinity mask, ascending; never empty.
    pub ids: Vec<usize>,
    /// The quota in cores' worth of time, where a control group sets one.
    pub quota: Option<f64>,
}

impl Cores {
    /// How many cores' worth of threads may run all the time: the mask, or whole cores of the quota where that is less;
    /// at least 1.
    pub fn usable(&self) -> usize {
        let whole = self.quota.map_or(usize::MAX, |quota| quota.floor() as usize);
        self.ids.len().min(whole).max(1)
    }

    /// How many threads may spin: one core is left to everything else; at least 1.
    pub fn most_spinners(&self) -> usize {
        self.usable().saturating_sub(1).max(1)
    }

    /// The core with the lowest id, which by habit serves interrupts too.
    pub fn first(&self) -> usize {
        self.ids.first().copied().unwrap_or(0)
    }

    /// The `n`th core from the end; the first where there are fewer.
    pub fn from_end(&self, n: usize) -> usize {
        self.ids.iter().rev().nth(n).copied().unwrap_or_else(|| self.first())
    }
}

/// The cores of this process. Call it before threads are pinned: the mask of the calling thread is read.
pub fn available_cores() -> Cores {
    let mut ids: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    ids.sort_unstable();
    if ids.is_empty() {
        // The mask cannot be read where a sandbox forbids it: count, and take the ids to be the first ones.
        ids = (0..std::thread::available_parallelism().map_or(1, usize::from)).collect();
    }
    Cores { ids, quota: cpu_quota(&|path| fs::read_to_string(path).ok()) }
}

/// The smallest quota on the way from this process's control groups up to the roots. `read` gives a file's text.
fn cpu_quota(read: &dyn Fn(&Path) -> Option<String>) -> Option<f64> {
    let quotas = control_groups::limits("cpu", read, &|mount, folder| quota_in(mount, folder, read))?;
    quotas.into_iter().min_by(f64::total_cmp)
}

/// Cores' worth of time that the group at `folder` may use, where it is limited.
fn quota_in(mount: &Mount<'_>, folder: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Option<f64> {
    let (quota, period): (f64, f64) = if mount.v2 {
        let text = read(&folder.join("cpu.max"))?;
        let mut words = text.split_whitespace();
        (words.next()?.parse().ok()?, words.next()?.parse().ok()?)
    } else {
        let quota = read(&folder.join("cpu.cfs_quota_us"))?.trim().parse().ok()?;
        (quota, read(&folder.join("cpu.cfs_period_us"))?.trim().parse().ok()?)
    };
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests;
