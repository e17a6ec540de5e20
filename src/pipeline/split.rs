//! The hot path over several threads: ingress in front of a ring, the sequencer behind it, and, where the map says so,
//! the gateway on a thread of its own, which tails the journal.

use std::time::Duration;

use pricewright_core::kernel::{Class, DecisionRef, EndReason, Kind, Machine, RecordBuf, RecordSink};

use super::core_loop::{CoreLoop, DRAIN, guarded};
use super::edge::{Feed, Gateway, RemoteGateway};
use super::ring_gauge::RingGauge;
use super::run_control::RunControl;
use super::stage::Stage;
use crate::clock::Clock;
use crate::error::Result;
use crate::io::wait::nap;
use crate::journal::Reader;
use crate::ring::{Consumer, Producer};

/// Records taken from a ring in one turn while the run ends.
const CLOSE_BUDGET: usize = 256;
/// How often a gateway that closes looks whether what it holds may leave.
const LOOK: Duration = Duration::from_micros(200);

/// A feed before a ring.
#[derive(Debug)]
pub struct IngressStage<F, C> {
    feed: F,
    clock: C,
    ring: Producer,
    gauge: RingGauge,
    control: RunControl,
}

impl<F: Feed, C: Clock> IngressStage<F, C> {
    /// Puts the parts together.
    pub fn new(feed: F, clock: C, ring: Producer, control: RunControl) -> Self {
        Self { feed, clock, ring, gauge: RingGauge::default(), control }
    }

    /// Shows how full its ring is.
    #[must_use]
    pub(super) fn showing(self, gauge: RingGauge) -> Self {
        Self { gauge, ..self }
    }
}

impl<F: Feed, C: Clock> Stage for IngressStage<F, C> {
    fn name(&self) -> &str {
        "ingress"
    }

    fn poll(&mut self, budget: usize) -> usize {
        self.gauge.poll(&self.ring);
        match self.feed.poll(&mut self.clock, &mut self.ring, budget) {
            Ok(0) if self.feed.ended() => {
                self.control.input_ended();
                0
            }
            Ok(work) => work,
            Err(error) => {
                self.control.fail("ingress", &error);
                0
            }
        }
    }

    fn close(&mut self) {}
}

/// The sequencer behind rings, with the gateway called directly or on another thread ([`RemoteGateway`]).
#[derive(Debug)]
pub struct SequencerStage<M, G, C> {
    input: Consumer,
    /// From a gateway on another thread.
    answers: Option<Consumer>,
    core: Option<CoreLoop<M, G, C>>,
    control: RunControl,
}

impl<M: Machine, G: Gateway, C: Clock> SequencerStage<M, G, C> {
    /// Puts the parts together; `answers` where the gateway is on another thread.
    pub fn new(
        input: Consumer,
        answers: Option<Consumer>,
        core: CoreLoop<M, G, C>,
        control: RunControl,
    ) -> Self {
        Self { input, answers, core: Some(core), control }
    }

    fn turn(&mut self, budget: usize) -> Result<usize> {
        let Self { input, answers, core, .. } = self;
        let work = guarded(core, |core| -> Result<usize> {
            let mut work = core.turn()? + drain(input, core, budget, |core| core.has_room())?;
            if let Some(answers) = answers {
                work += drain(answers, core, budget, CoreLoop::may_take)?;
            }
            if work == 0 {
                core.idle();
            }
            Ok(work)
        });
        let work = work.unwrap_or(Ok(0))?;
        if work == 0
            && self.control.has_input_ended()
            && self.input.peek().is_none()
            && self.answers.as_mut().is_none_or(|answers| answers.peek().is_none())
        {
            self.control.stop(EndReason::END_OF_INPUT);
        }
        self.control.beat();
        Ok(work)
    }
}

fn drain<M: Machine, G: Gateway, C: Clock>(
    input: &mut Consumer,
    core: &mut CoreLoop<M, G, C>,
    budget: usize,
    may_take: impl Fn(&mut CoreLoop<M, G, C>) -> bool,
) -> Result<usize> {
    let mut work = 0;
    while work < budget
        && may_take(core)
        && let Some(record) = input.peek()
    {
        // The sink refuses only after an error, which `check` returns.
        let taken = core.sink().push(record);
        core.check()?;
        if taken.is_ok() {
            input.advance();
        }
        work += 1;
    }
    Ok(work)
}

