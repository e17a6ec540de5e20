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
}
