//! The resident set of a process.

use std::fs;

/// Has the kernel begin a new peak of a process's resident set (`clear_refs` in proc(5)).
pub fn watch(process: u32) {
    // The peak then includes what the process held before, which it may.
    let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
}

/// The peak of a process's resident set in bytes: `VmHWM` of `/proc/PID/status` (proc(5)).
pub fn peak(process: u32) -> Result<u64, &'static str> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or("its process has ended")
}
