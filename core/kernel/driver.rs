//! The loop body that live, replay, recovery and explanation share: one event into one machine.

use super::machine::{Machine, SnapshotError, read_state, state_hash_of, write_state};
use super::outbox::Outbox;
use super::probe::Probe;
use super::record::RecordRef;
use super::table::{EventRef, Timer};
use super::timers::TimerQueue;
use super::units::Nanos;

/// A machine with its timers and outbox.
#[derive(Clone, Debug)]
pub struct Driver<M> {
    machine: M,
    outbox: Outbox,
    now: Nanos,
}

/// What [`Driver::step`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// The machine took the event.
    Done,
    /// The event is a timer, and not the one that is next. The machine did not see it.
    WrongTimer {
        /// The timer that is next, where one is armed.
        next: Option<Timer>,
    },
    /// The stamp lies before the last event's. The machine did not see it.
    TimeWentBack {
        /// The last event's stamp.
        last: Nanos,
    },
}

impl<M: Machine> Driver<M> {
    /// A machine in its first state.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: &M::Config) -> Result<Self, String> {
        Ok(Self { machine: M::new(config)?, outbox: Outbox::default(), now: Nanos::ZERO })
    }

    /// Gives the machine one event; its decisions are in [`Self::outbox`] until the next call.
    #[inline]
    pub fn step<P: Probe>(&mut self, now: Nanos, event: EventRef<'_>, probe: &mut P) -> Step {
        self.outbox.begin();
        if now < self.now {
            return Step::TimeWentBack { last: self.now };
        }
        if let EventRef::Timer(timer) = event {
            let next = self.outbox.timers().next();
            if next != Some(*timer) || timer.deadline > now {
                return Step::WrongTimer { next };
            }
            self.outbox.timers_mut().pop();
        }
        self.now = now;
        self.machine.on_event(now, event, &mut self.outbox, probe);
        Step::Done
    }

    /// The decisions of the last event.
    #[inline]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The decisions of the last event, in order.
    pub fn decisions(&self) -> impl Iterator<Item = RecordRef<'_>> {
        self.outbox.decisions()
    }

    /// The timer that is due at `now`, as the event it must become next.
    #[inline]
    pub fn due(&self, now: Nanos) -> Option<Timer> {
        self.outbox.timers().due(now)
    }

    /// The deadline of the next timer.
    #[inline]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.outbox.timers().next().map(|timer| timer.deadline)
    }

    /// The last event's stamp.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Machine, timers and stamp as bytes.
    ///
    /// # Errors
    /// Where a part of the state cannot be written.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut machine = Vec::new();
        self.machine.snapshot(&mut machine)?;
        let mut bytes = Vec::with_capacity(machine.len() + 64);
        write_state(&(self.now, self.outbox.timers(), machine), &mut bytes)?;
        Ok(bytes)
    }

    /// The driver in the state of a snapshot taken under the same configuration.
    ///
    /// # Errors
    /// Where the bytes are not such a snapshot.
    pub fn restore(config: &M::Config, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (now, mut timers, machine): (Nanos, TimerQueue, Vec<u8>) = read_state(bytes)?;
        if !timers.is_possible() {
            return Err(SnapshotError::Mismatch(
                "its timers are not in order, or beyond all bounds".to_owned(),
            ));
        }
        timers.reserve();
        let mut outbox = Outbox::default();
        *outbox.timers_mut() = timers.reserved();
        Ok(Self { machine: M::restore(config, &machine)?, outbox, now })
    }

    /// BLAKE3 of [`Self::snapshot`].
    ///
    /// # Errors
    /// Where a part of the state cannot be written.
    pub fn state_hash(&self) -> Result<[u8; 32], SnapshotError> {
        Ok(state_hash_of(&self.snapshot()?))
    }
}
