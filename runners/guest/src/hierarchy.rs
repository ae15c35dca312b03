//! The mounted hierarchies of control groups, and the folders of groups in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The controllers whose figures the harness reads.
const CONTROLLERS: [&str; 2] = ["memory", "cpuacct"];

/// The mounts of this process, as `/proc/self/mountinfo` (proc(5)) lists them; empty if it cannot
/// be read.
pub fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// The root folders of all mounted hierarchies of control groups.
pub fn roots() -> Vec<PathBuf> {
    mounts().lines().filter_map(|line| Some(PathBuf::from(Mount::parse(line)?.point))).collect()
}

/// The root folder of the hierarchy with this controller, of version 1 or else of version 2. `mounts` is
/// `/proc/self/mountinfo` (proc(5)).
pub fn root(controller: &str, mounts: &str) -> Option<PathBuf> {
    let mounts: Vec<Mount<'_>> = mounts.lines().filter_map(Mount::parse).collect();
    let of_version_1 = mounts.iter().find(|mount| mount.has(controller));
    let mount = of_version_1.or_else(|| {
        mounts.iter().find(|mount| {
            // The other controllers of a mixed host are those of version 1.
            let file = Path::new(mount.point).join("cgroup.controllers");
            let listed = fs::read_to_string(file).unwrap_or_default();
            mount.kind == "cgroup2" && listed.split_ascii_whitespace().any(|it| it == controller)
        })
    })?;
    Some(PathBuf::from(mount.point))
}

/// The folders of a process's control groups: one for each controller in version 1,
/// one for all in version 2. `membership` is `/proc/PID/cgroup` (cgroups(7)),
/// `mounts` is `/proc/self/mountinfo` (proc(5)).
pub fn folders(membership: &str, mounts: &str) -> BTreeSet<PathBuf> {
    let mounts: Vec<Mount<'_>> = mounts.lines().filter_map(Mount::parse).collect();
    CONTROLLERS.iter().filter_map(|controller| folder(controller, membership, &mounts)).collect()
}

fn folder(controller: &str, membership: &str, mounts: &[Mount<'_>]) -> Option<PathBuf> {
    // Each line is `number:controllers:path`; version 2 has the number 0 and no controllers.
    let groups = || membership.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let of_version_1 = groups().find(|(controllers, _)| controllers.split(',').any(|it| it == controller));
    if let Some((_, path)) = of_version_1 {
        return mounts.iter().find(|mount| mount.has(controller))?.folder(path);
    }
    let (_, path) = groups().find(|(controllers, _)| controllers.is_empty())?;
    mounts.iter().find(|mount| mount.kind == "cgroup2")?.folder(path)
}

/// A mounted hierarchy of control groups.
struct Mount<'a> {
    kind: &'a str,
    /// The group that is mounted: `/`, unless this process is in a container too.
    root: &'a str,
    point: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (place, device) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut device = device.split(' ');
        let (kind, options) = (device.next()?, device.nth(1)?);
        kind.starts_with("cgroup").then_some(Self { kind, root, point, options })
    }

    fn has(&self, controller: &str) -> bool {
        self.kind == "cgroup" && self.options.split(',').any(|option| option == controller)
    }

    fn folder(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(self.root).ok()?;
        Some(Path::new(self.point).join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4be7d9a0c6";

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let membership =
            format!("6:memory:/docker/{ID}\n3:cpu,cpuacct:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/\n");
        let mounts = "29 23 0:25 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
                      31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
                      34 29 0:30 / /sys/fs/cgroup/memory rw,nosuid shared:12 - cgroup cgroup rw,memory\n\
                      38 29 0:34 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n";
        let expected = ["/sys/fs/cgroup/cpu,cpuacct/docker/", "/sys/fs/cgroup/memory/docker/"];
        assert_eq!(
            folders(&membership, mounts),
            expected.map(|folder| PathBuf::from(format!("{folder}{ID}"))).into()
        );
    }

    #[test]
    fn version_2_has_one_folder() {
        let membership = format!("0::/system.slice/docker-{ID}.scope\n");
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let expected = PathBuf::from(format!("/sys/fs/cgroup/system.slice/docker-{ID}.scope"));
        assert_eq!(folders(&membership, mounts), BTreeSet::from([expected]));
    }

    #[test]
    fn a_hierarchy_mounted_in_part_shows_only_the_groups_below() {
        let mounts = "30 23 0:26 /docker/outer /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let expected = BTreeSet::from([PathBuf::from("/sys/fs/cgroup/docker/inner")]);
        assert_eq!(folders("0::/docker/outer/docker/inner\n", mounts), expected);
        assert_eq!(folders("0::/docker/elsewhere\n", mounts), BTreeSet::new());
        assert_eq!(folders("", ""), BTreeSet::new());
    }
}
