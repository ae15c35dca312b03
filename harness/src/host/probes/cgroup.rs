//! Memory and CPU time of a control group, in version 1 and 2.

use std::io;
use std::path::Path;
use std::time::Duration;

/// Bytes that a group's processes hold, without inactive file pages, as in `docker stats`.
/// `None` if `folder` belongs to a controller that does not count memory.
pub fn memory_bytes(folder: &Path) -> io::Result<Option<u64>> {
    let (usage, inactive) = if folder.join("memory.current").exists() {
        ("memory.current", "inactive_file")
    } else if folder.join("memory.usage_in_bytes").exists() {
        ("memory.usage_in_bytes", "total_inactive_file")
    } else {
        return Ok(None);
    };
    let usage = number(folder, usage)?;
    let inactive = field(folder, "memory.stat", inactive)?;
    Ok(Some(usage.saturating_sub(inactive)))
}

/// The processes in a group; none if it is gone.
pub fn processes(folder: &Path) -> Vec<u32> {
    let list = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|process| process.parse().ok()).collect()
}

/// CPU time of a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// User and system time together.
    pub total: Duration,
    /// Time in the processes' own code.
    pub user: Duration,
    /// Time in the kernel on their behalf.
    pub system: Duration,
}

/// CPU time that a group has used since it was made, with all groups below it, even those that
/// are gone. `None` if `folder` belongs to a controller that does not count CPU time.
pub fn cpu_time(folder: &Path) -> io::Result<Option<CpuTime>> {
    if folder.join("cpuacct.usage").exists() {
        let read = |file| io::Result::Ok(Duration::from_nanos(number(folder, file)?));
        let (total, user, system) = ("cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys");
        return Ok(Some(CpuTime { total: read(total)?, user: read(user)?, system: read(system)? }));
    }
    // Version 2 has the file in every group, but the fields only where the controller is on.
    if folder.join("cpu.stat").exists() && folder.join("cgroup.controllers").exists() {
        let read = |name| io::Result::Ok(Duration::from_micros(field(folder, "cpu.stat", name)?));
        let (total, user, system) = ("usage_usec", "user_usec", "system_usec");
        return Ok(Some(CpuTime { total: read(total)?, user: read(user)?, system: read(system)? }));
    }
    Ok(None)
}

fn number(folder: &Path, file: &str) -> io::Result<u64> {
    let path = folder.join(file);
    parse(std::fs::read_to_string(&path)?.trim(), &path)
}

fn field(folder: &Path, file: &str, name: &str) -> io::Result<u64> {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    parse(value.ok_or_else(|| invalid(&path, &format!("no field `{name}`")))?.trim(), &path)
}

fn parse(text: &str, path: &Path) -> io::Result<u64> {
    text.parse().map_err(|_| invalid(path, &format!("`{text}` is not a number")))
}

fn invalid(path: &Path, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let memory = folder(&[
            ("memory.usage_in_bytes", "7000000\n"),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 4000000\ntotal_active_file 9\n"),
        ]);
        assert_eq!(memory_bytes(memory.path()).unwrap(), Some(3_000_000));
        assert_eq!(cpu_time(memory.path()).unwrap(), None);

        let cpu = folder(&[
            ("cpuacct.usage", "123456789\n"),
            ("cpuacct.usage_user", "100000000\n"),
            ("cpuacct.usage_sys", "23456789\n"),
        ]);
        let [total, user, system] = [123_456_789, 100_000_000, 23_456_789].map(Duration::from_nanos);
        assert_eq!(cpu_time(cpu.path()).unwrap(), Some(CpuTime { total, user, system }));
        assert_eq!(memory_bytes(cpu.path()).unwrap(), None);
    }

    #[test]
    fn version_2_has_one_folder_for_all() {
        let group = folder(&[
            ("cgroup.controllers", "cpu memory pids\n"),
            ("memory.current", "5000000\n"),
            ("memory.stat", "anon 1\ninactive_file_x 7\ninactive_file 1000000\n"),
            ("cpu.stat", "usage_usec 2500\nuser_usec 2000\nsystem_usec 500\n"),
        ]);
        assert_eq!(memory_bytes(group.path()).unwrap(), Some(4_000_000));
        let [total, user, system] = [2_500, 2_000, 500].map(Duration::from_micros);
        assert_eq!(cpu_time(group.path()).unwrap(), Some(CpuTime { total, user, system }));
    }

    #[test]
    fn a_group_without_the_field_is_an_error_that_names_the_file() {
        let group = folder(&[("memory.current", "1"), ("memory.stat", "anon 1\n")]);
        let error = memory_bytes(group.path()).unwrap_err().to_string();
        assert!(error.contains("memory.stat") && error.contains("inactive_file"), "{error}");
    }

    #[test]
    fn a_group_that_is_gone_counts_nothing() {
        assert_eq!(memory_bytes(Path::new("/nonexistent/group")).unwrap(), None);
    }
}
