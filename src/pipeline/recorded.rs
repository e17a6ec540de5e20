//! A pipeline that runs from a recording of received packets, under a manual clock.
//!
//! The same bytes go through the same decoders, rings, sequencer, machine and order session as in a live run; what the
//! order session would send goes nowhere, since the recording holds the venue's answers already. Time is the packets' own:
//! an event's `now` is the receive stamp of the packet that brought it. The order of events is the manual clock's:
//!
//! > by time; at one time the venue's answers, then market data, then timers; then by line, then as recorded.
//!
//! A timer whose deadline lies before the next event fires first, stamped with its deadline. So the journal depends on
//! the recording, the configuration and the build, and on nothing else: not on threads, and not on how fast they are.
//!
//! Two stages: [`reader::ReaderStage`] in front of two rings, [`merge::MergeStage`] behind them. [`Topology::Fused`] lays
//! both on one thread, [`Topology::Pipelined`] each on its own.

mod gateway;
mod merge;
mod reader;
mod recording;

use std::path::Path;

use crossbeam::channel::bounded;
use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{Machine, Nanos, OperatorCommand};

use self::gateway::RecordedGateway;
use self::merge::MergeStage;
use self::reader::ReaderStage;
use super::core_loop::CoreLoop;
use super::helper::{HelperParts, HelperStage};
use super::idle::Idle;
use super::open::{Begun, OpenJournal};
use super::operator::Asked;
use super::resume::Resume;
use super::run_control::RunControl;
use super::sequencer::Sequencer;
use super::stage::Stage;
use super::threads::{self, DEFAULT_BUDGET, ThreadSpec};
use crate::clock::ManualClock;
use crate::config::{PipelineConfig, Topology};
use crate::edges::assemble::session_day;
use crate::edges::nasdaq::market_data;
use crate::edges::ouch::order_entry;
use crate::error::{Error, Result};
use crate::ring::ring;

pub use recording::Recording;

/// Runs `recording` through the pipeline of `config` on threads as `topology` says, and journals it in `dir`, which must
/// not hold a journal yet. The configuration is journalled as it is, so that two runs that differ in directory or threads
/// give equal records.
///
/// # Errors
/// Where the configuration has no Nasdaq feed and session, the journal cannot be made, or a stage fails.
pub fn run<M: Machine + Send + 'static>(
    config: &PipelineConfig<M::Config>,
    recording: Recording,
    dir: &Path,
    topology: Topology,
) -> Result<()> {
    let threads = layout(topology)?;
    let control = RunControl::default();
    let (reader, merge, helper) = stages::<M>(config, recording, dir, &control)?;
    let specs = threads(Box::new(reader), Box::new(merge), Box::new(helper));
    let running =
        threads::start(specs, control.threads()).map_err(|error| Error::Failed(error.to_string()))?;
    match running.join().failure {
        Some(failure) => Err(Error::Failed(failure.to_string())),
        None => Ok(()),
    }
}

type Boxed = Box<dyn Stage>;
type Layout = fn(Boxed, Boxed, Boxed) -> Vec<ThreadSpec>;

fn layout(topology: Topology) -> Result<Layout> {
    match topology {
        Topology::Auto | Topology::Fused => Ok(|reader, merge, helper| {
            vec![thread("recorded", vec![reader, merge]), thread("helper", vec![helper])]
        }),
        Topology::Pipelined => Ok(|reader, merge, helper| {
            vec![
                thread("reader", vec![reader]),
                thread("machine", vec![merge]),
                thread("helper", vec![helper]),
            ]
        }),
        Topology::Explicit => Err(Error::Usage(
            "a recording runs fused or pipelined; an explicit map of threads is for live runs".to_owned(),
        )),
    }
}

fn thread(name: &str, stages: Vec<Boxed>) -> ThreadSpec {
    // Nobody waits for a recording in nanoseconds, and its threads may be more than the cores.
    ThreadSpec { name: name.to_owned(), core: None, idle: Idle::BACKOFF, budget: DEFAULT_BUDGET, stages }
}

fn stages<M: Machine + Send + 'static>(
    config: &PipelineConfig<M::Config>,
    recording: Recording,
    dir: &Path,
    control: &RunControl,
) -> Result<(ReaderStage, MergeStage<M>, HelperStage)> {
    let (Some(feed), Some(session)) = (&config.feed.nasdaq, &config.gateway.ouch) else {
        return Err(Error::Usage(
            "a recording of packets needs a configuration with [feed.nasdaq] and [gateway.ouch]".to_owned(),
        ));
    };
    let begin = recording.first_stamp();
    let journal = OpenJournal::open::<M>(dir, config, false)?;
    if journal.last_now().is_some() {
        return Err(Error::Usage(format!(
            "{}: there is a journal already; a recording needs a directory of its own (--journal DIR)",
            dir.display()
        )));
    }
    let Begun { driver, writer, preallocator, chainer, .. } = journal.begin::<M>(dir, config, begin)?;
    let units = M::units(&config.config);
    let day = session_day(&feed.day_start, &config.venue)?;
    let market = market_data(feed, &units, &Resume::default(), day.clone())?;
    // Nobody is logged in to, so that no password is needed.
    let session = crate::config::OuchGateway { password_env: String::new(), ..session.clone() };
    let entry = order_entry(&session, &units, &Resume::default(), day)?;

    let (data_in, data) = ring(config.runtime.ring_cells);
    let (venue_in, venue) = ring(config.runtime.ring_cells);
    let clock = ManualClock::new(begin);
    let sequencer = Sequencer::new(driver, writer, None);
    let core = CoreLoop::new(sequencer, RecordedGateway::new(entry), clock.clone(), started());
    let reader = ReaderStage::new(recording, market, data_in, venue_in);
    let merge = MergeStage::new(data, venue, reader.watermark(), core, clock, control.clone());
    let parts = HelperParts {
        preallocator,
        chainer,
        clock: None,
        trace: None,
        tail: None,
        tailers: Vec::new(),
        replica: None,
    };
    let (helper, _report) = HelperStage::new(parts, control.clone());
    Ok((reader, merge, helper))
}

/// The operator's commands of a run from a recording: to start.
fn started() -> crossbeam::channel::Receiver<Asked> {
    let (commands, received) = bounded(1);
    let start = Operator::says("pricewright", OperatorCommand::START, 0);
    // The channel has room for one, and its other end is in the hand.
    let _taken = commands.send(start.into());
    received
}

/// Which of the two sources; the earlier one goes first at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// The order session.
    Venue,
    /// The lines.
    Data,
}

/// A point in the manual clock's order: time, then source. In one word, so that it can be published with one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(i64);

impl Moment {
    /// Behind everything.
    const END: Self = Self(i64::MAX);
    /// The latest stamp that a moment can hold, in the year 2116.
    const LATEST: Nanos = Nanos(i64::MAX / 2 - 1);

    /// `stamp` lies between 0 and [`Self::LATEST`]: the recording was checked.
    const fn new(stamp: Nanos, source: Source) -> Self {
        Self(stamp.0 * 2 + source as i64)
    }
}
