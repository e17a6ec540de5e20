//! Lines of the log as JSON objects on standard error: `time` (RFC 3339, UTC), `level`, `target`, `message`, and `fields` with
//! what the statement named. Like every line there they wait for no reader.

use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::console;

/// The layer that writes them.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonLog;

impl<S: Subscriber> Layer<S> for JsonLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        console::err().line(&line_of(event));
    }
}

fn line_of(event: &Event<'_>) -> String {
    let mut seen = Seen::default();
    event.record(&mut seen);
    let level = event.metadata().level().as_str().to_ascii_lowercase();
    let (target, message) = (Value::from(event.metadata().target()), Value::from(seen.message));
    // In the order in which a person reads it.
    format!(
        "{{\"time\":\"{:.9}\",\"level\":\"{level}\",\"target\":{target},\"message\":{message},\"fields\":{}}}",
        jiff::Timestamp::now(),
        Value::Object(seen.fields)
    )
}

/// The values of one statement.
#[derive(Default)]
struct Seen {
    message: String,
    fields: Map<String, Value>,
}

impl Seen {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        match (field.name(), value.into()) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Seen {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
}
