//! Following a journal with a machine: every event is decided again, every decision is held against the journal's.
//!
//! Verification, recovery, explanation and the live self-check are this one loop; they differ in where records come from
//! and in what they do with a [`Divergence`].

use pricewright_core::kernel::{
    Class, Driver, EventRef, Kind, Machine, Nanos, NoProbe, Probe, RecordRef, Step, SystemRef, flags,
};

use super::Owned;

/// A driver that follows a journal.
#[derive(Debug)]
pub struct Follower<M> {
    driver: Driver<M>,
    /// Sequence and stamp of the last event.
    cause: (u64, Nanos),
    /// Cells of the driver's outbox that the journal has confirmed.
    confirmed_cells: usize,
    /// Events followed in the present run.
    run_events: u64,
    /// Decisions followed in the present run.
    run_decisions: u64,
    /// Events followed in all.
    events: u64,
    /// Decisions that agreed, in all.
    decisions: u64,
}

/// How far a journal was followed: what a follower knows besides its driver while nothing is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sequence and stamp of the last event.
    pub cause: (u64, Nanos),
    /// Events of the present run.
    pub run_events: u64,
    /// Decisions of the present run.
    pub run_decisions: u64,
    /// Events in all, from the journal's beginning.
    pub events: u64,
    /// Decisions in all.
    pub decisions: u64,
}

/// The first point where journal and machine disagree.
#[derive(Clone, Debug, PartialEq)]
pub enum Divergence {
    /// The decision in the journal is another one than the machine's.
    Decision {
        /// Where in the journal.
        seq: u64,
        /// The event that caused it.
        cause: u64,
        /// The journal's decision.
        journal: Box<Owned>,
        /// The machine's, or `None` where it decided nothing more.
        machine: Option<Box<Owned>>,
    },
    /// The machine decided something that the journal lacks before its next event.
    Missing {
        /// The record that stands where the decision should.
        seq: u64,
        /// The event that caused it.
        cause: u64,
        /// The machine's decision.
        machine: Box<Owned>,
    },
    /// The journal's timer event is not the timer that the machine asked for next.
    Timer {
        /// Where in the journal.
        seq: u64,
        /// Deadline and key in the journal.
        journal: (Nanos, u32),
        /// Deadline and key that the machine asked for, where it did.
        machine: Option<(Nanos, u32)>,
    },
    /// Stamps go backwards.
    Clock {
        /// Where in the journal.
        seq: u64,
        /// The stamp before.
        last: Nanos,
        /// The stamp there.
        now: Nanos,
    },
    /// A decision's cause or stamp is not its event's.
    Cause {
        /// Where in the journal.
        seq: u64,
        /// The event that it should name.
        expected: u64,
    },
    /// The state at the end of the run has another hash.
    StateHash {
        /// Where in the journal.
        seq: u64,
    },
    /// The record is of a kind or layout that this build does not know.
    Unknown {
        /// Where in the journal.
        seq: u64,
        /// Its kind.
        kind: u16,
        /// Its version.
        version: u8,
    },
    /// The end record counts other numbers of events and decisions.
    Counts {
        /// Where in the journal.
        seq: u64,
    },
    /// The machine's state cannot be written for hashing.
    Snapshot {
        /// Where in the journal.
        seq: u64,
        /// What the codec said.
        message: String,
    },
}

impl Divergence {
    /// Where in the journal.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Decision { seq, .. }
            | Self::Missing { seq, .. }
            | Self::Timer { seq, .. }
            | Self::Clock { seq, .. }
            | Self::Cause { seq, .. }
            | Self::StateHash { seq }
            | Self::Unknown { seq, .. }
            | Self::Counts { seq }
            | Self::Snapshot { seq, .. } => *seq,
        }
    }
}

