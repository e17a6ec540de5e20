//! Keeps the live clock, and journals what happened to the machine's: a step of the wall clock, a standstill.

use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use pricewright_core::kernel::OperatorCommand;
use pricewright_core::kernel::table::Operator;

use super::operator::Asked;
use crate::clock::{Calibrator, MAX_SLEW_PPM, Seen, Watch, look};

/// Who says so in the journal.
const NAME: &str = "clock";

/// How often the clock is held against the machine's wall clock.
const CALIBRATION: Duration = Duration::from_secs(1);
/// How often the machine's clocks are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// For the helper.
#[derive(Debug)]
pub struct ClockKeeper {
    calibrator: Calibrator,
    calibrated: Instant,
    looked: Instant,
    watch: Watch,
    /// To the hot thread, which journals; `None` where nobody takes them.
    commands: Option<Sender<Asked>>,
}

impl ClockKeeper {
    /// Keeps the clock; with `commands`, what happens to the machine's is journalled.
    pub fn new(calibrator: Calibrator, commands: Option<Sender<Asked>>) -> Self {
        let mut watch = Watch::default();
        let _first = watch.look(look(0)).count();
        let now = Instant::now();
        Self { calibrator, calibrated: now, looked: now, watch, commands }
    }

    /// Looks at the clocks where that is due; `turns` says how often the hot thread has turned so far.
    pub fn poll(&mut self, now: Instant, turns: u64) {
        if now.duration_since(self.calibrated) >= CALIBRATION {
            self.calibrated = now;
            self.calibrator.recalibrate();
        }
        if now.duration_since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        for seen in self.watch.look(look(turns)) {
            let (command, nanos) = match seen {
                Seen::Step(nanos) => (OperatorCommand::CLOCK_STEP, nanos),
                Seen::Standstill(nanos) => (OperatorCommand::SUSPENDED, nanos),
            };
            let journalled = self.commands.as_ref().is_some_and(|commands| {
                commands.try_send(Operator::says(NAME, command, nanos).into()).is_ok()
            });
            tracing::warn!(journalled, "{}", text(seen));
        }
    }
}

/// What happened and what it does, for people.
fn text(seen: Seen) -> String {
    let seconds = |nanos: i64| nanos.unsigned_abs() as f64 / 1e9;
    match seen {
        Seen::Step(nanos) => format!(
            "the machine's clock was set {} by {:.3} s: stamps go on without a step and follow it by at most {MAX_SLEW_PPM} \
             ppm, so they are off by that much until then; a restart takes over a clock that was set forward",
            if nanos > 0 { "forward" } else { "back" },
            seconds(nanos)
        ),
        Seen::Standstill(nanos) => format!(
            "the machine or this process stood still for {:.3} s: what was received meanwhile is late",
            seconds(nanos)
        ),
    }
}
