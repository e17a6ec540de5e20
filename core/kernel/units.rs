//! Newtypes for what crosses a function boundary. Money and quantity are integers; arithmetic on them is checked in
//! release builds too (`overflow-checks = true`).

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident($inner:ty), $unit:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, FromBytes,
            IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(transparent)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The unit as the schema catalogue names it.
            pub const UNIT: &'static str = $unit;
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

macro_rules! linear {
    ($name:ident) => {
        impl core::ops::Add for $name {
            type Output = Self;
            fn add(self, rhs: Self) -> Self {
                Self(self.0 + rhs.0)
            }
        }
        impl core::ops::Sub for $name {
            type Output = Self;
            fn sub(self, rhs: Self) -> Self {
                Self(self.0 - rhs.0)
            }
        }
        impl core::ops::Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl core::ops::AddAssign for $name {
            fn add_assign(&mut self, rhs: Self) {
                self.0 += rhs.0;
            }
        }
        impl core::ops::SubAssign for $name {
            fn sub_assign(&mut self, rhs: Self) {
                self.0 -= rhs.0;
            }
        }
    };
}

unit!(
    /// The sequencer's stamp: nanoseconds since the Unix epoch. Never decreases within a journal.
    Nanos(i64), "ns.sequencer"
);
unit!(
    /// The source's own stamp: nanoseconds since the Unix epoch by the source's clock. May be late or out of order.
    EventNanos(i64), "ns.source"
);
unit!(
    /// A price as a whole number of the instrument's tick size.
    Ticks(i64), "ticks"
);
unit!(
    /// A quantity as a whole number of the instrument's lot size. Signed where it is a position.
    Lots(i64), "lots"
);
unit!(
    /// Money in minor units of the account's currency (cents for USD).
    Minor(i64), "minor"
);
unit!(
    /// Hundredths of a percent.
    Bps(i64), "bps"
);
unit!(
    /// An instrument's index in configuration order.
    InstrumentId(u16), "instrument"
);
unit!(
    /// A source: a feed or gateway in configuration order; for decisions, the strategy.
    SourceId(u16), "source"
);

linear!(Nanos);
linear!(EventNanos);
linear!(Ticks);
linear!(Lots);
linear!(Minor);

impl InstrumentId {
    /// The index into per-instrument tables.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Nanos {
    /// The stamp before every event: what a machine's clock shows before its first event.
    pub const ZERO: Self = Self(0);

    /// Milliseconds as nanoseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms * 1_000_000)
    }

    /// Seconds as nanoseconds.
    pub const fn from_secs(s: i64) -> Self {
        Self(s * 1_000_000_000)
    }

    /// The duration in seconds, for models.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Buy or sell. One byte on disk: `1` buy, `2` sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Side {
    /// Buy, bid.
    Buy = 1,
    /// Sell, ask, offer.
    Sell = 2,
}

impl Side {
    /// The other side.
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `+1` for buy, `-1` for sell.
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }

    /// From its byte on disk; `None` for anything but 1 and 2.
    pub fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Buy),
            2 => Some(Self::Sell),
            _ => None,
        }
    }

    /// Its byte on disk.
    pub fn as_u8(self) -> u8 {
        self as u8
    }
}
