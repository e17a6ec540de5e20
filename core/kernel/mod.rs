//! The kernel: what an event, a decision and a machine are.
//!
//! [`units`] are the newtypes that cross function boundaries, [`record`] the 64-byte cell and the 32-byte header,
//! [`table`] the one list of record kinds, [`names`] what venues' numbers and letters mean, [`machine`] the contract, [`outbox`] and [`timers`] what a machine may ask
//! for, [`probe`] how it explains itself, [`calendar`] the venue's days, [`driver`] the loop body that live, replay, recovery and explanation share.

pub mod calendar;
pub mod codes;
pub mod decimal;
pub mod driver;
pub mod machine;
pub mod names;
pub mod numbers;
pub mod outbox;
pub mod probe;
pub mod record;
pub mod schema;
pub mod standing;
pub mod table;
pub mod timers;
pub mod units;

pub use calendar::{CalendarDate, CalendarError, Day, DayOfWeek, Hours, TimeOfDay, TimeZone, Venue};
pub use codes::*;
pub use decimal::{Decimal, DecimalError, FixedPoint, MAX_DECIMALS, parse_minor};
pub use driver::{Driver, Step};
pub use machine::{
    ConfigFault, DisplayUnits, InstrumentUnits, Machine, Reserved, Screen, SnapshotError, state_hash_of,
};
pub use numbers::Numbers;
pub use outbox::{OUTBOX_CELLS, Outbox};
pub use probe::{Amount, NoProbe, Note, Probe, Recorder, Relation, Term};
pub use record::{
    Cell, Class, Full, HEADER_LEN, MAX_CELLS, Record, RecordBuf, RecordHeader, RecordRef, RecordSink, flags,
    write_record,
};
pub use standing::{LimitUse, Standing};
pub use table::{DecisionRef, EventRef, Kind, SystemRef};
pub use timers::TimerQueue;
pub use units::{Bps, EventNanos, InstrumentId, Lots, Minor, Nanos, Side, SourceId, Ticks};
