//! The control groups (v2 and v1) that this process lies in, and what limits they set.

use std::path::{Path, PathBuf};

/// What `limit` finds in the groups of this process and in all above them, in every hierarchy that has `controller`. `read`
/// gives a file's text. `None` where the kernel does not say the groups.
pub(crate) fn limits<T>(
    controller: &str,
    read: &dyn Fn(&Path) -> Option<String>,
    limit: &dyn Fn(&Mount<'_>, &Path) -> Option<T>,
) -> Option<Vec<T>> {
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let mut found = Vec::new();
    for mount in mounts.lines().filter_map(|line| Mount::parse(line, controller)) {
        let group = mount.group_of(&groups, controller);
        found.extend(ancestors(&mount, group.as_deref()).filter_map(|folder| limit(&mount, &folder)));
    }
    Some(found)
}

/// A mounted hierarchy of control groups that may hold limits.
pub(crate) struct Mount<'a> {
    /// The group that the mount point shows (`/` outside containers).
    root: &'a str,
    point: &'a str,
    /// True for the unified hierarchy.
    pub(crate) v2: bool,
}

impl<'a> Mount<'a> {
    /// From a line of `/proc/self/mountinfo`: `id parent device root point options … - type source super-options`.
    fn parse(line: &'a str, controller: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let v2 = match right.next()? {
            "cgroup2" => true,
            "cgroup" if right.nth(1)?.split(',').any(|option| option == controller) => false,
            _ => return None,
        };
        Some(Self { root, point, v2 })
    }

    /// This process's group in the hierarchy, from `/proc/self/cgroup`: `0::/path` (v2), `n:cpu,cpuacct:/path` (v1).
    fn group_of(&self, groups: &str, controller: &str) -> Option<String> {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let matches = if self.v2 {
                number == "0" && controllers.is_empty()
            } else {
                controllers.split(',').any(|name| name == controller)
            };
            matches.then(|| path.to_owned())
        })
    }
}

/// The folders of a group and of all groups above it, down to the mount point.
fn ancestors(mount: &Mount<'_>, group: Option<&str>) -> impl Iterator<Item = PathBuf> + use<> {
    let point = PathBuf::from(mount.point);
    let below = group.unwrap_or("/");
    // In a container the mount point already shows the group, and its path may be the host's.
    let below = below.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or("");
    let folder = point.join(below.trim_start_matches('/'));
    let folders: Vec<PathBuf> =
        folder.ancestors().take_while(|folder| folder.starts_with(&point)).map(Path::to_path_buf).collect();
    folders.into_iter()
}
