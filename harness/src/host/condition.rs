//! Whether a host is fit to measure on.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use procfs::{CurrentSI, KernelStats};

/// How long to watch the processors before a run.
const WATCHED: Duration = Duration::from_millis(500);
/// Share of all processor time that other processes may use, in percent.
const BUSY_PERCENT: u64 = 10;
/// Share of all processor time that a hypervisor may take away, in percent.
const STOLEN_PERCENT: u64 = 2;

/// Reasons why this host is not fit to measure on now; none if it is. Watches the processors
/// for half a second.
pub fn warnings() -> Vec<String> {
    let mut warnings = busy(Times::now(), || {
        thread::sleep(WATCHED);
        Times::now()
    });
    warnings.extend(governors(Path::new("/sys/devices/system/cpu")));
    warnings
}

/// Time of all processors together, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    all: u64,
    idle: u64,
    stolen: u64,
}

impl Times {
    /// None if the kernel does not show them.
    fn now() -> Option<Self> {
        let total = KernelStats::current().ok()?.total;
        let idle = total.idle + total.iowait.unwrap_or_default();
        let stolen = total.steal.unwrap_or_default();
        let busy = total.user + total.nice + total.system;
        let interrupts = total.irq.unwrap_or_default() + total.softirq.unwrap_or_default();
        Some(Self { all: idle + stolen + busy + interrupts, idle, stolen })
    }
}

fn busy(earlier: Option<Times>, later: impl FnOnce() -> Option<Times>) -> Vec<String> {
    let Some((earlier, later)) = earlier.zip(later()) else {
        return vec!["the kernel does not show how busy the host is".into()];
    };
    let all = later.all.saturating_sub(earlier.all).max(1);
    let stolen = later.stolen.saturating_sub(earlier.stolen) * 100 / all;
    let idle = later.idle.saturating_sub(earlier.idle) * 100 / all;
    let busy = 100_u64.saturating_sub(idle + stolen);
    let mut warnings = Vec::new();
    if busy > BUSY_PERCENT {
        warnings.push(format!("other processes used {busy} % of the processors before the run"));
    }
    if stolen > STOLEN_PERCENT {
        warnings.push(format!("the hypervisor took {stolen} % of the processors away before the run"));
    }
    warnings
}

/// A warning if a processor's frequency follows its load. Virtual machines have no governor.
fn governors(processors: &Path) -> Option<String> {
    let entries = fs::read_dir(processors).ok()?;
    let governor = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("cpufreq/scaling_governor")).ok()?;
        Some(text.trim().to_owned())
    };
    let slow = entries.flatten().filter_map(governor).find(|governor| governor != "performance")?;
    Some(format!("the frequency governor is `{slow}` instead of `performance`: the speed follows the load"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_host_and_a_busy_hypervisor_are_reported() {
        let later =
            |idle, stolen| busy(Some(Times::default()), move || Some(Times { all: 100, idle, stolen }));
        assert_eq!(later(95, 0), Vec::<String>::new());
        assert!(later(60, 0)[0].contains("40 %"));
        assert_eq!(later(50, 45).len(), 1, "stolen time is not the work of other processes");
        assert_eq!(busy(None, || None).len(), 1);
    }

    #[test]
    fn a_governor_that_saves_power_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let set = |cpu: &str, governor: &str| {
            let path = folder.path().join(cpu).join("cpufreq");
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("scaling_governor"), governor).unwrap();
        };
        assert_eq!(governors(folder.path()), None, "there is no governor");
        set("cpu0", "performance\n");
        assert_eq!(governors(folder.path()), None);
        set("cpu1", "powersave\n");
        assert!(governors(folder.path()).unwrap().contains("`powersave`"));
    }
}
