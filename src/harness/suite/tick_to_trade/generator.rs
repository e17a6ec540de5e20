//! The generator: a process of its own that is the venue. It sends market data by UDP and takes orders by TCP, on one
//! pinned thread that spins while it measures and waits for its parent otherwise.

use std::collections::VecDeque;
use std::hint::spin_loop;
use std::io::{BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use core_affinity::CoreId;
use hdrhistogram::Histogram;
use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::soupbintcp::{Password, ServerConfig};
use pricewright_feeds::nasdaq::{Alpha, SessionId};

use super::echo::ORDER_LEN;
use super::market::{Market, own_bid_e4};
use super::protocol::{Answer, Command, Listening, Measured};
use crate::error::{Error, Result};
use crate::harness::figure::{PER_NS, new_histogram};
use crate::harness::in_memory::{Heard, Venue};
use crate::harness::loopback::accept;
use crate::harness::timing::{Pace, Stopwatch};
use crate::io::tcp::{Received, TcpAcceptor, TcpConnection};
use crate::io::udp::{LOCAL_TTL, UdpSender};

const DAY: i64 = 86_400_000_000_000;
/// Bytes received at once.
const BUFFER: usize = 64 << 10;
/// How long the desk may take for its first quotes, and for each packet sent by itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of a phase's packets, one in so many at the beginning warms up.
const WARM_UP_PART: u64 = 10;
/// How long after the last packet its order is waited for.
const GRACE_NS: u64 = 50_000_000;
/// Bytes that come back for an echoed order: what the venue answers to two replaced orders.
const ANSWER: [u8; 150] = [0x3c; 150];

fn failed(doing: &str, error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("generator, {doing}: {error}"))
}

/// Runs the generator on `core` until standard input ends.
///
/// # Errors
/// Where it cannot listen, or its parent says something that it does not understand.
pub fn serve(core: usize) -> Result<()> {
    core_affinity::set_for_current(CoreId { id: core });
    let bind = || TcpAcceptor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let (venue, echo) = (bind()?, bind()?);
    say(&Listening { venue: venue.local_addr(), echo: echo.local_addr() })?;
    let mut open: Option<Generator> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| failed("listen", error))?;
        let command: Command = serde_json::from_str(&line).map_err(|error| failed("understand", error))?;
        let answer = match (command, &mut open) {
            (Command::Serve, Some(generator)) => return generator.serve(),
            (Command::Open { line, echo: to }, none) => {
                Generator::open(&venue, &echo, line, to).map(|generator| {
                    *none = Some(generator);
                    Answer::Opened
                })
            }
            (Command::OneByOne { count }, Some(generator)) => generator.one_by_one(count).map(Answer::Prices),
            (Command::Measure { echo, rate, count }, Some(generator)) => {
                generator.measure(echo, rate, count).map(Answer::Measured)
            }
            (_, None) => Err(failed("understand", "nothing is open yet")),
        };
        say(&answer.unwrap_or_else(|error| Answer::Failed(error.to_string())))?;
    }
    Ok(())
}

fn say(what: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(what).map_err(|error| failed("say", error))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| failed("say", error))
}

fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Both sides' connections, and the market.
struct Generator {
    watch: Stopwatch,
    market: Market,
    engine: Side,
    echo: Side,
    venue: Venue,
    buffer: Box<[u8]>,
    /// Bytes of the echo that are no whole order yet.
    partial: Vec<u8>,
    /// The echo is sent packets of the same kind, from a market of its own that nobody trades on.
    echo_market: Market,
}

/// One line out and one connection in.
struct Side {
    line: UdpSender,
    orders: TcpConnection,
}

/// A packet on its way.
#[derive(Clone, Copy)]
struct Waiting {
    /// The desk's bid that answers it; the sequence that an echo gives back.
    key: u64,
    intended: u64,
    actual: u64,
    /// False for the first packets of a phase, which warm up.
    counted: bool,
}

/// What is on its way, and what came back.
struct Ledger {
    waiting: VecDeque<Waiting>,
    intended: Histogram<u64>,
    actual: Histogram<u64>,
    overtaken: u64,
}

impl Ledger {
    fn new() -> Result<Self> {
        let waiting = VecDeque::with_capacity(1 << 16);
        Ok(Self { waiting, intended: new_histogram()?, actual: new_histogram()?, overtaken: 0 })
    }

