//! Values that are allowed and hardly meant: said by `check`, refused by nobody.

use pricewright_core::kernel::Machine;

use super::{MetricsSettings, PipelineConfig};

/// Silence that nobody wants to wait for, in ms.
const LONG_SILENCE_MS: u64 = 60_000;

/// What is odd about `config`, a sentence each, the key first.
pub fn warnings<M: Machine>(config: &PipelineConfig<M::Config>) -> Vec<String> {
    let mut found = Vec::new();
    let mut odd = |is_so: bool, text: &str| {
        if is_so {
            found.push(text.to_owned());
        }
    };
    let journal = &config.journal;
    odd(
        journal.dir.as_os_str().is_empty(),
        "journal.dir is empty: segments would lie in the directory that the program is started in; name one",
    );
    odd(journal.min_free_mib == 0, "journal.min_free_mib is 0: new risk is taken until the disk is full");
    odd(
        !journal.replica && !journal.chain,
        "journal.replica and journal.chain are both off: nothing would see a wrong decision or an altered record",
    );
    if let Some(feed) = &config.feed.nasdaq {
        odd(
            feed.silence_ms == 0,
            "feed.nasdaq.silence_ms is 0: every moment without a packet makes the books stale; the venue's heartbeats come \
             once a second, so give 2000 or more",
        );
        odd(
            feed.silence_ms > LONG_SILENCE_MS,
            "feed.nasdaq.silence_ms is more than a minute: quotes would stand so long on a feed that is dead",
        );
        odd(
            feed.patience_us >= feed.silence_ms.saturating_mul(1_000),
            "feed.nasdaq.patience_us is not below silence_ms: a gap would make the books stale before it is asked for",
        );
    }
    found.extend(config.metrics.as_ref().and_then(MetricsSettings::warning).map(str::to_owned));
    found.extend(M::warnings(&config.config));
    found
}
