//! What packets say that is not believed for one packet's word, and the sessions that were left.

use crate::nasdaq::SessionId;

/// Packets on one line, each going on from the one before, that it takes to believe them.
pub(super) const QUORUM: u32 = 3;
/// A sequence further ahead of what is known than this needs a quorum: more than what is lost in a moment.
pub(super) const LEAP: u64 = 1 << 16;
/// Sessions that were left and are remembered, to know their stragglers.
const LEFT_SESSIONS: usize = 8;

/// A line's claim: a run of packets that go on from one another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim {
    session: SessionId,
    next: u64,
    /// Packets of the run.
    pub(super) packets: u32,
    /// Those that brought messages.
    pub(super) data: u32,
    /// Where the line stands in the present session; 0 before it was heard. No claim, but where claims start from.
    pub(super) stands: u64,
    /// As far as that is borne out by the line's packet before.
    firm: u64,
}

impl Claim {
    /// Nothing is claimed; where the line stands is kept.
    #[inline]
    pub(super) fn forget(&mut self) {
        if self.packets > 0 {
            *self = Self { stands: self.stands, firm: self.firm, ..Self::default() };
        }
    }

    /// The line's packet goes from `first` to before `next`, in the present session.
    pub(super) fn stand(&mut self, first: u64, next: u64) {
        self.firm = if first <= self.stands { next } else { self.stands };
        self.stands = next;
    }

    /// Where the line stands by more than one packet's word; 0 where it has brought one only.
    pub(super) fn firm(&self) -> u64 {
        self.firm
    }

    /// Takes a packet that claims `next` in `session`; the run begins anew where it does not go on from it.
    pub(super) fn hear(&mut self, session: SessionId, next: u64, is_data: bool) -> &Self {
        let goes_on = self.packets > 0
            && self.session == session
            && next.checked_sub(self.next).is_some_and(|ahead| ahead <= LEAP);
        if !goes_on {
            self.forget();
            self.session = session;
        }
        let brings = is_data && next > self.next;
        (self.next, self.packets) = (next, self.packets.saturating_add(1));
        self.data = self.data.saturating_add(u32::from(brings));
        self
    }
}

/// The sessions that were left last, and the sequence after everything that each had shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Left {
    sessions: [(SessionId, u64); LEFT_SESSIONS],
    count: usize,
}

impl Left {
    /// Remembers a session; the one that was left first gives way.
    pub(super) fn push(&mut self, session: SessionId, shown: u64) {
        let known = self.sessions.iter().take(self.count).position(|left| left.0 == session);
        let place = known.unwrap_or(self.count % LEFT_SESSIONS);
        if let Some(slot) = self.sessions.get_mut(place) {
            *slot = (session, shown);
        }
        self.count = self.count.wrapping_add(usize::from(known.is_none()));
    }

    /// What a session that was left had shown.
    pub(super) fn shown(&self, session: SessionId) -> Option<u64> {
        let mut left = self.sessions.iter().take(self.count);
        left.find(|left| left.0 == session).map(|left| left.1)
    }
}