    /// The order for packet `key` came at `at`. What packets before it had to say, for which none came, is in this order,
    /// too: they were overtaken, and have waited until now. An order that no packet on its way explains is ignored.
    #[inline]
    fn came(&mut self, key: u64, at: u64) {
        let Some(place) = self.waiting.iter().position(|packet| packet.key == key) else { return };
        self.overtaken += place as u64;
        for packet in self.waiting.drain(..=place).filter(|packet| packet.counted) {
            self.intended.saturating_record(at.saturating_sub(packet.intended).saturating_mul(PER_NS));
            self.actual.saturating_record(at.saturating_sub(packet.actual).saturating_mul(PER_NS));
        }
    }
}

impl Generator {
    fn open(
        venue: &TcpAcceptor,
        echo: &TcpAcceptor,
        line: SocketAddrV4,
        echo_line: SocketAddrV4,
    ) -> Result<Self> {
        let sender = |to| UdpSender::open(to, Ipv4Addr::LOCALHOST, LOCAL_TTL);
        let start = now();
        let midnight = Nanos(start.0 - start.0.rem_euclid(DAY));
        let user = Alpha::new("DESK1").unwrap_or_default();
        let session = SessionId::new("BENCH").unwrap_or_default();
        let config = ServerConfig { username: user, password: Password(Alpha::BLANK), session };
        let mut generator = Self {
            watch: Stopwatch::new(),
            market: Market::new((start - midnight).0.unsigned_abs()),
            engine: Side { line: sender(line)?, orders: accept(venue)? },
            echo: Side { line: sender(echo_line)?, orders: accept(echo)? },
            venue: Venue::without_executions(config, midnight, start),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            partial: Vec::with_capacity(BUFFER),
            echo_market: Market::new(0),
        };
        generator.first_quotes()?;
        Ok(generator)
    }

    /// Answers the login, opens the market, and waits until the desk quotes on both sides.
    fn first_quotes(&mut self) -> Result<()> {
        let opening = self.market.open()?;
        let (start, mut sent, mut last) = (Instant::now(), false, Instant::now());
        let mut sides = [false; 2];
        while sides != [true; 2] {
            for order in self.hear()? {
                sides[usize::from(order.buy)] = true;
            }
            if !sent && start.elapsed() > PATIENCE / 100 {
                self.send(&opening)?;
                sent = true;
            }
            if sent && last.elapsed() > PATIENCE / 100 {
                last = Instant::now();
                self.send(&self.market.heartbeat())?;
            }
            if start.elapsed() > PATIENCE {
                return Err(failed("open", "the desk did not quote within ten seconds"));
            }
            spin_loop();
        }
        Ok(())
    }

    fn send(&self, packet: &[u8]) -> Result<()> {
        self.engine.line.send(packet).map_err(|error| failed("send", error))
    }

    /// Takes orders and answers them.
    fn hear(&mut self) -> Result<Vec<Heard>> {
        let at = now();
        match self.engine.orders.recv(&mut self.buffer).map_err(|error| failed("orders", error))? {
            Received::Bytes(count) => {
                let bytes = self.buffer.get(..count).unwrap_or(&[]);
                self.venue.receive(bytes, at).map_err(|error| failed("orders", error))?;
            }
            Received::Nothing => {
                self.venue.receive(&[], at).map_err(|error| failed("orders", error))?;
            }
            Received::End => return Err(failed("orders", "the desk has closed its session")),
        }
        let heard = self.venue.heard().to_vec();
        self.venue.forget();
        self.answer()?;
        Ok(heard)
    }

    /// Sends what the venue has to say.
    #[inline]
    fn answer(&mut self) -> Result<()> {
        let output = self.venue.output();
        let count = output.len();
        if count > 0 {
            self.engine.orders.send(output).map_err(|error| failed("answer", error))?;
            self.venue.consume(count);
        }
        Ok(())
    }

    /// One packet, its two orders, and the next. Gives the bids.
    fn one_by_one(&mut self, count: u64) -> Result<Vec<u64>> {
        let mut bids = Vec::new();
        for _ in 0..count {
            let (number, packet) = self.market.next_packet()?;
            self.send(&packet)?;
            let (start, mut heard) = (Instant::now(), Vec::new());
            while heard.len() < 2 {
                heard.extend(self.hear()?);
                if start.elapsed() > PATIENCE {
                    return Err(failed(
                        "check",
                        format!("{} of 2 orders came for packet {number}", heard.len()),
                    ));
                }
                spin_loop();
            }
            bids.extend(heard.iter().filter(|order| order.buy).map(|order| order.price));
        }
        Ok(bids)
    }

