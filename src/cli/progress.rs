//! A sign of life on work that takes longer than two seconds.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// Does `work`; from its third second on a spinner on standard error says `what` is being done.
pub(super) fn spinner<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(what);
            while waiting.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
            bar.finish_and_clear();
        });
        let result = work();
        // The spinner ends when its channel does.
        drop(done);
        result
    })
}
