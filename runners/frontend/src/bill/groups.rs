//! Usage of control groups, in version 1 and 2.
//!
//! The files stay open: a read at their beginning yields the present figures. One bill takes a
//! few reads of some ten microseconds each, because the kernel writes text.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Peak, Usage};

/// The control groups of one instance.
pub(crate) struct Groups {
    cpu: File,
    /// Nanoseconds in a unit of the file's number.
    cpu_unit_ns: u64,
    /// The ids of the group's processes. Their faults are exact; those of a group may lag
    /// behind until enough have come together.
    processes: File,
    /// The memory's peak; `None` if there is no such file.
    peak: Option<File>,
    /// Whether a new peak was begun.
    is_peak_new: bool,
}

impl Groups {
    /// Opens the files of these groups.
    ///
    /// # Errors
    /// If none of them counts CPU time.
    pub(crate) fn open(folders: &[impl AsRef<Path>]) -> io::Result<Self> {
        let find = |name: &str| {
            let opened = folders.iter().map(|folder| File::open(folder.as_ref().join(name)));
            opened.reduce(Result::or).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
        };
        let (cpu, cpu_unit_ns) = match find("cpuacct.usage") {
            Ok(file) => (file, 1),
            Err(_) => (find("cpu.stat")?, 1_000),
        };
        let mut peak = folders.iter().flat_map(|folder| {
            ["memory.max_usage_in_bytes", "memory.peak"].map(|name| folder.as_ref().join(name))
        });
        let open_peak =
            |path| OpenOptions::new().read(true).write(true).open(&path).or_else(|_| File::open(&path)).ok();
        let peak = peak.find_map(open_peak);
        Ok(Self { cpu, cpu_unit_ns, processes: find("cgroup.procs")?, peak, is_peak_new: false })
    }

    /// The usage since the groups were made.
    pub(crate) fn read(&self) -> io::Result<Usage> {
        let text = Text::read(&self.cpu)?;
        // Version 2 has a field on each line, and `usage_usec` on the first.
        let number = text.as_str()?.strip_prefix("usage_usec ").unwrap_or(text.as_str()?);
        let number = number.lines().next().unwrap_or_default();
        let cpu: u64 = number.trim().parse().map_err(|_| invalid(number))?;
        let mut usage = Usage { cpu_ns: cpu * self.cpu_unit_ns, ..Usage::default() };
        for process in Text::read(&self.processes)?.as_str()?.lines() {
            // A process that has just ended has handed its faults on to its parent.
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
            let (minor, major) = faults(&stat).ok_or_else(|| invalid(&stat))?;
            usage.minor_faults += minor;
            usage.major_faults += major;
        }
        Ok(usage)
    }

    /// Begins a new peak of memory, if the kernel lets this process: version 2 since Linux 6.12.
    pub(crate) fn begin_peak(&mut self) {
        self.is_peak_new = self.peak.as_ref().is_some_and(|file| file.write_at(b"0\n", 0).is_ok());
    }

    /// The peak of memory with the kernel's memory for the group and its cached file pages.
    pub(crate) fn peak(&self) -> Peak {
        let Some(file) = &self.peak else { return Peak::Unknown("its control group counts no peak") };
        let read = || Text::read(file).ok()?.as_str().ok()?.trim().parse().ok();
        match read() {
            Some(bytes) if self.is_peak_new => Peak::Invocation(bytes),
            Some(bytes) => Peak::Instance(bytes),
            None => Peak::Unknown("its control group cannot be read"),
        }
    }
}

/// The minor and major faults of a process, and of its children that have ended: fields 10 to 13
/// of `/proc/PID/stat` (proc(5)). Fields are counted behind the command, which is in
/// parentheses and may itself hold any character.
pub(super) fn faults(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(7);
    let mut next = || fields.next()?.parse::<u64>().ok();
    let [minor, minor_of_children, major, major_of_children] = [next()?, next()?, next()?, next()?];
    Some((minor + minor_of_children, major + major_of_children))
}

/// The first bytes of a file, which hold all that is needed.
struct Text {
    bytes: [u8; 4096],
    len: usize,
}

impl Text {
    fn read(file: &File) -> io::Result<Self> {
        let mut text = Self { bytes: [0; 4096], len: 0 };
        text.len = file.read_at(&mut text.bytes, 0)?;
        Ok(text)
    }

    fn as_str(&self) -> io::Result<&str> {
        std::str::from_utf8(&self.bytes[..self.len]).map_err(|_| invalid("not a text"))
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{text}` in a file of a control group"))
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

    fn own_id() -> String {
        format!("{}\n", std::process::id())
    }

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let cpu = folder(&[("cpuacct.usage", "123456789\n"), ("cgroup.procs", &own_id())]);
        let memory = folder(&[("memory.max_usage_in_bytes", "7\n")]);
        let mut groups = Groups::open(&[memory.path(), cpu.path()]).unwrap();
        let usage = groups.read().unwrap();
        assert_eq!(usage.cpu_ns, 123_456_789);
        assert!(usage.minor_faults > 0, "{usage:?}");
        assert_eq!(groups.peak(), Peak::Instance(7));
        groups.begin_peak();
        assert!(matches!(groups.peak(), Peak::Invocation(_)));
    }

    #[test]
    fn version_2_has_one_folder_for_all() {
        let group = folder(&[
            ("cpu.stat", "usage_usec 2500\nuser_usec 2000\nsystem_usec 500\n"),
            ("cgroup.procs", ""),
        ]);
        let groups = Groups::open(&[group.path()]).unwrap();
        let expected = Usage { cpu_ns: 2_500_000, ..Usage::default() };
        assert_eq!(groups.read().unwrap(), expected);
        assert!(matches!(groups.peak(), Peak::Unknown(_)));
    }

    #[test]
    fn a_group_that_is_gone_or_not_a_group_is_an_error() {
        assert!(Groups::open(&["/nonexistent/group"]).is_err());
        assert!(Groups::open(&[] as &[&str]).is_err());
        let group = folder(&[("cpuacct.usage", "many\n"), ("cgroup.procs", "")]);
        let error = Groups::open(&[group.path()]).unwrap().read().unwrap_err();
        assert!(error.to_string().contains("many"), "{error}");
    }

    #[test]
    fn faults_are_found_behind_any_command() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 20 3 4 1 1 0 0 20 0 1 0 4242 0\n";
        assert_eq!(faults(stat), Some((120, 7)));
        assert_eq!(faults("7 (a) S 1"), None);
    }
}
