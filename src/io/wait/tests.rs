use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn readiness_is_told_per_descriptor() {
    let (mut quiet, mut loud) = UnixStream::pair().expect("a pair");
    let (other, _other_peer) = UnixStream::pair().expect("a pair");
    let mut waiter = Waiter::new();
    let slots = [waiter.readable(quiet.as_fd()), waiter.readable(other.as_fd())];
    assert_eq!(waiter.wait(Duration::ZERO).expect("poll"), 0);
    assert!(slots.iter().all(|slot| !waiter.is_ready(*slot)));

    loud.write_all(b"x").expect("write");
    assert_eq!(waiter.wait(Duration::from_secs(10)).expect("poll"), 1);
    assert_eq!(slots.map(|slot| waiter.is_ready(slot)), [true, false]);

    quiet.read_exact(&mut [0]).expect("read");
    waiter.clear();
    let slots = [waiter.readable(quiet.as_fd()), waiter.writable(loud.as_fd())];
    assert_eq!(waiter.wait(Duration::from_secs(10)).expect("poll"), 1);
    assert_eq!(slots.map(|slot| waiter.is_ready(slot)), [false, true]);
}

#[test]
fn a_peer_that_ends_wakes() {
    let (here, there) = UnixStream::pair().expect("a pair");
    drop(there);
    let mut waiter = Waiter::new();
    let slot = waiter.readable(here.as_fd());
    assert_eq!(waiter.wait(Duration::from_secs(10)).expect("poll"), 1);
    assert!(waiter.is_ready(slot));
}

#[test]
fn sleeping_ends_at_the_deadline_or_when_it_is_not_wanted() {
    let start = Instant::now();
    assert!(sleep_until(start, || false), "the deadline has passed already");
    assert!(sleep_until(start + Duration::from_millis(30), || true));
    assert!(start.elapsed() >= Duration::from_millis(30));
    let mut looks = 0;
    let far = Instant::now() + Duration::from_secs(3600);
    assert!(!sleep_until(far, || {
        looks += 1;
        looks < 3
    }));
    assert_eq!(looks, 3);
}
