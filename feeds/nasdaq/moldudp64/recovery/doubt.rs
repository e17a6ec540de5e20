//! What the newest claim of how far the session has come rests on, and how a false one is withdrawn.
//!
//! That messages up to some sequence exist is believed of one packet: a loss must show at once. A true claim is borne out
//! by whatever follows, since from then on no line says less. A false one is contradicted by whatever follows: the lines go
//! on, and each says that there is less. Only stragglers say less than a true claim, and those come within a moment.

use pricewright_core::kernel::Nanos;

use super::claims::{Claim, LEAP};
use super::{Line, Packet, Receiver};

/// Packets that know nothing of what was claimed, a moment after it was claimed last, that it takes to withdraw it.
const CONTRADICTIONS: u32 = 2;

/// What was said since the present horizon was claimed last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubt {
    /// When a packet said the horizon, or more, last.
    claimed: Nanos,
    /// Packets that came more than a moment later and said less.
    against: u32,
    /// The most that any packet said since, below the horizon.
    highest: u64,
    /// The last of them said that the session ends.
    ended: bool,
}

impl Receiver {
    /// The horizon was said by a packet at `now`.
    pub(super) fn claimed(&mut self, now: Nanos) {
        self.doubt = Doubt { claimed: now, ..Doubt::default() };
    }

    /// How long a packet that was overtaken may take.
    fn moment(&self) -> Nanos {
        self.config.patience.max(self.config.request_timeout)
    }

    /// Weighs what a line said against the horizon, once what it brought was delivered. A packet that lies behind what was
    /// delivered, or behind what the journal knows, says nothing about what lies ahead of that.
    pub(super) fn weigh(&mut self, packet: &Packet<'_>, now: Nanos) {
        let next = packet.next();
        if self.next >= self.horizon || next >= self.horizon || next < self.next.max(self.floor) {
            return;
        }
        let late = now - self.doubt.claimed >= self.moment();
        let doubt = &mut self.doubt;
        doubt.highest = doubt.highest.max(next);
        doubt.ended = matches!(packet, Packet::EndOfSession { .. });
        doubt.against = doubt.against.saturating_add(u32::from(late));
        if doubt.against < CONTRADICTIONS {
            return;
        }
        // A line that says it still, or has not spoken since, may be right.
        let most = self.speaking(now).map(|(_, claim)| claim.stands).max().unwrap_or(0);
        if most < self.horizon {
            let below = self.doubt.highest.max(most).max(self.next).max(self.floor);
            self.ended = self.doubt.ended;
            self.withdraw(below, now);
        }
    }

    /// The horizon is `below` again: nothing lies behind it that anybody bears out.
    fn withdraw(&mut self, below: u64, now: Nanos) {
        (self.horizon, self.horizon_since, self.leapt_from) = (below, now, None);
        self.counters.withdrawn += 1;
        self.held.release_from(below);
        self.requests.clear();
        (self.heard, self.silent) = (Some(now), None);
        self.lines.iter_mut().for_each(|line| line.next = line.next.min(below));
        self.claimed(now);
    }

    /// Takes a leap of the horizon back if a line goes on below it, and no line or re-request bears it out.
    pub(super) fn judge_leap(&mut self, now: Nanos) {
        let Some(from) = self.leapt_from else { return };
        if self.next > from.saturating_add(LEAP) {
            self.leapt_from = None;
            return;
        }
        let in_vain = self.requests.worst_attempts() >= self.config.request_attempts || self.is_silent(now);
        let below = self.speaking(now).map(|(_, claim)| claim.stands);
        let below = below.filter(|stands| *stands >= self.next && *stands <= from.saturating_add(LEAP)).max();
        if let Some(below) = below.filter(|_| in_vain) {
            self.refused = self.refused.min(self.horizon.saturating_sub(LEAP)).max(below);
            self.withdraw(below, now);
            self.lines.iter_mut().zip(&self.claims).for_each(|(line, claim)| line.next = claim.stands);
        }
    }

    /// The lowest and the highest sequence at which a line that speaks stands; `None` if none speaks.
    pub fn stands(&self, now: Nanos) -> Option<(u64, u64)> {
        let stands = || self.speaking(now).map(|(_, claim)| claim.stands);
        stands().min().zip(stands().max())
    }

    /// The same without what only one packet of a line has shown.
    pub fn stands_firm(&self, now: Nanos) -> Option<(u64, u64)> {
        let stands = || self.speaking(now).map(|(_, claim)| claim.firm()).filter(|firm| *firm > 0);
        stands().min().zip(stands().max())
    }

    /// The lines that spoke lately in the present session, the re-request line not counted.
    pub(super) fn speaking(&self, now: Nanos) -> impl Iterator<Item = (&Line, &Claim)> + '_ {
        let lines = self.lines.iter().zip(&self.claims).take(self.config.lines);
        let since = now - self.config.silence;
        lines.filter(move |(line, claim)| claim.stands > 0 && line.heard > since)
    }
}
