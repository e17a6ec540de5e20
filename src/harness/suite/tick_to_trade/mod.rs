//! Tick to trade on real sockets, two processes, one spinning thread each.
//!
//! ```text
//!  generator (a process of its own)                      engine (this process, one pinned thread)
//!    UDP: one ITCH packet every interval ───────────────►  feed ─► sequencer ─► journal ─► desk ─► gateway
//!    TCP: the order that it causes      ◄───────────────────────────────────────────────────────────┘
//!         its answer                    ───────────────►
//! ```
//!
//! The generator's packets are made before anything is timed; each moves the market by a cent or two, so that the desk moves its
//! quotes. The generator keeps its pace whatever happens (open loop) and holds each order against the time at which its
//! packet was meant to leave, and beside it against the time at which it did leave.
//!
//! The floor is the same with nothing decided: the same thread of this process receives the same packets through a socket
//! of the same kind and sends as many bytes over a connection of the same kind. Echo and engine take turns of at most five
//! seconds, so that what the machine does to one it does to the other. These are software stamps on both ends: nothing here
//! is a wire stamp.

mod echo;
mod engine;
mod generator;
mod market;
mod peer;
mod protocol;

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::error::{Error, Result};
use crate::harness::figure::{Goal, Samples, Spec, new_histogram};
use crate::harness::lab::Lab;
use crate::harness::runner::{Bench, Checked};
use engine::{Engine, Mode};
use peer::Peer;
use protocol::{Answer, Command, Measured};

pub use generator::serve;

const ECHO: &str = "bare UDP to TCP echo, from the intended time";
const ECHO_ACTUAL: &str = "bare UDP to TCP echo, from the actual send";
const TRADE: &str = "tick to trade, from the intended time";
const TRADE_ACTUAL: &str = "tick to trade, from the actual send";

/// Packets a second where nothing else is asked for, and in smoke mode.
const RATE: u64 = 10_000;
const SMOKE_RATE: u64 = 500;
/// Length of each half of a pair.
const LENGTH: Duration = Duration::from_secs(2);
/// The longest turn. The echo has two in a row at times, and the venue's session, which nobody polls meanwhile, ends where it
/// was silent for 15 s (SoupBinTCP).
const TURN: Duration = Duration::from_secs(5);
/// Packets of the check.
const CHECKED: u64 = 500;
/// Of so many packets, one may be without any order behind it.
const LOST_PART: u64 = 100;

/// The bench.
#[derive(Default)]
pub struct TickToTrade {
    session: Option<Session>,
    /// Pairs of turns so far.
    turns: u32,
    sent: u64,
    overtaken: u64,
    facts: Vec<String>,
}

/// The two processes with what connects them.
struct Session {
    engine: Engine,
    peer: Peer,
    dir: std::path::PathBuf,
}