    /// Sends `count` packets at a pace, whatever comes back, and holds what comes back against them.
    fn measure(&mut self, echo: bool, rate: u64, count: u64) -> Result<Measured> {
        let packets = self.packets(echo, count)?;
        let mut ledger = Ledger::new()?;
        let mut pace = Pace::new(self.watch, rate);
        let warm_up = count / WARM_UP_PART;
        let mut end_ns = u64::MAX;
        let mut next = packets.iter();
        let mut coming = next.next();
        loop {
            let at = pace.now_ns();
            if let Some((key, packet)) = coming
                && at >= pace.next_ns()
            {
                let intended = pace.begin();
                let actual = pace.now_ns();
                let side = if echo { &self.echo } else { &self.engine };
                side.line.send(packet).map_err(|error| failed("send", error))?;
                let counted = pace.sent() > warm_up;
                ledger.waiting.push_back(Waiting { key: *key, intended, actual, counted });
                coming = next.next();
                if coming.is_none() {
                    end_ns = pace.now_ns();
                }
            }
            if echo {
                self.hear_echo(&pace, &mut ledger)?
            } else {
                self.hear_orders(&pace, &mut ledger)?
            }
            let done = coming.is_none() && ledger.waiting.is_empty();
            if done || at > end_ns.saturating_add(GRACE_NS) {
                break;
            }
        }
        Ok(Measured {
            sent: pace.sent(),
            took_ns: end_ns.max(pace.next_ns()),
            overtaken: ledger.overtaken,
            lost: ledger.waiting.len() as u64,
            intended: pairs(&ledger.intended),
            actual: pairs(&ledger.actual),
        })
    }

    /// All packets of a phase with their keys, made before the first is sent.
    fn packets(&mut self, echo: bool, count: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        if !echo {
            let keyed = |(number, packet)| (own_bid_e4(number), packet);
            return (0..count).map(|_| self.market.next_packet().map(keyed)).collect();
        }
        let keyed = |(_, packet): (u64, Vec<u8>)| {
            let sequence = packet.get(10..18).and_then(|bytes| bytes.try_into().ok());
            (sequence.map_or(0, u64::from_be_bytes), packet)
        };
        (0..count).map(|_| self.echo_market.next_packet().map(keyed)).collect()
    }

    #[inline]
    fn hear_orders(&mut self, pace: &Pace, ledger: &mut Ledger) -> Result<()> {
        let received = self.engine.orders.recv(&mut self.buffer).map_err(|error| failed("orders", error))?;
        let at = pace.now_ns();
        let bytes = match received {
            Received::Bytes(count) => self.buffer.get(..count).unwrap_or(&[]),
            Received::Nothing => return Ok(()),
            Received::End => return Err(failed("orders", "the desk has closed its session")),
        };
        self.venue.receive(bytes, now()).map_err(|error| failed("orders", error))?;
        for order in self.venue.heard().iter().filter(|order| order.buy) {
            ledger.came(order.price, at);
        }
        self.venue.forget();
        self.answer()
    }

    #[inline]
    fn hear_echo(&mut self, pace: &Pace, ledger: &mut Ledger) -> Result<()> {
        let received = self.echo.orders.recv(&mut self.buffer).map_err(|error| failed("echo", error))?;
        let at = pace.now_ns();
        match received {
            Received::Bytes(count) => {
                self.partial.extend_from_slice(self.buffer.get(..count).unwrap_or(&[]));
            }
            Received::Nothing => return Ok(()),
            Received::End => return Err(failed("echo", "the echo has closed its connection")),
        }
        let mut orders = self.partial.chunks_exact(ORDER_LEN);
        for order in &mut orders {
            let sequence = order.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            ledger.came(sequence, at);
            self.echo.orders.send(&ANSWER).map_err(|error| failed("answer", error))?;
        }
        let rest = orders.remainder().len();
        self.partial.drain(..self.partial.len() - rest);
        Ok(())
    }

    /// Answers until the desk has closed its session.
    fn serve(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.engine.orders.recv(&mut self.buffer) {
                // A connection that breaks while it is closed is closed.
                Ok(Received::End) | Err(_) => return Ok(()),
                Ok(Received::Bytes(count)) => {
                    let bytes = self.buffer.get(..count).unwrap_or(&[]);
                    self.venue.receive(bytes, now()).map_err(|error| failed("orders", error))?;
                    self.venue.forget();
                    self.answer()?;
                }
                Ok(Received::Nothing) => std::thread::yield_now(),
            }
            if start.elapsed() > PATIENCE {
                return Err(failed("end", "the desk did not close its session within ten seconds"));
            }
        }
    }
}

fn pairs(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}

#[cfg(test)]
mod tests;