impl<M: Machine> Follower<M> {
    /// A machine in its first state, before the journal's first event.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: &M::Config) -> Result<Self, String> {
        Ok(Self {
            driver: Driver::new(config)?,
            cause: (0, Nanos::ZERO),
            confirmed_cells: 0,
            run_events: 0,
            run_decisions: 0,
            events: 0,
            decisions: 0,
        })
    }

    /// A follower that stands where `driver` stands, with every decision confirmed.
    pub fn resumed(driver: Driver<M>, progress: Progress) -> Self {
        let Progress { cause, run_events, run_decisions, events, decisions } = progress;
        Self { driver, cause, confirmed_cells: 0, run_events, run_decisions, events, decisions }
    }

    /// How far it is; `None` while the journal has not confirmed every decision of the last event, which the driver's
    /// snapshot would not hold.
    pub fn progress(&self) -> Option<Progress> {
        let Self { cause, run_events, run_decisions, events, decisions, .. } = *self;
        let settled = self.confirmed_cells == self.driver.outbox().cells().len();
        settled.then_some(Progress { cause, run_events, run_decisions, events, decisions })
    }

    /// Takes the journal's word for `record`, on which [`Self::follow`] has just shown a divergence: the journal's
    /// decisions count for nothing, the machine's are dropped, and a timer that it did not ask for is passed over.
    ///
    /// # Errors
    /// The divergence, where nothing can be made of the record: its stamp goes back, or it is unknown.
    pub fn concede(&mut self, record: RecordRef<'_>, found: Box<Divergence>) -> Result<(), Box<Divergence>> {
        self.confirmed_cells = self.driver.outbox().cells().len();
        match *found {
            // The event itself was not taken yet.
            Divergence::Missing { .. } => match self.follow(record) {
                Err(again) if !matches!(*again, Divergence::Missing { .. }) => self.concede(record, again),
                other => other,
            },
            Divergence::Clock { .. } | Divergence::Unknown { .. } | Divergence::Snapshot { .. } => Err(found),
            Divergence::Decision { .. }
            | Divergence::Timer { .. }
            | Divergence::Cause { .. }
            | Divergence::StateHash { .. }
            | Divergence::Counts { .. } => Ok(()),
        }
    }

    /// Follows one record.
    ///
    /// # Errors
    /// The divergence that it shows.
    #[inline]
    pub fn follow(&mut self, record: RecordRef<'_>) -> Result<(), Box<Divergence>> {
        self.follow_with(record, &mut NoProbe)
    }

    /// As [`Self::follow`], with the machine's reasons going to `probe`.
    ///
    /// # Errors
    /// The divergence that it shows.
    #[inline]
    pub fn follow_with<P: Probe>(
        &mut self,
        record: RecordRef<'_>,
        probe: &mut P,
    ) -> Result<(), Box<Divergence>> {
        let header = record.header();
        match Kind::from_u16(header.kind).map(|kind| kind.schema().class) {
            Some(Class::Event) => self.event(record, probe),
            Some(Class::Decision) => self.decision(record),
            Some(Class::System) => self.system(record),
            None => Err(unknown(record)),
        }
    }

    fn event<P: Probe>(&mut self, record: RecordRef<'_>, probe: &mut P) -> Result<(), Box<Divergence>> {
        let header = record.header();
        if let Some(machine) = self.pending().next() {
            let machine = Box::new(Owned::of(machine));
            return Err(Box::new(Divergence::Missing { seq: header.seq, cause: self.cause.0, machine }));
        }
        let event = EventRef::of(&record).ok_or_else(|| unknown(record))?;
        self.confirmed_cells = 0;
        self.cause = (header.seq, header.now);
        self.run_events += 1;
        self.events += 1;
        match self.driver.step(header.now, event, probe) {
            Step::Done => Ok(()),
            Step::WrongTimer { next } => {
                let journal = match event {
                    EventRef::Timer(timer) => (timer.deadline, timer.key),
                    _ => (header.now, 0),
                };
                let machine = next.map(|timer| (timer.deadline, timer.key));
                Err(Box::new(Divergence::Timer { seq: header.seq, journal, machine }))
            }
            Step::TimeWentBack { last } => {
                Err(Box::new(Divergence::Clock { seq: header.seq, last, now: header.now }))
            }
        }
    }

    fn decision(&mut self, record: RecordRef<'_>) -> Result<(), Box<Divergence>> {
        let header = record.header();
        let (cause, now) = self.cause;
        let expected = self.pending().next();
        match expected {
            Some(machine) if machine.same_content(&record) => {
                let cells = machine.cells().len();
                if header.now != now || header.cause_seq() != Some(cause) {
                    return Err(Box::new(Divergence::Cause { seq: header.seq, expected: cause }));
                }
                self.confirmed_cells += cells;
                // What a crashed run did not get to journal is no decision of the run that recovers it.
                self.run_decisions += u64::from(header.flags & flags::NOT_SENT == 0);
                self.decisions += 1;
                Ok(())
            }
            machine => Err(Box::new(Divergence::Decision {
                seq: header.seq,
                cause,
                journal: Box::new(Owned::of(record)),
                machine: machine.map(|machine| Box::new(Owned::of(machine))),
            })),
        }
    }

    fn system(&mut self, record: RecordRef<'_>) -> Result<(), Box<Divergence>> {
        let seq = record.header().seq;
        match SystemRef::of(&record).ok_or_else(|| unknown(record))? {
            SystemRef::RunStart(_) => {
                self.run_events = 0;
                self.run_decisions = 0;
                Ok(())
            }
            SystemRef::ConfigChunk(_)
            | SystemRef::Recovered(_)
            | SystemRef::DivergenceAccepted(_)
            | SystemRef::Repaired(_)
            | SystemRef::ClockAhead(_) => Ok(()),
            SystemRef::RunEnd(end) => {
                if let Some(machine) = self.pending().next() {
                    let machine = Box::new(Owned::of(machine));
                    return Err(Box::new(Divergence::Missing { seq, cause: self.cause.0, machine }));
                }
                let hash = self
                    .driver
                    .state_hash()
                    .map_err(|error| Box::new(Divergence::Snapshot { seq, message: error.to_string() }))?;
                if hash != end.state_hash {
                    return Err(Box::new(Divergence::StateHash { seq }));
                }
                if (end.events, end.decisions) != (self.run_events, self.run_decisions) {
                    return Err(Box::new(Divergence::Counts { seq }));
                }
                Ok(())
            }
        }
    }

    /// The machine's decisions on the last event that the journal has not confirmed yet.
    pub fn pending(&self) -> impl Iterator<Item = RecordRef<'_>> {
        let cells = self.driver.outbox().cells().get(self.confirmed_cells..).unwrap_or(&[]);
        pricewright_core::kernel::record::records_in(cells)
    }

    /// Sequence and stamp of the last event.
    pub fn cause(&self) -> (u64, Nanos) {
        self.cause
    }

    /// Events followed and decisions that agreed.
    pub fn counts(&self) -> (u64, u64) {
        (self.events, self.decisions)
    }

    /// The driver.
    pub fn driver(&self) -> &Driver<M> {
        &self.driver
    }

    /// The driver, to run on with.
    pub fn into_driver(self) -> Driver<M> {
        self.driver
    }
}

fn unknown(record: RecordRef<'_>) -> Box<Divergence> {
    let header = record.header();
    Box::new(Divergence::Unknown { seq: header.seq, kind: header.kind, version: header.version })
}
