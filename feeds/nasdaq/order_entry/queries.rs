//! Which answer to an account query belongs to the present connection.
//!
//! Answers are sequenced, so that one to a query of an earlier connection may come first after a login, before what
//! happened meanwhile; and nothing in it says which query it answers. So they are counted: the venue answers in order,
//! and of `n` answers that may be owed from before, at most `n` come before the first one of this connection. A query may
//! have been lost with its connection, so that one is asked for each answer until enough have come.

/// Queries and answers over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queries {
    /// Queries of earlier connections whose answers may still come.
    owed: u32,
    /// Queries of this connection.
    asked: u32,
    /// Answers on this connection.
    answered: u32,
}

impl Queries {
    /// With so many queries of other processes unanswered.
    pub(super) fn new(owed: u32) -> Self {
        Self { owed, ..Self::default() }
    }

    /// Another connection begins.
    pub(super) fn connect(&mut self) {
        *self = Self::new(self.owed.saturating_add(self.asked).saturating_sub(self.answered));
    }

    /// A query was sent.
    pub(super) fn ask(&mut self) {
        self.asked = self.asked.saturating_add(1);
    }

    /// An answer came. True where it can only be one to a query of this connection.
    pub(super) fn answer(&mut self) -> bool {
        self.answered = self.answered.saturating_add(1);
        self.answered > self.owed
    }

    /// Answers after which the query that was sent last is surely answered.
    pub(super) fn last(&self) -> u32 {
        self.owed.saturating_add(self.asked)
    }

    /// Answers on this connection.
    pub(super) fn answered(&self) -> u32 {
        self.answered
    }
}

/// An order that the venue is asked about: has it ever seen the number?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inquiry {
    /// Its number.
    pub(super) client: u32,
    /// The decision that asks.
    pub(super) decision: u64,
}

/// Orders that the venue is asked about, and what it said. A query answers for every order that was sent before it, so that
/// one serves all that were asked about until it leaves.
#[derive(Clone, Debug)]
pub(super) struct Inquiries {
    asked: Vec<Inquiry>,
    /// How many of `asked` the query on its way answers for; 0 for no such query.
    covered: usize,
    /// The number of answers that surely includes that query's.
    proof: u32,
    /// The lowest number that the venue has not seen, where that is known and not told to all of the covered yet.
    next_client: Option<u64>,
}

impl Inquiries {
    /// Room for `capacity`. One more is not asked about: the machine gives its order up by itself.
    pub(super) fn new(capacity: usize) -> Self {
        Self { asked: Vec::with_capacity(capacity), covered: 0, proof: 0, next_client: None }
    }

    /// Asks about an order. True where a query is to be sent for it.
    pub(super) fn ask(&mut self, inquiry: Inquiry) -> bool {
        let known = self.asked.iter().any(|other| other.client == inquiry.client);
        if !known && self.asked.len() < self.asked.capacity() {
            self.asked.push(inquiry);
        }
        self.covered == 0 && !self.asked.is_empty()
    }

    /// A query leaves.
    pub(super) fn sent(&mut self, queries: &Queries) {
        if self.covered == 0 {
            self.covered = self.asked.len();
            self.proof = queries.last();
        }
    }

    /// An answer came. True where another query is to be sent: it may be the answer to an earlier one.
    pub(super) fn answered(&mut self, queries: &Queries, next_client: u64) -> bool {
        if self.covered == 0 || self.next_client.is_some() {
            return false;
        }
        if queries.answered() < self.proof {
            return true;
        }
        self.next_client = Some(next_client);
        false
    }

    /// The next order that the venue's word is known of, and that word: the lowest number that it has not seen.
    pub(super) fn verdict(&self) -> Option<(Inquiry, u64)> {
        Some((*self.asked.first()?, self.next_client?))
    }

    /// That word was told. True where it was the last one, and others wait for a query.
    pub(super) fn told(&mut self) -> bool {
        self.asked.remove(0);
        self.covered = self.covered.saturating_sub(1);
        if self.covered > 0 {
            return false;
        }
        self.next_client = None;
        !self.asked.is_empty()
    }

    /// Another connection begins: its login resolves what was asked.
    pub(super) fn clear(&mut self) {
        self.asked.clear();
        self.covered = 0;
        self.next_client = None;
    }
}
