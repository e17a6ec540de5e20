//! The stage behind the rings: two sources into one order, timers in their place.

use pricewright_core::kernel::{EndReason, Machine, Nanos};

use super::gateway::RecordedGateway;
use super::reader::Watermark;
use super::{Moment, Source};
use crate::clock::ManualClock;
use crate::error::Result;
use crate::pipeline::core_loop::{CoreLoop, guarded};
use crate::pipeline::run_control::RunControl;
use crate::pipeline::stage::Stage;
use crate::ring::Consumer;

type Core<M> = CoreLoop<M, RecordedGateway, ManualClock>;

/// Takes the earlier of the two rings' front records, once no source can bring an earlier one any more.
pub(super) struct MergeStage<M> {
    data: Consumer,
    venue: Consumer,
    watermark: Watermark,
    core: Option<Core<M>>,
    clock: ManualClock,
    control: RunControl,
    began: bool,
}

impl<M: Machine> MergeStage<M> {
    pub(super) fn new(
        data: Consumer,
        venue: Consumer,
        watermark: Watermark,
        core: Core<M>,
        clock: ManualClock,
        control: RunControl,
    ) -> Self {
        Self { data, venue, watermark, core: Some(core), clock, control, began: false }
    }

    fn turn(&mut self, budget: usize) -> Result<usize> {
        let Self { data, venue, watermark, core, clock, control, began } = self;
        let work = guarded(core, |core| -> Result<usize> {
            if !*began {
                // The operator's command to start, at the stamp of the first packet.
                *began = true;
                core.turn()?;
            }
            let mut work = 0;
            while work < budget {
                match next(data, venue, watermark) {
                    Next::Take(source) => take(source, data, venue, core, clock)?,
                    Next::Wait => break,
                    Next::End => {
                        control.stop(EndReason::END_OF_INPUT);
                        break;
                    }
                }
                work += 1;
            }
            Ok(work)
        });
        self.control.beat();
        work.unwrap_or(Ok(0))
    }

    fn end(&mut self) -> Result<()> {
        let reason = self.control.reason();
        let Some(mut core) = self.core.take() else { return Ok(()) };
        let end = self.clock.get();
        fire_timers(end + Nanos(1), &mut core, &self.clock)?;
        core.end(reason, |_| Ok(())).map(drop)
    }
}

enum Next {
    Take(Source),
    Wait,
    End,
}

/// Which ring's front record is next. The watermark is read before the rings are looked at: what it promises is in them.
fn next(data: &mut Consumer, venue: &mut Consumer, watermark: &Watermark) -> Next {
    let complete = watermark.read();
    let front = |ring: &mut Consumer, source| {
        ring.peek().map(|record| (Moment::new(record.header().now, source), source))
    };
    let first = [front(venue, Source::Venue), front(data, Source::Data)].into_iter().flatten().min();
    match first {
        // At the mark itself only records of the same source follow, behind this one in the same ring.
        Some((moment, source)) if moment <= complete => Next::Take(source),
        None if complete == Moment::END => Next::End,
        _ => Next::Wait,
    }
}

fn take<M: Machine>(
    source: Source,
    data: &mut Consumer,
    venue: &mut Consumer,
    core: &mut Core<M>,
    clock: &ManualClock,
) -> Result<()> {
    let ring = match source {
        Source::Data => data,
        Source::Venue => venue,
    };
    let Some(record) = ring.peek() else { return Ok(()) };
    let now = record.header().now;
    fire_timers(now, core, clock)?;
    clock.set(now);
    match source {
        Source::Data => core.take_at(now, record)?,
        Source::Venue => core.gateway().receive(record.payload(), now)?,
    }
    core.settle()?;
    ring.advance();
    Ok(())
}

/// Fires the timers before `now`, each at its deadline, with what the gateway says to each.
fn fire_timers<M: Machine>(now: Nanos, core: &mut Core<M>, clock: &ManualClock) -> Result<()> {
    while let Some(at) = core.next_timer_before(now) {
        clock.set(at);
        core.fire_timer(at)?;
        core.settle()?;
    }
    Ok(())
}

impl<M: Machine + Send> Stage for MergeStage<M> {
    fn name(&self) -> &str {
        "machine"
    }

    fn poll(&mut self, budget: usize) -> usize {
        let turn = self.turn(budget);
        self.control.worked("machine", turn)
    }

    fn close(&mut self) {
        if let Err(error) = self.end() {
            self.control.fail("machine", &error);
        }
    }
}
