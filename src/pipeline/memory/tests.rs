use super::*;

fn files(files: &'static [(&'static str, &'static str)]) -> impl Fn(&Path) -> Option<String> {
    move |path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
}

const MEMINFO: (&str, &str) =
    ("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n");

#[test]
fn the_machine_says_what_is_available() {
    assert_eq!(available_by(&files(&[MEMINFO])), Some(8_192_000_000));
    assert_eq!(available_by(&files(&[])), None);
}

#[test]
fn a_control_group_above_may_leave_less() {
    let read = files(&[
        MEMINFO,
        ("/proc/self/cgroup", "0::/slice/job\n"),
        ("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
        ("/sys/fs/cgroup/slice/job/memory.max", "max\n"),
        ("/sys/fs/cgroup/slice/job/memory.current", "7\n"),
        ("/sys/fs/cgroup/slice/memory.max", "1000000000\n"),
        ("/sys/fs/cgroup/slice/memory.current", "900000000\n"),
        ("/sys/fs/cgroup/slice/memory.stat", "anon 1\ninactive_file 300000000\n"),
    ]);
    assert_eq!(available_by(&read), Some(400_000_000));
}

#[test]
fn a_container_of_the_first_version_is_read_at_its_mount_point() {
    let read = files(&[
        MEMINFO,
        ("/proc/self/cgroup", "5:memory:/docker/abc\n"),
        (
            "/proc/self/mountinfo",
            "34 30 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        ),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "500\n"),
        ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "600\n"),
        ("/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 200\n"),
    ]);
    assert_eq!(available_by(&read), Some(100));
}

#[test]
fn the_limit_of_address_space_counts() {
    let read = files(&[
        MEMINFO,
        ("/proc/self/limits", "Limit  Soft  Hard  Units\nMax address space  2048000 unlimited bytes\n"),
        ("/proc/self/status", "Name: x\nVmSize:\t 1000 kB\n"),
    ]);
    assert_eq!(available_by(&read), Some(1_024_000));
}

#[test]
fn what_does_not_fit_is_named_largest_first() {
    let part = |settings: &str, bytes| Reserved { settings: settings.to_owned(), bytes };
    let wanted = [part("a = 1", 500), part("b = 2", 3_000_000_000), part("c = 3", u64::MAX)];
    assert_eq!(check(&wanted, None), Ok(()));
    assert_eq!(check(&wanted[..2], Some(3_000_000_500)), Ok(()));
    assert_eq!(
        check(&wanted[..2], Some(3_000_000_499)).unwrap_err(),
        "these settings take 3.0 GB of memory, and 3.0 GB are available here: lower b = 2 (3.0 GB), a = 1 (500 bytes)"
    );
    // The sum does not overflow.
    assert!(check(&wanted, Some(1 << 62)).unwrap_err().contains("lower c = 3"));
}
