//! The value of a column in words, the same in every form of table.

use std::fmt::Write as _;

use pricewright_core::kernel::RecordRef;

use super::tables::Source;
use crate::journal::catalogue::KindSchema;
use crate::journal::render::{cause, flag_names, shown_of};

/// The value of a column, as people read it. `kind` is the segment's own description, which may name more codes.
pub(super) fn write_value(value: &mut String, column: &Source, record: &RecordRef<'_>, kind: &KindSchema) {
    let header = record.header();
    // Writing to a string cannot fail.
    let _ = match column {
        Source::Seq => write!(value, "{}", header.seq),
        Source::Now => write!(value, "{}", header.now.0),
        Source::Kind => write!(value, "{}", kind.name),
        Source::Version => write!(value, "{}", header.version),
        Source::Source => write!(value, "{}", header.source.0),
        Source::Cause => cause(record, Some(kind)).map_or(Ok(()), |cause| write!(value, "{cause}")),
        Source::Flags => flag_names(header.flags)
            .enumerate()
            .try_for_each(|(number, name)| write!(value, "{}{name}", if number == 0 { "" } else { "|" })),
        Source::Field(field) => {
            let own = kind.fields.iter().find(|own| own.offset == field.offset).unwrap_or(field);
            shown_of(own, record.payload()).map_or(Ok(()), |shown| write!(value, "{shown}"))
        }
    };
}
