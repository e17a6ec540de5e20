use super::{HUGE, anonymous, gather};

/// Lines in the form of proc(5), section /proc/pid/maps.
#[test]
fn only_private_writable_memory_without_a_file_is_gathered() {
    let taken = "7f0000000000-7f0000400000 rw-p 00000000 00:00 0";
    assert_eq!(anonymous(taken), Some((0x7f00_0000_0000, 0x7f00_0040_0000)));
    assert!(anonymous("55d0c0000000-55d0c0400000 rw-p 00000000 00:00 0      [heap]").is_some());
    for left in [
        "7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0      [stack]",
        "7f0000000000-7f0000400000 r--p 00000000 00:00 0",
        "7f0000000000-7f0000400000 rw-s 00000000 00:01 2050   /dev/shm/segment",
        "7f0000000000-7f0000400000 rw-p 00000000 08:01 131099 /usr/lib/libc.so.6",
        "7f0000000000 rw-p",
        "",
    ] {
        assert_eq!(anonymous(left), None, "{left}");
    }
}

#[test]
fn gathering_changes_no_byte() {
    let values: Vec<u64> = (0..(8 * HUGE / 8) as u64).map(|value| value.wrapping_mul(0x9e37_79b9)).collect();
    let before = blake3::hash(zerocopy::IntoBytes::as_bytes(values.as_slice()));
    let first = gather().unwrap();
    assert!(first.huge + first.left >= 7 * HUGE, "{first:?}");
    assert_eq!(blake3::hash(zerocopy::IntoBytes::as_bytes(values.as_slice())), before);
}
