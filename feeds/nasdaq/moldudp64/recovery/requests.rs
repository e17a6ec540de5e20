//! Which holes were asked for, and what to ask for next.

use pricewright_core::kernel::Nanos;

use super::reorder::{Hole, ReorderBuffer};

#[derive(Clone, Copy, Debug)]
struct Request {
    first: u64,
    end: u64,
    /// When it is sent again.
    due: Nanos,
    /// Sendings without an answer.
    attempts: u32,
}

/// A bounded set of unanswered re-requests; their ranges do not overlap.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    outstanding: Vec<Request>,
    capacity: usize,
    chunk: u16,
    timeout: Nanos,
    /// Sendings without an answer after which the time between them doubles.
    patient: u32,
}

/// It doubles at most so often: from 20 ms to 1.28 s.
const MOST_DOUBLINGS: u32 = 6;

impl Requests {
    pub(super) fn new(capacity: usize, chunk: u16, timeout: Nanos, patient: u32) -> Self {
        let capacity = capacity.max(1);
        Self {
            outstanding: Vec::with_capacity(capacity),
            capacity,
            chunk: chunk.clamp(1, u16::MAX - 1),
            timeout,
            patient: patient.max(1),
        }
    }

    pub(super) fn clear(&mut self) {
        self.outstanding.clear();
    }

    /// The most sendings that one request had without an answer.
    pub(super) fn worst_attempts(&self) -> u32 {
        self.outstanding.iter().map(|request| request.attempts).max().unwrap_or(0)
    }

    /// An answer brought `first..end`: what is left of the requests it touches may be asked for at once, because a
    /// server answers with one packet however much was asked for.
    pub(super) fn answered(&mut self, first: u64, end: u64, now: Nanos) {
        for request in
            self.outstanding.iter_mut().filter(|request| request.first < end && first < request.end)
        {
            request.due = now;
            request.attempts = 0;
        }
    }

    /// The next request (first sequence, count) that is due, where one is. `shown` is the sequence after everything
    /// known to exist, and since when.
    pub(super) fn due(
        &mut self,
        now: Nanos,
        next: u64,
        shown: (u64, Nanos),
        patience: Nanos,
        held: &ReorderBuffer,
    ) -> Option<(u64, u16)> {
        self.outstanding.retain_mut(|request| {
            request.first = request.first.max(next);
            match held.hole(request.first, request.end, now) {
                Some(hole) => request.first = hole.first,
                None => return false,
            }
            true
        });
        if let Some(request) = self.outstanding.iter_mut().find(|request| request.due <= now) {
            // A server that never answers is asked less and less often.
            let doublings = (request.attempts / self.patient).min(MOST_DOUBLINGS);
            request.due = Nanos(now.0.saturating_add(self.timeout.0.saturating_mul(1 << doublings)));
            request.attempts = request.attempts.saturating_add(1);
            let hole = held.hole(request.first, request.end, now)?;
            return Some((hole.first, u16::try_from(hole.end - hole.first).unwrap_or(self.chunk)));
        }
        let hole = self.unasked(next, shown, now - patience, held)?;
        if self.outstanding.len() == self.capacity {
            self.give_way_to(hole.first)?;
        }
        let count = self.chunk.min(u16::try_from(hole.end - hole.first).unwrap_or(u16::MAX));
        let end = hole.first + u64::from(count);
        self.outstanding.push(Request { first: hole.first, end, due: now + self.timeout, attempts: 1 });
        Some((hole.first, count))
    }

    /// Gives up the request that lies furthest ahead, where it lies behind `first`. What is wanted next must never wait
    /// for what cannot be held until then.
    fn give_way_to(&mut self, first: u64) -> Option<()> {
        let (index, last) = self.outstanding.iter().enumerate().max_by_key(|(_, request)| request.first)?;
        if last.first <= first {
            return None;
        }
        self.outstanding.swap_remove(index);
        Some(())
    }

    /// The first hole, or part of one, that showed at or before `patient` and that no request covers.
    fn unasked(&self, next: u64, shown: (u64, Nanos), patient: Nanos, held: &ReorderBuffer) -> Option<Hole> {
        let mut cursor = next;
        while let Some(hole) = held.hole(cursor, shown.0, shown.1) {
            if let Some(asked) = self.outstanding.iter().find(|r| (r.first..r.end).contains(&hole.first)) {
                cursor = asked.end;
                continue;
            }
            if hole.shown <= patient {
                let asked =
                    self.outstanding.iter().map(|r| r.first).filter(|first| *first > hole.first).min();
                return Some(Hole { end: asked.map_or(hole.end, |first| first.min(hole.end)), ..hole });
            }
            cursor = hole.end;
        }
        None
    }
}