impl Bench for TickToTrade {
    fn name(&self) -> &'static str {
        "tick-to-trade"
    }

    fn question(&self) -> &'static str {
        "How long from a datagram's departure to its order's arrival, over loopback, journal written?"
    }

    fn figures(&self) -> Vec<Spec> {
        vec![
            Spec::each(ECHO),
            Spec::each(ECHO_ACTUAL),
            Spec::each(TRADE).over(ECHO).goal(Goal::Ratio(1.25)),
            Spec::each(TRADE_ACTUAL).over(ECHO_ACTUAL),
        ]
    }

    fn needs_two_cores(&self) -> bool {
        true
    }

    /// One packet at a time: every one must cause its two orders, at the right prices, and the journal must replay.
    fn check(&mut self, lab: &Lab) -> Result<Checked> {
        lab.two_cores()?;
        let mut session = Session::open(lab)?;
        let prices = session.one_by_one(CHECKED)?;
        let expected: Vec<u64> = (1..=CHECKED).map(market::own_bid_e4).collect();
        if prices != expected {
            return Err(Error::Failed(
                "the desk's orders are not those expected; please report this".to_owned(),
            ));
        }
        let told = session.close(lab)?;
        let mut hasher = blake3::Hasher::new();
        for price in &prices {
            hasher.update(&price.to_le_bytes());
        }
        Ok(Checked {
            result: hasher.finalize(),
            facts: vec![format!("check: {CHECKED} packets, each with its orders; {told}")],
        })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let session = match &mut self.session {
            Some(session) => session,
            empty => empty.insert(Session::open(lab)?),
        };
        let rate = lab.rate(if lab.asked().smoke { SMOKE_RATE } else { RATE });
        let length = lab.time(LENGTH);
        let turns = length.as_nanos().div_ceil(TURN.as_nanos()).max(1) as u32;
        let count = (((length / turns).as_secs_f64() * rate as f64) as u64).max(20);
        for _ in 0..turns {
            // Who comes first changes from turn to turn.
            let order = [Mode::Echo, Mode::Engine];
            let order = if self.turns.is_multiple_of(2) { order } else { [order[1], order[0]] };
            self.turns += 1;
            for mode in order {
                let measured = session.phase(mode, rate, count, lab.rate_tolerance())?;
                let lost = measured.lost * LOST_PART > measured.sent && !lab.asked().smoke;
                if lost {
                    let orders = measured.sent.saturating_sub(measured.lost);
                    let followed = orders as f64 * 1e9 / measured.took_ns.max(1) as f64;
                    return Err(Error::Failed(format!(
                        "{} of {} packets had no order behind them: {rate} a second are too many for this machine; {}",
                        measured.lost,
                        measured.sent,
                        crate::harness::timing::rate_help(followed)
                    )));
                }
                let names = if mode == Mode::Echo { [ECHO, ECHO_ACTUAL] } else { [TRADE, TRADE_ACTUAL] };
                samples.add(names[0], &histogram(&measured.intended)?)?;
                samples.add(names[1], &histogram(&measured.actual)?)?;
                if mode == Mode::Engine {
                    self.sent += measured.sent;
                    self.overtaken += measured.overtaken;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, lab: &Lab) -> Result<()> {
        if let Some(session) = self.session.take() {
            self.facts.push(session.close(lab)?);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<String> {
        let mut facts = self.facts.clone();
        facts.push(format!(
            "{} packets to the desk; {} of them were overtaken and counted until the order of a later one",
            self.sent, self.overtaken
        ));
        facts
    }
}

impl Session {
    fn open(lab: &Lab) -> Result<Self> {
        let dir = lab.scratch()?;
        let mut peer = Peer::start(lab.other())?;
        let engine = Engine::start(lab, &dir, &peer.listening)?;
        engine.set(Mode::Engine);
        let addresses = engine.addresses();
        peer.ask(&Command::Open { line: addresses.line, echo: addresses.echo })?;
        Ok(Self { engine, peer, dir })
    }

    fn one_by_one(&mut self, count: u64) -> Result<Vec<u64>> {
        self.engine.set(Mode::Engine);
        let answer = self.peer.ask(&Command::OneByOne { count });
        self.engine.check()?;
        match answer? {
            Answer::Prices(prices) => Ok(prices),
            other => Err(peer::unexpected(&other)),
        }
    }

    fn phase(&mut self, mode: Mode, rate: u64, count: u64, tolerance: f64) -> Result<Measured> {
        self.engine.set(mode);
        let answer = self.peer.ask(&Command::Measure { echo: mode == Mode::Echo, rate, count });
        // Between phases the engine keeps its sessions alive at its leisure.
        self.engine.set(Mode::Idle);
        self.engine.check()?;
        let measured = match answer? {
            Answer::Measured(measured) => measured,
            other => return Err(peer::unexpected(&other)),
        };
        let what = if mode == Mode::Echo { "echo" } else { "tick to trade" };
        crate::harness::timing::require_rate(what, rate, measured.sent, measured.took_ns, tolerance)?;
        Ok(measured)
    }

    /// Ends both processes' parts and holds the journal against a replay; says what it found.
    fn close(self, lab: &Lab) -> Result<String> {
        let Self { engine, mut peer, dir } = self;
        peer.tell(&Command::Serve)?;
        let inside = engine.stop()?;
        peer.end()?;
        let replayed = engine::replayed(&dir)?;
        lab.remove(&dir)?;
        Ok(format!("{replayed}; {inside}"))
    }
}

/// From pairs of value and count.
fn histogram(pairs: &[(u64, u64)]) -> Result<Histogram<u64>> {
    let mut histogram = new_histogram()?;
    for (value, count) in pairs {
        histogram.saturating_record_n(*value, *count);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests;