impl<M, G, C> Stage for SequencerStage<M, G, C>
where
    M: Machine + Send,
    G: Gateway,
    C: Clock,
{
    fn name(&self) -> &str {
        "machine"
    }

    fn poll(&mut self, budget: usize) -> usize {
        let turn = self.turn(budget);
        self.control.worked("machine", turn)
    }

    fn close(&mut self) {
        let reason = self.control.reason();
        let Self { input, answers, core, .. } = self;
        let Some(core) = core.take() else { return };
        let ended = core.end(reason, |core| {
            while drain(input, core, CLOSE_BUDGET, |core| core.has_room())? > 0 {}
            let Some(answers) = answers else { return Ok(()) };
            while drain(answers, core, CLOSE_BUDGET, CoreLoop::may_take)? > 0 {}
            Ok(())
        });
        match ended {
            Ok(ended) => {
                self.control.leave_orders(ended.unconfirmed);
                self.control.leave_state(ended.state);
            }
            Err(error) => self.control.fail("machine", &error),
        }
    }
}

/// A gateway on a thread of its own: takes decisions from the journal, puts answers into a ring.
#[derive(Debug)]
pub struct GatewayStage<G, C> {
    gateway: G,
    /// What the sequencer's thread sees of it.
    seen: RemoteGateway,
    clock: C,
    journal: Reader,
    /// The last record read.
    read: u64,
    answers: RecordBuf,
    /// Cells of `answers` that the ring has taken already.
    taken: usize,
    ring: Producer,
    gauge: RingGauge,
    control: RunControl,
}

impl<G: Gateway, C: Clock> GatewayStage<G, C> {
    /// Puts the parts together; `journal` stands behind the last record before this run's first decision.
    pub fn new(
        gateway: G,
        seen: RemoteGateway,
        clock: C,
        journal: Reader,
        ring: Producer,
        control: RunControl,
    ) -> Self {
        Self {
            gateway,
            seen,
            clock,
            journal,
            read: 0,
            answers: RecordBuf::with_capacity(8192),
            taken: 0,
            ring,
            gauge: RingGauge::default(),
            control,
        }
    }

    /// Shows how full its ring is.
    #[must_use]
    pub(super) fn showing(self, gauge: RingGauge) -> Self {
        Self { gauge, ..self }
    }

    fn turn(&mut self, budget: usize) -> Result<usize> {
        let mut work = 0;
        if self.seen.take_cancel() {
            let now = self.clock.now();
            self.gateway.cancel_all(now);
        }
        while work < budget {
            let Some(record) = self.journal.next_record()? else { break };
            work += 1;
            let header = *record.header();
            self.read = header.seq;
            if Kind::from_u16(header.kind).is_some_and(|kind| kind.schema().class == Class::Decision)
                && let Some(decision) = DecisionRef::of(&record)
            {
                self.gateway.decide(header.seq, header.now, decision);
            }
        }
        let now = self.clock.now();
        if work > 0 {
            self.gateway.flush(now)?;
        }
        if self.taken == self.answers.cells().len() {
            self.answers.clear();
            self.taken = 0;
            work += self.gateway.poll(now, &mut self.answers)?;
        }
        self.offer_answers();
        let offered = self.taken == self.answers.cells().len();
        let waiting = usize::from(!offered || self.gateway.is_holding());
        self.seen.report(self.gateway.open_orders() + waiting, self.read);
        if work == 0 {
            self.gateway.idle(now);
        }
        Ok(work)
    }

    fn offer_answers(&mut self) {
        let rest = self.answers.cells().get(self.taken..).unwrap_or(&[]);
        for record in pricewright_core::kernel::record::records_in(rest) {
            if self.ring.push(record).is_err() {
                break;
            }
            self.taken += record.cells().len();
        }
    }
}

impl<G: Gateway, C: Clock> Stage for GatewayStage<G, C> {
    fn name(&self) -> &str {
        "gateway"
    }

    fn poll(&mut self, budget: usize) -> usize {
        self.gauge.poll(&self.ring);
        let turn = self.turn(budget);
        self.control.worked("gateway", turn)
    }

    fn close(&mut self) {
        let start = self.clock.now();
        loop {
            if let Err(error) = self.turn(usize::MAX) {
                self.control.fail("gateway", &error);
            }
            let waited = self.clock.now() >= start + DRAIN;
            if !self.gateway.is_holding() || self.control.failed() || waited {
                break;
            }
            nap(LOOK);
        }
        let now = self.clock.now();
        if self.control.failed() {
            self.gateway.cancel_all(now);
        }
        self.control.leave_orders(self.gateway.unconfirmed());
        self.gateway.close(now);
    }
}
