//! Every figure, once: its name, type, unit, help and labels, and where it is read. `docs/metrics.md` is made from it.

use std::borrow::Cow;

use pricewright_core::kernel::names::{self, name_of};
use pricewright_core::kernel::{
    Class, Control, Health, InstrumentId, Kind, LimitUse, Minor, SendOutcome, SessionPhase, SourceId,
};

use super::View;
use super::encode::{Samples, Value};
use crate::edges::nasdaq::LineCounts;
use crate::pipeline::topology::FEED_SOURCE;
use crate::telemetry::status::Standing;

/// The type of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only grows while a run lives. Its sample is called `…_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by buckets: samples `…_bucket`, `…_sum`, `…_count`.
    Histogram,
    /// Always 1; its labels say something. Its sample is called `…_info`.
    Info,
}

/// A figure.
#[derive(Debug)]
pub struct Metric {
    /// Its name without unit and suffix.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Its unit, the end of its name.
    pub unit: Option<&'static str>,
    /// What it says.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// Reads its values; none if this run has no such thing.
    pub(super) read: fn(&View<'_>, &mut Samples),
}

impl Metric {
    /// The name of its samples: with unit and, for a counter, `_total`.
    pub fn sample(&self) -> String {
        let unit = self.unit.map_or_else(String::new, |unit| format!("_{unit}"));
        let suffix = match self.kind {
            Type::Counter => "_total",
            Type::Info => "_info",
            Type::Gauge | Type::Histogram => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }
}

impl Type {
    /// As Prometheus calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! table {
    ($($kind:ident $name:literal $([$unit:literal])? ($($label:literal),*) $help:literal => $read:expr;)*) => {
        /// Every figure, in the order of the page.
        pub static TABLE: &[Metric] = &[$(Metric {
            name: $name,
            kind: Type::$kind,
            unit: table!(@unit $($unit)?),
            help: $help,
            labels: &[$($label),*],
            read: $read,
        },)*];
    };
    (@unit $unit:literal) => { Some($unit) };
    (@unit) => { None };
}

table! {
    Info "pricewright_build" ("version", "machine") "The program's version, and the machine that it runs." => build;

    Counter "pricewright_events" ("kind") "Events that were journalled in this run, by kind of record." =>
        |view, to| kinds(view, Class::Event, to);
    Counter "pricewright_decisions" ("kind") "Decisions that were journalled in this run, by kind of record." =>
        |view, to| kinds(view, Class::Decision, to);
    Gauge "pricewright_newest_record_timestamp" ["seconds"] () "The stamp of the newest record, in Unix time." =>
        |view, to| if view.seen.newest.0 > 0 { put(to, Value::Real(seconds(view.seen.newest.0))) };
    Gauge "pricewright_newest_record" () "The number of the newest record." =>
        |view, to| put(to, Value::Count(view.seen.seq));

    Histogram "pricewright_stage_latency" ["seconds"] ("stage") "Time that stages took for an event: kernel_queue (in the \
        socket, by the kernel's stamp), sequence (received to stamped), decide (to decisions journalled), send (to orders \
        handed to the kernel), receive_to_order (received to sent)." => latencies;
    Gauge "pricewright_ring_used" ["cells"] ("ring") "Cells of a ring between two threads that wait to be taken, as of a \
        moment ago. A fused topology has no rings." => |view, to| for ring in &view.read.rings {
            to.put(vec![ring.name.into()], Value::Count(ring.used));
        };
    Gauge "pricewright_ring_capacity" ["cells"] ("ring") "Cells of a ring." => |view, to| for ring in &view.read.rings {
            to.put(vec![ring.name.into()], Value::Count(ring.capacity));
        };
    Counter "pricewright_ring_full" ("ring") "Times that a ring had no room for a record." =>
        |view, to| for ring in &view.read.rings {
            to.put(vec![ring.name.into()], Value::Count(ring.full));
        };
    Counter "pricewright_dropped_records" () "Records that a full ring could not take and that were counted as a gap." =>
        |view, to| put(to, Value::Count(view.seen.dropped));

    Gauge "pricewright_feed_health" ("feed", "health") "1 for the health that a feed has, 0 for the others." => feed_health;
    Counter "pricewright_feed_packets" () "Market data packets taken, all lines." => |view, to| line(view, to, |n| n.packets);
    Counter "pricewright_feed_duplicate_packets" () "Market data packets that brought nothing new." =>
        |view, to| line(view, to, |n| n.duplicates);
    Counter "pricewright_feed_gaps" () "Times that messages were missing on all lines." => |view, to| line(view, to, |n| n.gaps);
    Counter "pricewright_feed_recovered_messages" () "Messages that came as answers to re-requests." =>
        |view, to| line(view, to, |n| n.recovered);
    Counter "pricewright_feed_rerequests" () "Re-requests sent." => |view, to| line(view, to, |n| n.requests);
    Counter "pricewright_feed_snapshots" () "Snapshots (GLIMPSE) that books were restored from." =>
        |view, to| line(view, to, |n| n.snapshots);
    Counter "pricewright_feed_snapshots_refused" () "Snapshots (GLIMPSE) that could not be had, or did not fit." =>
        |view, to| line(view, to, |n| n.snapshots_refused);
    Gauge "pricewright_feed_recovery_last" ["seconds"] () "How long books were lost until the latest snapshot restored them; \
        0 before the first." => |view, to| line_seconds(view, to, |n| n.recovery_ns_last);
    Gauge "pricewright_feed_recovery_longest" ["seconds"] () "The longest time until a snapshot restored books." =>
        |view, to| line_seconds(view, to, |n| n.recovery_ns_max);
    Counter "pricewright_feed_kernel_drops" () "Datagrams that the kernel dropped before they could be received." =>
        |view, to| line(view, to, |n| n.kernel_drops);
    Counter "pricewright_feed_refused_packets" () "Packets of senders that are not configured." =>
        |view, to| line(view, to, |n| n.refused);
    Counter "pricewright_feed_disbelieved_packets" () "Packets of another session, or with a sequence far beyond all that is \
        known." => |view, to| line(view, to, |n| n.disbelieved);
    Counter "pricewright_feed_withdrawn_claims" () "Times that what a packet had claimed to exist was withdrawn, since no \
        other bore it out." => |view, to| line(view, to, |n| n.withdrawn);
    Gauge "pricewright_book_health" ("instrument", "health") "1 for the health that a book has, 0 for the others." =>
        book_health;
    Counter "pricewright_book_transitions" ("instrument", "health") "Changes of a book's health, by the health after it." =>
        |view, to| for ((instrument, health), count) in &view.seen.transitions {
            to.put(vec![symbol(view, *instrument), health.name().into()], Value::Count(*count));
        };

    Gauge "pricewright_session_phase" ("session", "phase") "1 for the phase that a session with the venue is in, 0 for the \
        others." => sessions;
    Gauge "pricewright_latched" ("control") "1 while the kill latch is set, with what set it; a frozen shop is latched, too." =>
        |view, to| {
            let control = view.seen.latch.unwrap_or(Control::NONE);
            to.put(vec![control.name().into()], Value::Count(u64::from(view.seen.latch.is_some())));
        };
    Gauge "pricewright_orders" ("state") "Own orders that may still be executed, by state; in_doubt counts those among them \
        whose fate is not known. By the replica's machine: not there without [journal] replica." =>
        |view, to| for (state, count) in view.read.standing.iter().flat_map(|standing| &standing.orders) {
            to.put(vec![(*state).into()], Value::Count(*count));
        };
    Gauge "pricewright_open_orders" ("instrument") "Own orders that may still be executed, as of the last status." =>
        |view, to| for status in view.seen.statuses.values() {
            to.put(vec![symbol(view, status.instrument)], Value::Count(status.open_orders.into()));
        };
    Counter "pricewright_orders_sent" ("outcome") "Order messages by what became of them on their way out." =>
        |view, to| for (outcome, count) in sends(view) {
            to.put(vec![outcome.name().into()], Value::Count(count));
        };
    Counter "pricewright_orders_refused" ("control") "Orders and replacements that the risk gate refused, by control." =>
        |view, to| for (control, count) in &view.seen.refused {
            to.put(vec![control.name().into()], Value::Count(*count));
        };
    Counter "pricewright_orders_rejected" ("reason") "Orders that the venue refused, by its reason." =>
        |view, to| for (reason, count) in &view.seen.rejected {
            to.put(vec![venue_reason(*reason)], Value::Count(*count));
        };
    Counter "pricewright_fills" ("instrument") "Executions of own orders that were booked." =>
        |view, to| for (instrument, count) in &view.seen.fills {
            to.put(vec![symbol(view, *instrument)], Value::Count(*count));
        };
    Gauge "pricewright_position_breaks" ("instrument") "Differences between the venue's drop copy and our own book of fills \
        that are not resolved." => |view, to| for (instrument, count) in &view.seen.breaks {
            to.put(vec![symbol(view, *instrument)], Value::Count(*count));
        };

    Gauge "pricewright_position" ["lots"] ("instrument") "Lots held; negative if short." => |view, to| {
            for (instrument, held) in &view.seen.held {
                to.put(vec![symbol(view, *instrument)], Value::Whole(held.position.0));
            }
        };
    Gauge "pricewright_realised_profit" ("instrument", "currency") "Profit of what was closed since the journal began, fees \
        not deducted, in units of the currency." => |view, to| money(view, to, |_, held| held.realised);
    Gauge "pricewright_unrealised_profit" ("instrument", "currency") "Profit of the position at the mid, in units of the \
        currency." => |view, to| money(view, to, |id, held| held.open(id, view.units));
    Gauge "pricewright_fees" ("instrument", "currency") "Fees since the journal began, rebates negative, in units of the \
        currency." => |view, to| money(view, to, |_, held| held.fees);
    Gauge "pricewright_net_profit" ("instrument", "currency") "Realised and unrealised profit less fees, in units of the \
        currency." => |view, to| money(view, to, |id, held| {
            held.profit(id, view.units)
        });

    Gauge "pricewright_limit_used" ("limit", "instrument") "How much of a risk limit is used, in the unit of its key in the \
        configuration. By the replica's machine: not there without [journal] replica." =>
        |view, to| limits(view, to, |limit| Value::Whole(limit.used));
    Gauge "pricewright_limit" ("limit", "instrument") "A risk limit, in the unit of its key in the configuration." =>
        |view, to| limits(view, to, |limit| Value::Whole(limit.most));
    Gauge "pricewright_limit_used" ["ratio"] ("limit", "instrument") "How much of a risk limit is used: 1 is all of it." =>
        |view, to| limits(view, to, |limit| Value::Real(limit.used as f64 / limit.most.max(1) as f64));

    Counter "pricewright_dead_letters" ("reason") "Inputs that were refused, by reason." =>
        |view, to| for (reason, count) in &view.seen.dead_letters {
            to.put(vec![reason.name().into()], Value::Count(*count));
        };
    Gauge "pricewright_clients" () "TCP clients that are connected to a shop." =>
        |view, to| if let Some((clients, _)) = view.read.clients { put(to, Value::Count(clients)) };
    Gauge "pricewright_clients_most" () "TCP clients that a shop has places for." =>
        |view, to| if let Some((_, most)) = view.read.clients { put(to, Value::Count(most)) };

    Gauge "pricewright_journal_size" ["bytes"] ("files") "Size of the files in the journal's directory, by what they are." =>
        |view, to| for (files, bytes) in &view.read.files {
            to.put(vec![(*files).into()], Value::Count(*bytes));
        };
    Gauge "pricewright_journal_free" ["bytes"] () "Room that the journal's file system still gives." =>
        |view, to| if let Some(free) = view.read.free { put(to, Value::Count(free)) };
    Gauge "pricewright_journal_free_wanted" ["bytes"] () "Room that must stay free there; with less, no new risk is taken from \
        the next segment on." => |view, to| put(to, Value::Count(view.read.min_free));
    Gauge "pricewright_storage_low" () "1 while storage is short and no new risk is taken." =>
        |view, to| put(to, Value::Count(u64::from(view.read.storage_low || view.seen.storage_low)));
    Gauge "pricewright_durable_lag" ["records"] () "Records that are not durable yet. Not there in mode process." =>
        |view, to| if let Some(durable) = view.read.durable {
            put(to, Value::Count(view.seen.seq.saturating_sub(durable)));
        };
    Gauge "pricewright_durable_lag" ["seconds"] () "How long the oldest record that is not durable has waited." => |view, to| if let Some(durable) = view.read.durable {
            put(to, Value::Real(seconds(view.seen.waited(durable, view.read.now).0)));
        };
    Gauge "pricewright_replica_lag" ["records"] () "Records that the replica has not followed yet." =>
        |view, to| put(to, Value::Count(view.seen.seq.saturating_sub(view.read.replica.followed)));
    Gauge "pricewright_replica_lag" ["seconds"] () "How far the replica is behind the clock; 0 while it waits for the next \
        record." => |view, to| put(to, Value::Real(seconds(view.read.replica.lag.0)));
    Gauge "pricewright_replica_alarm" () "1 once the machine decided otherwise the second time." =>
        |view, to| put(to, Value::Count(u64::from(view.read.replica.alarm.is_some())));
    Counter "pricewright_snapshots" () "Snapshots taken in this run." =>
        |view, to| put(to, Value::Count(view.read.replica.snapshots));

    Gauge "process_resident_memory" ["bytes"] () "Memory of the process that is in RAM." =>
        |view, to| given(to, view.read.process.resident);
    Gauge "process_virtual_memory" ["bytes"] () "Address space of the process." =>
        |view, to| given(to, view.read.process.virtual_size);
    Gauge "process_threads" () "Threads of the process." => |view, to| given(to, view.read.process.threads);
    Gauge "process_open_fds" () "Open file descriptors." => |view, to| given(to, view.read.process.open_fds);
    Gauge "process_max_fds" () "The most file descriptors that the process may have." =>
        |view, to| given(to, view.read.process.max_fds);
    Counter "process_cpu" ["seconds"] () "User and system time of the process." =>
        |view, to| if let Some(cpu) = view.read.process.cpu { put(to, Value::Real(cpu)) };
    Gauge "process_start_time" ["seconds"] () "When the process started, in Unix time." =>
        |view, to| if let Some(started) = view.read.process.started { put(to, Value::Real(started)) };
}

const HEALTHS: [Health; 4] = [Health::UNKNOWN, Health::VALID, Health::RECOVERING, Health::STALE];
const PHASES: [SessionPhase; 5] = [
    SessionPhase::DOWN,
    SessionPhase::CATCHING_UP,
    SessionPhase::READY,
    SessionPhase::REFUSED,
    SessionPhase::ENDED,
];

fn put(to: &mut Samples, value: Value) {
    to.put(Vec::new(), value);
}

fn given(to: &mut Samples, value: Option<u64>) {
    if let Some(value) = value {
        put(to, Value::Count(value));
    }
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// A venue's reason to refuse; its number if it has no name.
fn venue_reason(reason: u16) -> Cow<'static, str> {
    name_of(names::REJECT, reason).map_or_else(|| reason.to_string().into(), Cow::Borrowed)
}

fn symbol(view: &View<'_>, instrument: InstrumentId) -> Cow<'static, str> {
    view.units.symbol(instrument).into()
}

fn build(view: &View<'_>, to: &mut Samples) {
    to.put(vec![env!("CARGO_PKG_VERSION").into(), view.machine.to_owned().into()], Value::Count(1));
}

fn kinds(view: &View<'_>, class: Class, to: &mut Samples) {
    for (number, count) in &view.seen.kinds {
        let Some(schema) = Kind::from_u16(*number).map(Kind::schema) else { continue };
        if schema.class == class {
            to.put(vec![schema.name.into()], Value::Count(*count));
        }
    }
}

fn latencies(view: &View<'_>, to: &mut Samples) {
    let queue = view.seen.kernel_queue.read();
    let queue = (queue.count > 0).then_some(("kernel_queue", queue));
    for (stage, spread) in queue.into_iter().chain(view.read.stages.iter().cloned()) {
        to.put(vec![stage.into()], Value::Spread(spread));
    }
}

fn feed_name(feed: SourceId) -> Cow<'static, str> {
    if feed == FEED_SOURCE { "market_data".into() } else { format!("source_{}", feed.0).into() }
}

fn feed_health(view: &View<'_>, to: &mut Samples) {
    for (feed, said) in &view.seen.feeds {
        for health in HEALTHS {
            let value = Value::Count(u64::from(said.health == health));
            to.put(vec![feed_name(*feed), health.name().into()], value);
        }
    }
}

fn book_health(view: &View<'_>, to: &mut Samples) {
    for (instrument, said) in &view.seen.books {
        for health in HEALTHS {
            let value = Value::Count(u64::from(said.health == health));
            to.put(vec![symbol(view, *instrument), health.name().into()], value);
        }
    }
}

fn sessions(view: &View<'_>, to: &mut Samples) {
    for (name, phase) in [("orders", view.seen.session), ("drop_copy", view.seen.drop_copy)] {
        let Some(phase) = phase else { continue };
        for each in PHASES {
            to.put(vec![name.into(), each.name().into()], Value::Count(u64::from(each == phase)));
        }
    }
}

fn sends(view: &View<'_>) -> impl Iterator<Item = (SendOutcome, u64)> {
    view.seen.sends.iter().map(|(outcome, count)| (*outcome, *count))
}

fn money(view: &View<'_>, to: &mut Samples, amount: impl Fn(InstrumentId, &Standing) -> Minor) {
    for (instrument, held) in &view.seen.held {
        let labels = vec![symbol(view, *instrument), view.units.currency.clone().into()];
        to.put(labels, Value::Real(view.money(amount(*instrument, held).0)));
    }
}

fn limits(view: &View<'_>, to: &mut Samples, value: impl Fn(&LimitUse) -> Value) {
    for limit in view.read.standing.iter().flat_map(|standing| &standing.limits) {
        let instrument = limit.instrument.map_or(Cow::Borrowed(""), |id| symbol(view, id));
        to.put(vec![limit.limit.into(), instrument], value(limit));
    }
}

fn line(view: &View<'_>, to: &mut Samples, count: impl Fn(&LineCounts) -> u64) {
    if let Some(counts) = &view.read.lines {
        put(to, Value::Count(count(counts)));
    }
}

fn line_seconds(view: &View<'_>, to: &mut Samples, nanos: impl Fn(&LineCounts) -> u64) {
    if let Some(counts) = &view.read.lines {
        put(to, Value::Real(nanos(counts) as f64 / 1e9));
    }
}
