//! Usage of the processes of an instance that has no control group.

use std::io;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::Usage;
use super::groups::faults;

/// The usage of these processes since they began: of all their threads, even those that have ended.
///
/// # Errors
/// If one of them has ended.
pub(crate) fn read(processes: &[u32]) -> io::Result<Usage> {
    let mut usage = Usage::default();
    for process in processes {
        let clock = clock_getcpuclockid(Pid::from_raw(process.cast_signed()))?;
        let time = clock_gettime(clock)?;
        usage.cpu_ns += time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned();
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let (minor, major) = faults(&stat).ok_or(io::ErrorKind::InvalidData)?;
        usage.minor_faults += minor;
        usage.major_faults += major;
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_computes_is_counted_and_one_that_is_gone_is_an_error() {
        let own = [std::process::id()];
        let before = read(&own).unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(5) {}
        let after = read(&own).unwrap();
        assert!(after.cpu_ns >= before.cpu_ns + 1_000_000, "{before:?} {after:?}");
        assert!(read(&[u32::MAX >> 1]).is_err());
    }
}
