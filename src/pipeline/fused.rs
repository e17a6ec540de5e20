//! Run to completion: feed, sequencer, machine and gateway as one stage, with direct calls between them.

use pricewright_core::kernel::{EndReason, Machine};

use super::core_loop::{CoreLoop, guarded};
use super::edge::{Feed, Gateway};
use super::run_control::RunControl;
use super::stage::Stage;
use crate::clock::Clock;
use crate::error::Result;

const NAME: &str = "ingress+machine+gateway";
/// Packets taken in one turn while the run ends.
const CLOSE_BUDGET: usize = 16;

/// The whole hot path on one thread.
#[derive(Debug)]
pub struct FusedStage<M, F, G, C> {
    feed: F,
    feed_clock: C,
    core: Option<CoreLoop<M, G, C>>,
    control: RunControl,
}

impl<M: Machine, F: Feed, G: Gateway, C: Clock> FusedStage<M, F, G, C> {
    /// Puts the parts together; `feed_clock` stamps what the feed receives.
    pub fn new(feed: F, feed_clock: C, core: CoreLoop<M, G, C>, control: RunControl) -> Self {
        Self { feed, feed_clock, core: Some(core), control }
    }

    /// The feed.
    pub fn feed(&self) -> &F {
        &self.feed
    }

    /// The feed, to be changed.
    pub fn feed_mut(&mut self) -> &mut F {
        &mut self.feed
    }

    /// Cells of the feed's events that can be taken now; none once the stage has closed.
    pub fn room(&self) -> usize {
        self.core.as_ref().map_or(0, CoreLoop::room)
    }

    fn turn(&mut self, budget: usize) -> Result<usize> {
        let Self { feed, feed_clock, core, .. } = self;
        let work = guarded(core, |core| -> Result<usize> {
            let work = core.turn()?;
            let received = feed.poll(feed_clock, &mut core.sink(), budget)?;
            core.check()?;
            if work + received == 0 {
                core.idle();
            }
            Ok(work + received)
        });
        let work = work.unwrap_or(Ok(0))?;
        if work == 0 && self.feed.ended() {
            self.control.stop(EndReason::END_OF_INPUT);
        }
        self.control.beat();
        Ok(work)
    }
}

impl<M, F, G, C> Stage for FusedStage<M, F, G, C>
where
    M: Machine + Send,
    F: Feed,
    G: Gateway,
    C: Clock,
{
    fn name(&self) -> &str {
        NAME
    }

    fn poll(&mut self, budget: usize) -> usize {
        let turn = self.turn(budget);
        self.control.worked(NAME, turn)
    }

    fn close(&mut self) {
        let reason = self.control.reason();
        let Self { feed, feed_clock, core, .. } = self;
        let Some(core) = core.take() else { return };
        let ended = core.end(reason, |core| {
            feed.poll(feed_clock, &mut core.sink(), CLOSE_BUDGET)?;
            core.check()
        });
        match ended {
            Ok(ended) => {
                self.control.leave_orders(ended.unconfirmed);
                self.control.leave_state(ended.state);
            }
            Err(error) => self.control.fail(NAME, &error),
        }
    }
}
