//! Where benches run: the cores, the stopwatch, how much to measure, and a directory for what they write.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::timing::Stopwatch;
use crate::error::{Error, Result};
use crate::pipeline::cores::Cores;

/// Rounds of each bench where nothing else is asked for: enough for a bootstrap.
pub const ROUNDS: usize = 7;
/// Smoke mode measures one in so many of the operations.
const SMOKE_PART: usize = 200;
/// Smoke mode's rounds.
const SMOKE_ROUNDS: usize = 2;
/// The warm-up's part of a round.
const WARM_UP_PART: usize = 8;
/// Smoke mode's part of a time.
const SMOKE_TIME_PART: u32 = 50;

/// What is asked for on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asked {
    /// Only a few operations: checks that it works, measures nothing.
    pub smoke: bool,
    /// Seed of everything that is generated.
    pub seed: u64,
    /// Rounds.
    pub rounds: Option<usize>,
    /// Seconds of each paced part of a round.
    pub seconds: Option<f64>,
    /// Operations a second of paced benches.
    pub rate: Option<u64>,
}

/// What a bench is given.
#[derive(Debug)]
pub struct Lab {
    cores: Cores,
    watch: Stopwatch,
    asked: Asked,
    part: usize,
    scratch: PathBuf,
    made: AtomicU32,
    owner: bool,
    /// What it keeps its files under, where that was not there before.
    made_for_it: Option<PathBuf>,
}

impl Lab {
    /// A lab on `cores` that keeps its files under `data`, and removes them in the end; `data` too, if it was not there.
    pub fn new(cores: Cores, asked: Asked, data: &Path) -> Self {
        let scratch = data.join(format!("bench-{}", std::process::id()));
        let part = if asked.smoke { SMOKE_PART } else { 1 };
        let (watch, made) = (Stopwatch::new(), AtomicU32::new(0));
        let made_for_it = (!data.exists()).then(|| data.to_path_buf());
        Self { cores, watch, asked, part, scratch, made, owner: true, made_for_it }
    }

    /// The same lab with less to measure: what is measured in it is thrown away.
    #[must_use]
    pub fn warm_up(&self) -> Self {
        Self {
            cores: self.cores.clone(),
            watch: self.watch,
            asked: self.asked,
            part: self.part * WARM_UP_PART,
            scratch: self.scratch.join("warm-up"),
            made: AtomicU32::new(0),
            owner: false,
            made_for_it: None,
        }
    }

    /// The stopwatch.
    pub fn watch(&self) -> Stopwatch {
        self.watch
    }

    /// The cores at hand.
    pub fn cores(&self) -> &Cores {
        &self.cores
    }

    /// The core of the measured thread.
    pub fn hot(&self) -> usize {
        self.cores.from_end(0)
    }

    /// The core of the other thread; the same as [`Self::hot`] where there is only one.
    pub fn other(&self) -> usize {
        self.cores.first()
    }

    /// The two cores, for two threads that spin.
    ///
    /// # Errors
    /// Where there is only one: two threads that spin on it would measure the scheduler.
    pub fn two_cores(&self) -> Result<(usize, usize)> {
        if self.has_two_cores() {
            return Ok((self.hot(), self.other()));
        }
        Err(Error::Usage(
            "this bench needs two cores; give the process another one (taskset, cpuset)".to_owned(),
        ))
    }

    /// Whether two threads can spin.
    pub fn has_two_cores(&self) -> bool {
        self.cores.usable() >= 2 && self.hot() != self.other()
    }

    /// What was asked for.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Seed of what is generated.
    pub fn seed(&self) -> u64 {
        self.asked.seed
    }

    /// Rounds to measure.
    pub fn rounds(&self) -> usize {
        self.asked.rounds.unwrap_or(if self.asked.smoke { SMOKE_ROUNDS } else { ROUNDS })
    }

    /// Operations of a round: `full` in a full run, fewer in smoke mode and while warming up, never below `least`.
    pub fn count(&self, full: usize, least: usize) -> usize {
        (full / self.part).max(least)
    }

    /// Length of a paced part of a round: `full`, or what was asked for; less in smoke mode and while warming up.
    pub fn time(&self, full: Duration) -> Duration {
        let asked = self.asked.seconds.map_or(full, Duration::from_secs_f64);
        let asked = if self.asked.smoke { full.min(asked) / SMOKE_TIME_PART } else { asked };
        let warm = u32::from(self.part >= WARM_UP_PART && self.part != SMOKE_PART);
        asked / (1 + warm * 3)
    }

    /// Operations a second of a paced part: `usual`, or what was asked for.
    pub fn rate(&self, usual: u64) -> u64 {
        self.asked.rate.unwrap_or(usual)
    }

    /// How far a rate may fall short before it counts as missed, as a part of it. In smoke mode nothing is measured, and a
    /// single hiccup of the machine is longer than all of it: any rate will do.
    pub fn rate_tolerance(&self) -> f64 {
        if self.asked.smoke { 1.0 } else { 0.01 }
    }

    /// A directory of its own for what is written; it does not exist yet.
    ///
    /// # Errors
    /// Where the directory above it cannot be made.
    pub fn scratch(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.scratch).map_err(|source| Error::File {
            path: self.scratch.clone(),
            source,
            mend: "run where files may be written",
        })?;
        // Relaxed: a number of its own is all that is wanted.
        Ok(self.scratch.join(self.made.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// Removes what [`Self::scratch`] gave.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(&self, dir: &Path) -> Result<()> {
        std::fs::remove_dir_all(dir).map_err(|source| Error::File {
            path: dir.to_path_buf(),
            source,
            mend: "remove it by hand",
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.owner || !self.scratch.exists() {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.scratch) {
            tracing::warn!(%error, dir = %self.scratch.display(), "what the bench wrote could not be removed");
        }
        if let Some(data) = &self.made_for_it {
            // It stays if somebody else has put something there meanwhile.
            let _removed = std::fs::remove_dir(data);
        }
    }
}

#[cfg(test)]
mod tests;
