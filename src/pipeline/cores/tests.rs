use super::*;

/// A file system of a few files.
fn files(files: &'static [(&'static str, &'static str)]) -> impl Fn(&Path) -> Option<String> {
    move |path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
}

const V2_MOUNT: &str = "24 1 0:22 / /proc rw - proc proc rw\n31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn v2_takes_the_smallest_quota_on_the_way_up() {
    let read = files(&[
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/proc/self/cgroup", "0::/user.slice/job\n"),
        ("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n"),
        ("/sys/fs/cgroup/user.slice/cpu.max", "250000 100000\n"),
    ]);
    assert_eq!(cpu_quota(&read), Some(2.5));
}

#[test]
fn v2_in_a_container_reads_the_mount_point() {
    let read = files(&[
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/proc/self/cgroup", "0::/\n"),
        ("/sys/fs/cgroup/cpu.max", "50000 100000\n"),
    ]);
    assert_eq!(cpu_quota(&read), Some(0.5));
}

#[test]
fn v1_reads_quota_and_period_beside_other_controllers() {
    const MOUNTS: &str = "33 30 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
                          34 30 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                          35 30 0:31 / /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n";
    let read = files(&[
        ("/proc/self/mountinfo", MOUNTS),
        ("/proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ]);
    assert_eq!(cpu_quota(&read), Some(3.0));
}

#[test]
fn no_quota_is_none() {
    let unlimited = files(&[
        ("/proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"),
        ("/proc/self/cgroup", "1:cpu:/\n"),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
    ]);
    assert_eq!(cpu_quota(&unlimited), None);
    assert_eq!(cpu_quota(&files(&[])), None);
    let nonsense = files(&[
        ("/proc/self/mountinfo", "x\n- - -\n1 2 3 - cgroup2\n31 23 0:28 / /c rw - cgroup2 cgroup2 rw\n"),
        ("/proc/self/cgroup", "what\n0::/\n"),
        ("/c/cpu.max", "many\n"),
    ]);
    assert_eq!(cpu_quota(&nonsense), None);
}

#[test]
fn usable_cores_and_spinners() {
    let cores = |count: usize, quota| Cores { ids: (0..count).collect(), quota };
    let table = [
        (cores(1, None), 1, 1),
        (cores(2, None), 2, 1),
        (cores(8, None), 8, 7),
        (cores(8, Some(2.5)), 2, 1),
        (cores(8, Some(0.5)), 1, 1),
        (cores(2, Some(16.0)), 2, 1),
    ];
    for (cores, usable, spinners) in table {
        assert_eq!((cores.usable(), cores.most_spinners()), (usable, spinners), "{cores:?}");
    }
    let cores = Cores { ids: vec![2, 5, 7], quota: None };
    assert_eq!((cores.first(), cores.from_end(0), cores.from_end(1), cores.from_end(9)), (2, 7, 5, 2));
}

#[test]
fn this_machine_has_cores() {
    let cores = available_cores();
    assert!(!cores.ids.is_empty());
    assert!((1..=cores.ids.len()).contains(&cores.usable()));
}
