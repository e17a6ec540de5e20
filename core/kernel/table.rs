//! The record table: every kind of event and decision, declared once.
//!
//! The list at the end gives each kind its number, layout version and class; the layouts stand in a file for each origin. From
//! both come the structs, the schema catalogue, the layout checks and the borrowed enums that machines match on. A number is
//! never used again for something else; a layout never changes under the same version. Spare fields keep the layout free of
//! padding and are zero.

use super::record::{Class, Record, RecordRef};
use super::schema::RecordSchema;
use super::units::InstrumentId;

/// Declares the payloads of records: the structs, and what the catalogue says of their fields. `as NAMES` behind a type takes
/// the names of its values from [`names`](super::names).
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $ty:ty $(as $names:ident)?,)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(
                Clone,
                Copy,
                Debug,
                PartialEq,
                zerocopy::FromBytes,
                zerocopy::IntoBytes,
                zerocopy::Immutable,
                zerocopy::KnownLayout,
            )]
            #[repr(C)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $ty,)*
            }

            impl $name {
                pub(super) const FIELDS: &'static [$crate::kernel::schema::FieldSchema] = &[
                    $($crate::kernel::schema::FieldSchema {
                        name: stringify!($field),
                        offset: core::mem::offset_of!($name, $field),
                        size: size_of::<$ty>(),
                        ty: <$ty as $crate::kernel::schema::Field>::TYPE,
                        unit: <$ty as $crate::kernel::schema::Field>::UNIT,
                        codes: $crate::kernel::names::given_or(
                            <$ty as $crate::kernel::schema::Field>::CODES,
                            &[$($crate::kernel::names::$names)?],
                        ),
                    },)*
                ];
            }
        )*
    };
}

mod commerce;
mod decisions;
mod doubt;
mod input;
mod market;
mod system;
mod venue;

/// Makes records of the payloads: numbers, versions, classes, and the enums over each class.
macro_rules! record_table {
    ($($(#[$enum_doc:meta])* $class:ident as $enum:ident {
        $($kind:literal v $version:literal $origin:ident::$name:ident,)*
    })*) => {
        $($(
            pub use $origin::$name;

            impl Record for $name {
                const KIND: u16 = $kind;
                const VERSION: u8 = $version;
                const CLASS: Class = Class::$class;
                const SCHEMA: &'static RecordSchema = &RecordSchema {
                    kind: $kind,
                    version: $version,
                    name: stringify!($name),
                    class: Class::$class,
                    size: size_of::<$name>(),
                    fields: $name::FIELDS,
                };
            }
        )*)*

        /// The number of each record kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[doc = concat!("[`", stringify!($name), "`]")] $name = $kind,)*)*
        }

        impl Kind {
            /// The kind with this number.
            pub fn from_u16(number: u16) -> Option<Self> {
                match number {
                    $($($kind => Some(Self::$name),)*)*
                    _ => None,
                }
            }

            /// Its schema.
            pub fn schema(self) -> &'static RecordSchema {
                match self {
                    $($(Self::$name => $name::SCHEMA,)*)*
                }
            }
        }

        /// Every schema in the order of the table.
        pub const SCHEMAS: &[&RecordSchema] = &[$($($name::SCHEMA,)*)*];

        $(
            $(#[$enum_doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $enum<'a> {
                $(#[doc = concat!("[`", stringify!($name), "`]")] $name(&'a $name),)*
            }

            impl<'a> $enum<'a> {
                /// The record's payload as this class; `None` where kind, version or size are not of it.
                #[inline]
                pub fn of(record: &RecordRef<'a>) -> Option<Self> {
                    match record.header().kind {
                        $($kind => record.get::<$name>().map(Self::$name),)*
                        _ => None,
                    }
                }
            }

            $(impl<'a> From<&'a $name> for $enum<'a> {
                fn from(record: &'a $name) -> Self {
                    Self::$name(record)
                }
            })*
        )*
    };
}

/// Bits of the `flags` field of market records.
pub mod market_flags {
    /// The last update of those that the venue means as one; machines act only here.
    pub const LAST_IN_BATCH: u8 = 1;
    /// The execution counts towards the venue's printed volume.
    pub const PRINTABLE: u8 = 2;
    /// The update comes from a snapshot, or was kept until one was loaded: it is none of the messages that the last mark
    /// counts.
    pub const SNAPSHOT: u8 = 4;
}

/// [`BookCleared::instrument`] where all instruments are meant.
pub const ALL_INSTRUMENTS: InstrumentId = InstrumentId(u16::MAX);

record_table! {
    /// A record about the run itself; machines never see it.
    System as SystemRef {
        1 v 1 system::RunStart,
        2 v 1 system::ConfigChunk,
        3 v 1 system::RunEnd,
        4 v 1 system::Recovered,
        5 v 1 system::DivergenceAccepted,
        6 v 1 system::Repaired,
        7 v 1 system::ClockAhead,
    }
    /// An input, as a machine sees it.
    Event as EventRef {
        16 v 1 input::Define,
        17 v 1 input::Mark,
        18 v 1 input::Timer,
        19 v 1 input::Operator,
        20 v 1 input::FeedHealth,
        21 v 1 input::Dropped,
        22 v 1 input::Malformed,
        32 v 1 market::OrderAdd,
        33 v 1 market::OrderExecuted,
        34 v 1 market::OrderExecutedAt,
        35 v 1 market::OrderReduced,
        36 v 1 market::OrderDeleted,
        37 v 1 market::OrderReplaced,
        38 v 1 market::Trade,
        39 v 1 market::CrossTrade,
        40 v 1 market::TradeBroken,
        41 v 1 market::TradingStatus,
        42 v 1 market::MarketPhase,
        43 v 1 market::BookCleared,
        44 v 1 market::MarketHalt,
        64 v 1 venue::VenueAccepted,
        65 v 1 venue::VenueReplaced,
        66 v 1 venue::VenueCanceled,
        67 v 1 venue::VenueExecuted,
        68 v 1 venue::VenueRejected,
        69 v 1 venue::SessionState,
        70 v 1 venue::SendReport,
        71 v 1 venue::VenueBroken,
        72 v 1 venue::VenueCancelHeld,
        73 v 1 venue::VenueRestated,
        74 v 1 doubt::VenueUnread,
        75 v 1 doubt::SessionChanged,
        76 v 1 doubt::PositionStated,
        77 v 1 doubt::DropCopyExecution,
        78 v 1 doubt::DropCopyState,
        79 v 1 doubt::DropCopyOrder,
        45 v 1 venue::VenueDay,
        96 v 1 commerce::Inventory,
        97 v 1 commerce::Purchase,
        98 v 1 commerce::LineId,
        99 v 1 commerce::InputFile,
    }
    /// An output of a machine.
    Decision as DecisionRef {
        128 v 1 decisions::Rejected,
        129 v 1 decisions::PlaceOrder,
        130 v 1 decisions::ReplaceOrder,
        131 v 1 decisions::CancelOrder,
        132 v 1 decisions::OrderRefused,
        133 v 1 decisions::BookTransition,
        134 v 1 decisions::PositionChanged,
        135 v 1 decisions::DeskStatus,
        136 v 1 decisions::KillLatched,
        137 v 1 decisions::PricePublished,
        138 v 1 doubt::OrderInDoubt,
        139 v 1 doubt::LatchHeld,
        140 v 1 doubt::PositionBreak,
        142 v 1 decisions::DayEnded,
    }
}

#[cfg(test)]
mod tests;
