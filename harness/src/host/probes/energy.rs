//! Energy of the processor packages, counted by RAPL and shown in Linux's power capping
//! framework (`Documentation/power/powercap/powercap.rst`).

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the kernel's energy counters.
const FOLDER: &str = "/sys/class/powercap";

/// The counters of all packages.
#[derive(Clone, Debug, Default)]
pub struct Packages(Vec<Package>);

#[derive(Clone, Debug)]
struct Package {
    counter: PathBuf,
    /// The value after which the counter starts again from 0.
    range_uj: u64,
}

/// A reading of the counters, package by package, in microjoules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading(Vec<u64>);

impl Packages {
    /// The counters of this host, or the reason why there are none.
    pub fn find() -> Result<Self, String> {
        Self::within(Path::new(FOLDER))
    }

    fn within(folder: &Path) -> Result<Self, String> {
        let entries = fs::read_dir(folder).map_err(|_| "this host shows no energy counters".to_owned())?;
        let mut packages = Vec::new();
        for entry in entries.flatten().filter(|entry| is_package(&entry.file_name().to_string_lossy())) {
            let counter = entry.path().join("energy_uj");
            number(&counter).map_err(|error| format!("cannot read {}: {error}", counter.display()))?;
            let range_uj = number(&entry.path().join("max_energy_range_uj")).unwrap_or(u64::MAX);
            packages.push(Package { counter, range_uj });
        }
        packages.sort_by(|a, b| a.counter.cmp(&b.counter));
        if packages.is_empty() {
            Err("this host shows no energy counters".into())
        } else {
            Ok(Self(packages))
        }
    }

    /// Reads all counters.
    pub fn read(&self) -> std::io::Result<Reading> {
        self.0.iter().map(|package| number(&package.counter)).collect::<Result<_, _>>().map(Reading)
    }

    /// Energy between two readings, in microjoules, if no counter overflowed more than once.
    pub fn between(&self, earlier: &Reading, later: &Reading) -> u64 {
        let each = self.0.iter().zip(earlier.0.iter().zip(&later.0));
        each.map(|(package, (earlier, later))| {
            later.checked_sub(*earlier).unwrap_or_else(|| package.range_uj - earlier + later)
        })
        .sum()
    }
}

/// `intel-rapl:0` is a package (AMD's have the same name), `intel-rapl:0:0` a part of one.
fn is_package(name: &str) -> bool {
    name.strip_prefix("intel-rapl:").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn number(path: &Path) -> std::io::Result<u64> {
    let invalid = |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    fs::read_to_string(path)?.trim().parse().map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_summed_and_counters_may_overflow() {
        let folder = tempfile::tempdir().unwrap();
        let set = |name: &str, energy: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("energy_uj"), format!("{energy}\n")).unwrap();
            fs::write(path.join("max_energy_range_uj"), "1000\n").unwrap();
        };
        set("intel-rapl:0", 100);
        set("intel-rapl:1", 900);
        set("intel-rapl:0:0", 7);
        let packages = Packages::within(folder.path()).unwrap();
        let earlier = packages.read().unwrap();
        set("intel-rapl:0", 150);
        set("intel-rapl:1", 20);
        assert_eq!(packages.between(&earlier, &packages.read().unwrap()), 50 + 120);
    }

    #[test]
    fn a_host_without_counters_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Packages::within(folder.path()).unwrap_err().contains("no energy counters"));
        assert!(Packages::within(&folder.path().join("none")).is_err());
    }
}
