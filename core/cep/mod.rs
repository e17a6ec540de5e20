//! Complex-event processing: watermarks, windows, joins, patterns, keyed state, sketches.
//!
//! Nothing lives here yet. Windows and patterns work on event time with watermarks; their state belongs to the machine
//! that uses them and is part of its snapshot.
