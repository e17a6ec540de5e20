//! The table's figures as text, by `prometheus-client`.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::View;
use super::latencies::Distribution;
use super::table::{Metric, TABLE, Type};
use crate::error::{Error, Result};

/// What a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The one that an `Accept` header asks for: OpenMetrics if it is taken at least as gladly as plain text.
    pub fn accepted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let matching = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                if !parts.next()?.eq_ignore_ascii_case(wanted) {
                    return None;
                }
                let given = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f64>().ok());
                Some(given.unwrap_or(1.0))
            });
            matching.fold(0.0, f64::max)
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// What it is called in `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A value of a figure.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A count.
    Count(u64),
    /// A whole number.
    Whole(i64),
    /// A real one.
    Real(f64),
    /// A histogram.
    Spread(Distribution),
}

/// Values of one figure, each with its labels in the table's order.
#[derive(Debug, Default)]
pub(super) struct Samples(pub(super) Vec<(Vec<Cow<'static, str>>, Value)>);

impl Samples {
    pub(super) fn put(&mut self, labels: Vec<Cow<'static, str>>, value: Value) {
        self.0.push((labels, value));
    }
}

/// All figures of a view.
#[derive(Debug)]
struct Figures(Mutex<Vec<(&'static Metric, Samples)>>);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        for (metric, samples) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            encode(metric, samples, &mut encoder)?;
        }
        Ok(())
    }
}

/// A figure that this run does not have is left out.
fn encode(metric: &Metric, samples: &Samples, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    if samples.0.is_empty() {
        return Ok(());
    }
    let unit = metric.unit.map(|unit| Unit::Other(unit.to_owned()));
    let kind = match metric.kind {
        Type::Counter => MetricType::Counter,
        Type::Gauge => MetricType::Gauge,
        Type::Histogram => MetricType::Histogram,
        Type::Info => MetricType::Info,
    };
    let mut family = encoder.encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
    for (values, value) in &samples.0 {
        let labels: Vec<(&str, &str)> =
            metric.labels.iter().copied().zip(values.iter().map(Cow::as_ref)).collect();
        if metric.kind == Type::Info {
            family.encode_info(&labels)?;
        } else if labels.is_empty() {
            put(metric.kind, value, &mut family)?;
        } else {
            put(metric.kind, value, &mut family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn put(kind: Type, value: &Value, to: &mut MetricEncoder<'_>) -> std::fmt::Result {
    match (kind, value) {
        (_, Value::Spread(spread)) => {
            to.encode_histogram::<NoLabelSet>(spread.sum, spread.count, &spread.buckets, None)
        }
        (Type::Counter, Value::Count(count)) => to.encode_counter::<NoLabelSet, u64, u64>(count, None),
        (Type::Counter, Value::Whole(whole)) => {
            to.encode_counter::<NoLabelSet, f64, f64>(&(*whole as f64), None)
        }
        (Type::Counter, Value::Real(real)) => to.encode_counter::<NoLabelSet, f64, f64>(real, None),
        (_, Value::Count(count)) => to.encode_gauge(count),
        (_, Value::Whole(whole)) => to.encode_gauge(whole),
        (_, Value::Real(real)) => to.encode_gauge(real),
    }
}

/// Every figure of `view` as text.
///
/// # Errors
/// Never in practice: the text is written to memory.
pub fn expose(view: &View<'_>, exposition: Exposition) -> Result<String> {
    let read = |metric: &'static Metric| {
        let mut samples = Samples::default();
        (metric.read)(view, &mut samples);
        (metric, samples)
    };
    let figures = Figures(Mutex::new(TABLE.iter().map(read).collect()));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(figures));
    let mut page = String::new();
    let written = match exposition {
        Exposition::Prometheus => prometheus_text::encode(&mut page, &registry),
        Exposition::OpenMetrics => text::encode(&mut page, &registry),
    };
    written.map_err(|error| Error::Failed(format!("metrics: {error}")))?;
    Ok(page)
}

impl View<'_> {
    /// A money amount in units of the currency.
    pub(super) fn money(&self, minor: i64) -> f64 {
        minor as f64 / 10_f64.powi(i32::from(self.units.money_decimals))
    }
}
