//! What is on its way between the table and the venue, in both directions.

use std::collections::VecDeque;

use super::*;

/// A venue behind two queues: requests on their way in, answers on their way out, each in order.
#[derive(Clone, Default)]
struct Venue {
    inbox: VecDeque<Request>,
    outbox: VecDeque<Answer>,
    /// (client, open, used up by its chain)
    resting: Vec<(u64, u32, u32)>,
    bought: i64,
    matches: u64,
    /// Stamp and lots of the last decrement; 0 lots where the next one has another stamp. Two of different lots share one, as
    /// answers to one request do.
    decrement: (i64, u32),
}

#[derive(Clone, Copy)]
enum Request {
    Enter(u64, u32),
    Replace { prior: u64, client: u64, total: u32 },
    Cancel(u64),
}

#[derive(Clone, Copy)]
enum Answer {
    Accepted(VenueAccepted),
    Replaced(VenueReplaced),
    Canceled(VenueCanceled),
    Executed(VenueExecuted),
}

impl Venue {
    fn take_request(&mut self) {
        match self.inbox.pop_front() {
            Some(Request::Enter(client, qty)) => {
                self.resting.push((client, qty, 0));
                self.outbox.push_back(Answer::Accepted(accepted(client, 100, qty)));
            }
            Some(Request::Replace { prior, client, total }) => {
                let Some(at) = self.resting.iter().position(|order| order.0 == prior) else { return };
                let (_, _, spent) = self.resting.remove(at);
                let open = total.saturating_sub(spent);
                let live = if open > 0 { Liveness::LIVE } else { Liveness::DEAD };
                if open > 0 {
                    self.resting.push((client, open, spent));
                }
                self.outbox.push_back(Answer::Replaced(replaced(client, prior, 100, open, live)));
            }
            Some(Request::Cancel(client)) => {
                let Some(at) = self.resting.iter().position(|order| order.0 == client) else { return };
                let (_, open, _) = self.resting.remove(at);
                self.outbox.push_back(Answer::Canceled(canceled(client, open, 0)));
            }
            None => {}
        }
    }

    fn fill(&mut self, index: usize, qty: u32) {
        if self.resting.is_empty() {
            return;
        }
        let index = index % self.resting.len();
        let (client, open, executed_before) = self.resting[index];
        let qty = qty.min(open);
        self.bought += i64::from(qty);
        self.matches += 1;
        self.outbox.push_back(Answer::Executed(executed(client, self.matches, 100, qty)));
        if qty == open {
            self.resting.remove(index);
        } else {
            self.resting[index] = (client, open - qty, executed_before + qty);
        }
    }

    /// Self-match prevention takes lots off.
    fn decrement(&mut self, index: usize, qty: u32) {
        if self.resting.is_empty() {
            return;
        }
        let index = index % self.resting.len();
        let (client, open, spent) = self.resting[index];
        let qty = qty.min(open);
        self.decrement = match self.decrement {
            (stamp, lots) if lots == 0 || lots == qty => (stamp + 1, qty),
            (stamp, _) => (stamp, 0),
        };
        let answer = VenueCanceled { reason: b'Q', ..canceled(client, qty, self.decrement.0) };
        self.outbox.push_back(Answer::Canceled(answer));
        if qty == open {
            self.resting.remove(index);
        } else {
            self.resting[index] = (client, open - qty, spent + qty);
        }
    }

    fn fill_all(&mut self) {
        while !self.resting.is_empty() {
            self.fill(0, u32::MAX);
        }
    }

    /// The most that may come to be bought: everything is executed before, or after, the requests on their way arrive.
    fn worst(&self) -> i64 {
        let mut worst = 0;
        for executes_first in [false, true] {
            let mut venue = self.clone();
            if executes_first {
                venue.fill_all();
            }
            while !venue.inbox.is_empty() {
                venue.take_request();
                if executes_first {
                    venue.fill_all();
                }
            }
            venue.fill_all();
            worst = worst.max(venue.bought);
        }
        worst
    }
}

/// The exposure is never less than what the venue may yet execute, whatever is still on its way.
#[test]
fn exposure_covers_what_the_venue_may_yet_execute() {
    fn property(steps: Vec<(u8, u8, u8)>) -> bool {
        let mut table = OrderTable::new(&[Minor(1), Minor(1)], 64, 4096).expect("sizes");
        let (mut venue, mut position) = (Venue::default(), 0);
        for (kind, pick, qty) in steps {
            let qty = u32::from(qty % 12) + 1;
            let alive: Vec<u64> = table.alive(AAPL).map(|order| order.client).collect();
            let client = alive.get(usize::from(pick) % alive.len().max(1)).copied().unwrap_or(0);
            match kind % 9 {
                0 => {
                    if let Some(client) = table.place(Nanos(1), buy(100, qty)) {
                        venue.inbox.push_back(Request::Enter(client, qty));
                    }
                }
                1 | 2 => {
                    if let Some(new) = table.replace(Nanos(1), client, Ticks(100), qty) {
                        let request =
                            Request::Replace { prior: client, client: new.client, total: new.total };
                        venue.inbox.push_back(request);
                    }
                }
                3 => {
                    if table.cancel(Nanos(9), client) {
                        venue.inbox.push_back(Request::Cancel(client));
                    }
                }
                4 => venue.take_request(),
                5 => venue.fill(usize::from(pick), qty),
                8 => venue.decrement(usize::from(pick), qty),
                _ => position += deliver(&mut table, &mut venue),
            }
            check_consistent(&table);
            if position + table.exposure(AAPL).buy_lots < venue.worst() {
                return false;
            }
        }
        while !venue.inbox.is_empty() || !venue.outbox.is_empty() {
            venue.take_request();
            position += deliver(&mut table, &mut venue);
        }
        let resting: i64 = venue.resting.iter().map(|order| i64::from(order.1)).sum();
        position == venue.bought && table.exposure(AAPL).buy_lots == resting
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(Vec<(u8, u8, u8)>) -> bool);
}

fn deliver(table: &mut OrderTable, venue: &mut Venue) -> i64 {
    match venue.outbox.pop_front() {
        Some(Answer::Accepted(answer)) => agreed(table.accepted(&answer)),
        Some(Answer::Replaced(answer)) => agreed(table.replaced(&answer)),
        Some(Answer::Canceled(answer)) => agreed(table.canceled(&answer)),
        Some(Answer::Executed(answer)) => {
            let outcome = table.executed(&answer).expect("executed");
            assert_eq!((outcome.excess, outcome.contradiction), (0, None));
            i64::from(outcome.fill.qty)
        }
        None => 0,
    }
}

/// A venue that keeps to the protocol contradicts nothing.
fn agreed(outcome: Result<Applied, AnswerError>) -> i64 {
    assert_eq!(outcome.expect("applied").contradiction, None);
    0
}
