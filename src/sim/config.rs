//! What a simulated exchange is made of, and what is wrong with it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use pricewright_core::kernel::{TimeZone, Venue};
use pricewright_feeds::nasdaq::Symbol;

use super::SimError;
use super::faults::FaultRates;
use super::replay::Speed;

/// The highest rate of background messages: what one thread carries without falling behind.
pub const MAX_RATE: u32 = 200_000;
/// The most symbols.
pub const MAX_SYMBOLS: usize = 1000;

/// Where snapshots are given unless said otherwise.
pub const GLIMPSE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 31_006);

/// What a simulated exchange is made of. Port 0 in an address takes a free port.
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// Replay this ITCH 5.0 file as the market.
    pub itch: Option<PathBuf>,
    /// How fast.
    pub speed: Speed,
    /// Write the session's ITCH messages to this file.
    pub write_itch: Option<PathBuf>,
    /// Seed of the flow and of the faults.
    pub seed: u64,
    /// Stop after so many seconds; 0: when told to.
    pub seconds: u64,
    /// Background messages per second, on average.
    pub rate: u32,
    /// Symbols of the generated market.
    pub symbols: Vec<String>,
    /// Multicast groups or unicast addresses of the lines, A first.
    pub lines: Vec<SocketAddr>,
    /// The own address of the interface that multicast leaves by.
    pub interface: Ipv4Addr,
    /// Where re-requests are answered.
    pub rerequest: SocketAddr,
    /// Where OUCH over SoupBinTCP is spoken.
    pub ouch: SocketAddr,
    /// Where the drop copy is read over SoupBinTCP; nowhere where it is not said.
    pub drop_copy: Option<SocketAddr>,
    /// Where snapshots are given: GLIMPSE over SoupBinTCP. `None`: [`GLIMPSE`], or a free port where that is taken.
    pub glimpse: Option<SocketAddr>,
    /// Loss on each line, as a fraction.
    pub loss: f64,
    /// Repeated packets on each line, as a fraction.
    pub duplicate: f64,
    /// Reordered packets on each line, as a fraction.
    pub reorder: f64,
    /// Loss on the re-request path, as a fraction of requests and of answers.
    pub rerequest_loss: f64,
    /// Whose day it is: stamps count from its midnight.
    pub time_zone: TimeZone,
    /// The core that the thread is pinned to.
    pub core: Option<usize>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            itch: None,
            speed: Speed::Recorded(1.0),
            write_itch: None,
            seed: 1,
            seconds: 0,
            rate: 20_000,
            symbols: vec!["DEMO".to_owned()],
            lines: vec![group(1, 31_001), group(2, 31_002)],
            interface: Ipv4Addr::LOCALHOST,
            rerequest: loopback(31_003),
            ouch: loopback(31_004),
            drop_copy: None,
            glimpse: None,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            rerequest_loss: 0.0,
            time_zone: Venue::default().time_zone,
            core: None,
        }
    }
}

impl SimConfig {
    /// On this machine alone, on free ports: two multicast groups, or two loopback addresses where there is no multicast.
    pub fn embedded(multicast: bool) -> Self {
        let lines = if multicast { vec![group(1, 0), group(2, 0)] } else { vec![loopback(0), loopback(0)] };
        Self {
            lines,
            rerequest: loopback(0),
            ouch: loopback(0),
            glimpse: Some(loopback(0)),
            ..Self::default()
        }
    }

    /// Checks everything that can be checked without opening a socket or file.
    ///
    /// # Errors
    /// The first flag that cannot be used, and the mend.
    pub fn check(&self) -> Result<(), SimError> {
        if self.rate > MAX_RATE {
            return Err(flag(
                "rate",
                format!("{} messages a second; at most {MAX_RATE} are possible", self.rate),
            ));
        }
        self.parse_symbols()?;
        self.line_addresses()?;
        for (name, fraction) in [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("rerequest-loss", self.rerequest_loss),
        ] {
            if !(0.0..1.0).contains(&fraction) {
                let percent = fraction * 100.0;
                return Err(flag(name, format!("{percent} percent; it must be at least 0 and below 100")));
            }
        }
        if let Speed::Recorded(factor) = self.speed
            && !(factor > 0.0 && factor.is_finite())
        {
            return Err(flag("speed", format!("{factor}; it must be a positive number")));
        }
        let glimpse = self.glimpse.unwrap_or(GLIMPSE);
        for (name, address) in [("ouch", self.ouch), ("glimpse", glimpse)] {
            if address.ip().is_multicast() {
                return Err(flag(name, format!("{address} is a multicast group; TCP needs an own address")));
            }
        }
        if let Some(address) = self.drop_copy.filter(|address| address.ip().is_multicast()) {
            return Err(flag(
                "drop-copy",
                format!("{address} is a multicast group; TCP needs an own address"),
            ));
        }
        self.rerequest_address().map(|_| ())
    }

    /// The lines' faults.
    pub fn faults(&self) -> FaultRates {
        FaultRates { loss: self.loss, duplicate: self.duplicate, reorder: self.reorder }
    }

    /// The symbols as the protocols write them.
    ///
    /// # Errors
    /// Where one does not fit, or is there twice.
    pub fn parse_symbols(&self) -> Result<Vec<Symbol>, SimError> {
        if self.itch.is_none() && !(1..=MAX_SYMBOLS).contains(&self.symbols.len()) {
            let count = self.symbols.len();
            return Err(flag("symbols", format!("{count} symbols; 1 to {MAX_SYMBOLS} are possible")));
        }
        let mut seen = BTreeSet::new();
        let parse = |text: &String| {
            let symbol = Symbol::new(text).filter(|symbol| !symbol.is_blank() && !text.starts_with(' '));
            let symbol = symbol.ok_or_else(|| {
                flag("symbols", format!("{text:?} is not a symbol of 1 to 8 ASCII letters"))
            })?;
            if seen.insert(symbol) {
                Ok(symbol)
            } else {
                Err(flag("symbols", format!("{text} is there twice; remove one")))
            }
        };
        self.symbols.iter().map(parse).collect()
    }

    /// The lines' addresses.
    ///
    /// # Errors
    /// Where there is none, or one is not IPv4.
    pub fn line_addresses(&self) -> Result<Vec<SocketAddrV4>, SimError> {
        if self.lines.is_empty() {
            return Err(flag("lines", "no line; give at least one group or address".to_owned()));
        }
        self.lines.iter().map(|line| ipv4("lines", *line)).collect()
    }

    /// The re-request server's address.
    ///
    /// # Errors
    /// Where it is not an own IPv4 address.
    pub fn rerequest_address(&self) -> Result<SocketAddrV4, SimError> {
        let address = ipv4("rerequest", self.rerequest)?;
        if address.ip().is_multicast() {
            let message = format!("{address} is a multicast group; re-requests need an own address");
            return Err(flag("rerequest", message));
        }
        Ok(address)
    }
}

fn ipv4(name: &'static str, address: SocketAddr) -> Result<SocketAddrV4, SimError> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => Err(flag(name, format!("{address} is IPv6; give an IPv4 address"))),
    }
}

fn flag(flag: &'static str, message: String) -> SimError {
    SimError::Flag { flag, message }
}

/// A group of the range that belongs to an organisation itself (RFC 2365).
fn group(line: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 192, 7, line)), port)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests;
