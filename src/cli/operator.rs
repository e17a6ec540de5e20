//! `pricewright operator`: commands to a run that goes on in another process.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pricewright_core::kernel::decimal::parse_minor;
use pricewright_core::kernel::table::{LatchHeld, Operator};
use pricewright_core::kernel::{
    DecisionRef, DisplayUnits, EventRef, InstrumentId, Lots, Nanos, OperatorCommand, RecordRef, Ticks,
};
use pricewright_core::market::portfolio::{POSITION_MAX, PRICE_MAX};
use serde_json::json;

use super::args::{OperatorArgs, OperatorTarget, OperatorVerb, PositionArgs};
use super::records::units_of;
use super::show::{json as print_json, line};
use super::where_is::journal_dir;
use crate::clock::wall_clock;
use crate::error::{Error, Result};
use crate::io::wait::nap;
use crate::journal::{JournalError, Reader};
use crate::machines::Hosted;
use crate::pipeline::operator::{Asked, STANDS_STILL, send};

/// How long a run may take to journal a command.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a kill waits until the journal's end is found, to see behind it what becomes of it. Mostly it is by then.
const KILL_WAITS: Duration = Duration::from_millis(100);
/// Records in front of the end in which a kill is looked for that was sent before the end was found: more than a run writes
/// meanwhile.
const LOOK_BACK: u64 = 1 << 20;
/// A journal's clock follows the wall clock, and may be so far behind.
const CLOCKS_DIFFER: Nanos = Nanos::from_millis(5_000);
/// How long the decision on it may take to follow.
const DECIDED: Duration = Duration::from_millis(200);

pub(super) fn operator<Own: Hosted>(args: &OperatorArgs) -> Result<()> {
    match &args.verb {
        OperatorVerb::Kill(target) => command(target, OperatorCommand::KILL).map(|_| ()),
        OperatorVerb::Rearm(target) => rearm::<Own>(target),
        OperatorVerb::Position(args) => position::<Own>(args),
    }
}

fn dir_of(target: &OperatorTarget) -> Result<PathBuf> {
    journal_dir(target.place.as_deref().or(target.dir.as_deref()))
}

/// Asks, waits until it is journalled, and says so. Returns where the journal stands behind it.
fn command(target: &OperatorTarget, command: OperatorCommand) -> Result<Heard> {
    let dir = dir_of(target)?;
    let heard = ask(&dir, &Operator::says(&target.name, command, 0).into())?;
    if command != OperatorCommand::REARM {
        report(&dir, command.name(), heard.seq, target.json)?;
    }
    Ok(heard)
}

fn report(dir: &Path, name: &str, seq: u64, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(&json!({ "journal": dir.display().to_string(), "command": name, "seq": seq }));
    }
    line(&format!("{}: {name} is record {seq}", dir.display()))
}

/// Asks for the latch to be released. Where it is not, that is an error which says why.
fn rearm<Own: Hosted>(target: &OperatorTarget) -> Result<()> {
    let mut heard = command(target, OperatorCommand::REARM)?;
    let dir = dir_of(target)?;
    let seq = heard.seq;
    let say = |released: Option<bool>, what: &str| {
        if target.json {
            let journal = dir.display().to_string();
            let command = OperatorCommand::REARM.name();
            return print_json(
                &json!({ "journal": journal, "command": command, "seq": seq, "released": released }),
            );
        }
        line(&format!("{}: rearm is record {seq}{what}", dir.display()))
    };
    match heard.answer()? {
        Rearmed::Released => say(Some(true), ""),
        Rearmed::Nothing => say(Some(false), "; no latch was released: none was set"),
        Rearmed::Unanswered => say(
            None,
            "; nothing was said of it yet: `pricewright journal tail` shows whether the latch is released",
        ),
        Rearmed::Held(held) => Err(Error::Failed(refused(&dir, &held, heard.seq, &units_of::<Own>(&dir)?))),
    }
}

fn refused(dir: &Path, held: &LatchHeld, seq: u64, units: &DisplayUnits) -> String {
    let first = units.symbol(held.instrument);
    let place = match held.instruments {
        0 => String::new(),
        1 => format!(", the position of {first} is not known"),
        count => format!(", the positions of {count} instruments are not known, {first} the first of them"),
    };
    format!(
        "{}: the latch ({}) is not released by record {seq}: {}; {} orders in doubt{place}",
        dir.display(),
        held.control.name(),
        held.text,
        held.orders
    )
}

/// States a position.
fn position<Own: Hosted>(args: &PositionArgs) -> Result<()> {
    let dir = dir_of(&args.target)?;
    let units = units_of::<Own>(&dir)?;
    let index = units.instruments.iter().position(|instrument| instrument.symbol == args.symbol);
    let Some(instrument) = index.and_then(|index| u16::try_from(index).ok()).map(InstrumentId) else {
        let known: Vec<&str> = units.instruments.iter().map(|known| known.symbol.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Error::Usage(format!(
            "{}: there is no instrument {}; this run has {known}",
            dir.display(),
            args.symbol
        )));
    };
    let price = args.price.as_deref().map(|text| ticks_of(text, &units, instrument)).transpose()?;
    let asked = Asked::position(instrument, Lots(args.qty), price, &args.target.name);
    if !asked.is_in_range() {
        return Err(Error::Usage(format!(
            "position {} {}: lots go from -{POSITION_MAX} to {POSITION_MAX}, prices from -{PRICE_MAX} to {PRICE_MAX} ticks; \
             nothing was asked",
            args.symbol, args.qty
        )));
    }
    let mut heard = ask(&dir, &asked)?;
    if let Some(why) = heard.position_refused()? {
        return Err(Error::Failed(format!(
            "{}: position {} {} is record {} and not taken: {why}",
            dir.display(),
            args.symbol,
            args.qty,
            heard.seq
        )));
    }
    if args.target.json {
        return print_json(&json!({
            "journal": dir.display().to_string(), "command": "position", "symbol": args.symbol,
            "position": args.qty, "seq": heard.seq,
        }));
    }
    line(&format!("{}: position {} {} is record {}", dir.display(), args.symbol, args.qty, heard.seq))
}

