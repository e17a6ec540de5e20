//! A machine's reasons in words: prices, money and codes as people write them, formulas with their values inserted.

use pricewright_core::kernel::probe::units as note_units;
use pricewright_core::kernel::{
    Amount, Control, DisplayUnits, Health, InstrumentId, Lots, Minor, Note, Term, Ticks, TradingState,
};

/// Shows the notes of decisions about one instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes<'a> {
    pub(super) units: &'a DisplayUnits,
    pub(super) instrument: InstrumentId,
}

impl Notes<'_> {
    /// One reason; `None` where it says nothing to people.
    pub(super) fn text(&self, note: &Note) -> String {
        match note {
            Note::Level { side, level, price, qty } => {
                format!("{side} {level}: {} × {qty}", self.price(*price))
            }
            Note::Feature { name, value } | Note::Parameter { name, value } => {
                format!("{name} = {}", short(*value))
            }
            Note::Value { name, value, unit } => format!("{name} = {}", self.integer(*value, unit)),
            Note::Check { control, value, relation, limit, unit, passed } => {
                let verdict = if *passed { "pass" } else { "FAIL" };
                let (value, limit) = (self.bare(*value, unit), self.integer(*limit, unit));
                format!("{verdict} {control:<16} {value} {} {limit}", relation.sign(*passed))
            }
            Note::Step { text } => (*text).to_owned(),
            Note::Formula { name, expression, terms, result } => {
                let inserted = self.inserted(expression, terms);
                format!("{name} = {expression}\n= {inserted}\n= {}", self.amount(result))
            }
        }
    }

    /// Name and value of a note that says what something is; `None` for checks and steps.
    pub(super) fn named(&self, note: &Note) -> Option<(String, String)> {
        match note {
            Note::Level { side, level: 0, price, qty } => {
                Some((format!("best {side}"), format!("{} × {qty}", self.price(*price))))
            }
            Note::Feature { name, value } | Note::Parameter { name, value } => {
                Some(((*name).to_owned(), short(*value)))
            }
            Note::Value { name, value, unit } => Some(((*name).to_owned(), self.integer(*value, unit))),
            Note::Formula { name, result, .. } => Some(((*name).to_owned(), self.amount(result))),
            Note::Level { .. } | Note::Check { .. } | Note::Step { .. } => None,
        }
    }

    fn inserted(&self, expression: &str, terms: &[Term]) -> String {
        let value_of = |word: &str| {
            let term = terms.iter().find(|term| term.name == word);
            term.map_or_else(|| word.to_owned(), |term| self.bare_amount(&term.value))
        };
        let is_word = |char: char| char.is_alphanumeric() || char == '_';
        let mut text = String::new();
        let mut word = String::new();
        for char in expression.chars() {
            if is_word(char) {
                word.push(char);
            } else {
                text.push_str(&value_of(&core::mem::take(&mut word)));
                text.push(char);
            }
        }
        text.push_str(&value_of(&word));
        text
    }

    fn price(&self, price: Ticks) -> String {
        self.units.price(self.instrument, price)
    }

    fn amount(&self, amount: &Amount) -> String {
        match amount {
            Amount::Integer { value, unit } => self.integer(*value, unit),
            Amount::Number { value, unit } => self.number(*value, unit),
        }
    }

    fn bare_amount(&self, amount: &Amount) -> String {
        match amount {
            Amount::Integer { value, unit } => self.bare(*value, unit),
            Amount::Number { value, unit } => self.number(*value, unit),
        }
    }

    /// A number of a model; ticks, also within a rate, become prices.
    fn number(&self, value: f64, unit: &str) -> String {
        let per = unit.strip_prefix(Ticks::UNIT);
        match (per, self.units.instruments.get(self.instrument.index())) {
            (Some(per), Some(instrument)) => {
                let price =
                    value * instrument.tick_units as f64 / 10_f64.powi(i32::from(instrument.decimals));
                let decimals = usize::from(instrument.decimals) + 2;
                format!("{}{per}", without_zeros(&format!("{price:.decimals$}")))
            }
            _ if unit.is_empty() => short(value),
            _ => format!("{} {unit}", short(value)),
        }
    }

    /// An exact number with its unit.
    pub(super) fn integer(&self, value: i64, unit: &str) -> String {
        let bare = self.bare(value, unit);
        match unit {
            _ if value == i64::MAX || value == i64::MIN => bare,
            Minor::UNIT if !self.units.currency.is_empty() => format!("{bare} {}", self.units.currency),
            Ticks::UNIT | Minor::UNIT | "" => bare,
            note_units::CONTROL | note_units::TRADING_STATE | note_units::HEALTH | note_units::YES_NO => bare,
            "us" => format!("{bare} µs"),
            unit => format!("{bare} {unit}"),
        }
    }

    /// An exact number without its unit.
    fn bare(&self, value: i64, unit: &str) -> String {
        let small = || u8::try_from(value).ok();
        let code = match unit {
            Ticks::UNIT if value == i64::MAX || value == i64::MIN => Some("none"),
            Ticks::UNIT => return self.price(Ticks(value)),
            Minor::UNIT => return self.units.money(Minor(value)),
            note_units::CONTROL => u16::try_from(value).ok().map(|code| Control(code).name()),
            note_units::TRADING_STATE => small().map(|code| TradingState(code).name()),
            note_units::HEALTH => small().map(|code| Health(code).name()),
            note_units::YES_NO => Some(if value == 0 { "no" } else { "yes" }),
            Lots::UNIT => None,
            _ if value == i64::MAX => Some("not known"),
            _ => None,
        };
        code.map_or_else(|| value.to_string(), str::to_owned)
    }
}

/// Four decimals; a number too small for them in scientific form.
fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 {
        format!("{value:.3e}")
    } else {
        without_zeros(&format!("{value:.4}"))
    }
}

/// `100.0300` as `100.03`, `2.0000` as `2`.
fn without_zeros(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
