//! Every target on its seeds and on some mutations of them, by count. A failure prints its seed and round.

use pricewright_fuzz::{drive, target};

const SEED: u64 = 20_260_105;

macro_rules! plain_loops {
    ($($(#[$meta:meta])* $name:ident)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            let target = target(stringify!($name)).expect("a target of this name");
            drive::run(target, &drive::seeds(target), SEED, 0..target.rounds);
        }
    )*};
}

plain_loops! {
    #[cfg(feature = "engine")]
    exchange
    #[cfg(feature = "engine")]
    configuration
    #[cfg(feature = "engine")]
    http
    #[cfg(feature = "engine")]
    snapshots
    #[cfg(feature = "engine")]
    journal
    itch moldudp64 market_data soupbintcp ouch order_entry glimpse drop_copy json_lines books matching desk
}
