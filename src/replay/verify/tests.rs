use super::*;

/// A start that fails and leaves its run ends it with the state that every machine begins with.
#[test]
fn runs_that_took_no_event_compare_nothing() {
    let replay = |from, events, ends| Replay {
        from,
        events,
        decisions: 0,
        last_seq: 3,
        ends,
        state_hash: [0; 32],
        clean: true,
        unjournalled: 0,
        divergence: None,
        reasons: None,
        seconds: 0.0,
    };
    assert!(
        replay(None, 0, 0).is_empty() && replay(None, 0, 2).is_empty() && replay(Some(9), 0, 0).is_empty()
    );
    assert!(!replay(None, 1, 0).is_empty());
    assert!(!replay(Some(9), 0, 1).is_empty(), "the state behind a snapshot is one that events led to");
}
