//! What a thread polls.

/// A piece of work that a thread polls: a feed, the sequencer with its machine, a gateway, a tailer of the journal.
///
/// Threads hold boxed stages, so that any stage runs on any thread. The dynamic call is paid once per poll, never per
/// event: a poll takes as many events as its budget allows.
pub trait Stage: Send {
    /// Its name in messages and figures: lower case, stable over the run.
    fn name(&self) -> &str;

    /// Does up to `budget` pieces of work (packets, records, …) and returns how many it did. Returns at once, with 0,
    /// where there is nothing to do: it never blocks, sleeps or waits for another stage. The thread's idle strategy
    /// acts when all of its stages return 0.
    ///
    /// A stage that ends the run, or fails without a bug, says so through the [`super::control::Control`] it was given.
    ///
    /// # Panics
    /// A panic is a bug: it ends the run, and this stage's `close` is not called.
    fn poll(&mut self, budget: usize) -> usize;

    /// Called once, after the last poll. It finishes what it has taken: drains the ring before it, flushes, pulls
    /// quotes, seals. Stages are closed upstream first: by the time this is called, the stages before it on its thread,
    /// and all stages of the threads before its own, are closed; the threads after its own still poll. After a panic
    /// somewhere this order does not hold.
    fn close(&mut self);
}