fn ticks_of(text: &str, units: &DisplayUnits, instrument: InstrumentId) -> Result<Ticks> {
    let wrong = |what: &str| Error::Usage(format!("--price {text}: {what}"));
    let known = units.instruments.get(instrument.index()).ok_or_else(|| wrong("no such instrument"))?;
    let exact = parse_minor(text, known.decimals).map_err(|error| wrong(&error.to_string()))?;
    if known.tick_units == 0 || exact.0 % known.tick_units != 0 {
        return Err(wrong("not a multiple of the instrument's tick"));
    }
    Ok(Ticks(exact.0 / known.tick_units))
}

/// The record of what was asked, and a reader behind it.
struct Heard {
    seq: u64,
    journal: Reader,
}

/// What became of a latch that was to be released.
enum Rearmed {
    Released,
    Held(LatchHeld),
    /// The next event came, and no latch had been released.
    Nothing,
    /// Nothing came for a while: whether there is more to be said is not known.
    Unanswered,
}

impl Heard {
    /// What became of the latch: the decision stands right behind the command.
    fn answer(&mut self) -> Result<Rearmed> {
        let start = Instant::now();
        while start.elapsed() < DECIDED {
            let Some(record) = self.journal.next_record()? else {
                nap(Duration::from_millis(1));
                continue;
            };
            match DecisionRef::of(&record) {
                Some(DecisionRef::LatchHeld(held)) => return Ok(Rearmed::Held(*held)),
                Some(DecisionRef::KillLatched(latch)) if latch.released == 1 => {
                    return Ok(Rearmed::Released);
                }
                Some(_) => {}
                // The next event: everything that was decided on the command has passed.
                None => return Ok(Rearmed::Nothing),
            }
        }
        Ok(Rearmed::Unanswered)
    }

    /// Why a stated position was not taken, where it was not.
    fn position_refused(&mut self) -> Result<Option<String>> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let Some(record) = self.journal.next_record()? else {
                nap(Duration::from_millis(1));
                continue;
            };
            match DecisionRef::of(&record) {
                Some(DecisionRef::Rejected(refused)) => return Ok(Some(refused.text.as_str().to_owned())),
                Some(DecisionRef::PositionChanged(changed)) if changed.client == 0 => return Ok(None),
                Some(_) => {}
                // The next event: everything that was decided on the position has passed.
                None => return Ok(Some("this machine keeps no positions".to_owned())),
            }
        }
        Ok(Some(format!("nothing was decided on it within {} s", PATIENCE.as_secs())))
    }
}

/// Acts before it reads: a journal that is long, damaged or on a disk that hangs holds no kill back.
fn ask(dir: &Path, asked: &Asked) -> Result<Heard> {
    let (found, finds) = mpsc::channel();
    let place = dir.to_path_buf();
    // Left behind if the disk hangs; the process ends without it.
    std::thread::spawn(move || {
        // Whoever asked may have given up waiting.
        let _unheard = found.send(Reader::from_end(&place));
    });
    let before = finds.recv_timeout(if asked.is_kill() { KILL_WAITS } else { PATIENCE }).ok();
    let sent_at = wall_clock();
    send(dir, asked, PATIENCE)?;
    let unseen = |why: &str| {
        Error::Failed(format!(
            "{}: {} was sent; what became of it is not known: {why}; `pricewright journal tail` and the run's own output show \
             it",
            dir.display(),
            asked.name()
        ))
    };
    let unreadable = |error: JournalError| unseen(&format!("the journal cannot be read ({error})"));
    let (mut journal, since) = match before {
        Some(end) => (end.map_err(unreadable)?, Nanos::ZERO),
        None => {
            let end = finds.recv_timeout(PATIENCE);
            let end =
                end.map_err(|_| unseen(&format!("it could not be read for {} s", PATIENCE.as_secs())))?;
            // The record may stand in front of the end that was found.
            let end = end.map_err(unreadable)?;
            let from = end.next_seq().saturating_sub(LOOK_BACK).max(1);
            (Reader::from_seq(dir, from).unwrap_or(end), Nanos(sent_at.0.saturating_sub(CLOCKS_DIFFER.0)))
        }
    };
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let Some(record) = journal.next_record().map_err(unreadable)? else {
            nap(Duration::from_millis(1));
            continue;
        };
        let header = record.header();
        if is(&record, asked) && header.now >= since {
            return Ok(Heard { seq: header.seq, journal });
        }
    }
    Err(not_heard(asked, dir))
}

fn is(record: &RecordRef<'_>, asked: &Asked) -> bool {
    match (EventRef::of(record), asked) {
        (Some(EventRef::Operator(told)), Asked::Command(command)) => told.command == command.command,
        (Some(EventRef::PositionStated(told)), Asked::Position(stated)) => told == stated,
        _ => false,
    }
}

fn not_heard(asked: &Asked, dir: &Path) -> Error {
    let kills = if asked.is_kill() {
        format!("; a kill drops its venue session all the same; {STANDS_STILL}")
    } else {
        String::new()
    };
    Error::Failed(format!(
        "{}: the run has not acted on {} within {} s: its hot thread stands still, or it is ending{kills}",
        dir.display(),
        asked.name(),
        PATIENCE.as_secs()
    ))
}
