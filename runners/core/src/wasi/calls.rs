//! The functions of WASI by the names under which modules import them.
//!
//! Names and parameters: <https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md>.

use super::{End, Errno, Memory, Outcome, Refusal, Wasi, put_sizes, put_texts};
use crate::Cause;

/// The name of the module that these functions are imported from.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// The function that waits. A module that does not import it computes from its beginning to its end.
pub const POLL: &str = "poll_oneoff";

/// The most parameters of a function (`path_open`).
pub const PARAMETERS: usize = 9;

/// A function with the values that the guest passed, smaller integers extended by zeros. It
/// reads a missing value as 0. All functions but `proc_exit` return an [`Errno`] to the guest.
pub type Call = fn(&mut Wasi, &mut Memory<'_>, &[u64]) -> Outcome;

/// Functions on files and sockets. All of them fail with `EBADF`.
const ON_DESCRIPTORS: &[&str] = &[
    "fd_advise",
    "fd_allocate",
    "fd_datasync",
    "fd_fdstat_set_rights",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_readdir",
    "fd_renumber",
    "fd_sync",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Functions that do something.
const CALLS: &[(&str, Call)] = &[
    ("args_get", |wasi, memory, values| put_texts(&wasi.arguments, memory, word(values, 0), word(values, 1))),
    ("args_sizes_get", |wasi, memory, values| {
        put_sizes(&wasi.arguments, memory, word(values, 0), word(values, 1))
    }),
    ("clock_res_get", |_, memory, values| Wasi::clock_res_get(memory, word(values, 0), word(values, 1))),
    // The second value is a precision.
    ("clock_time_get", |_, memory, values| Wasi::clock_time_get(memory, word(values, 0), word(values, 2))),
    ("environ_get", |wasi, memory, values| {
        put_texts(&wasi.environment, memory, word(values, 0), word(values, 1))
    }),
    ("environ_sizes_get", |wasi, memory, values| {
        put_sizes(&wasi.environment, memory, word(values, 0), word(values, 1))
    }),
    ("fd_close", |_, _, values| Wasi::on_stream(word(values, 0), Errno::Success)),
    ("fd_fdstat_get", |_, memory, values| Wasi::fd_fdstat_get(memory, word(values, 0), word(values, 1))),
    ("fd_fdstat_set_flags", |_, _, values| Wasi::on_stream(word(values, 0), Errno::Success)),
    ("fd_filestat_get", |_, memory, values| Wasi::fd_filestat_get(memory, word(values, 0), word(values, 1))),
    ("fd_read", |wasi, memory, values| {
        wasi.fd_read(memory, word(values, 0), word(values, 1), word(values, 2), word(values, 3))
    }),
    ("fd_seek", |_, _, values| Wasi::on_stream(word(values, 0), Errno::Spipe)),
    ("fd_tell", |_, _, values| Wasi::on_stream(word(values, 0), Errno::Spipe)),
    ("fd_write", |wasi, memory, values| {
        wasi.fd_write(memory, word(values, 0), word(values, 1), word(values, 2), word(values, 3))
    }),
    (POLL, |wasi, memory, values| wasi.poll_oneoff(memory, [0, 1, 2, 3].map(|index| word(values, index)))),
    ("proc_exit", |_, _, values| Err(Refusal::End(End::Exit(word(values, 0))))),
    ("proc_raise", |_, _, _| Err(Errno::Nosys.into())),
    ("random_get", |_, memory, values| Wasi::random(memory, word(values, 0), word(values, 1))),
    ("sched_yield", |_, _, _| Ok(())),
];

/// The function with this name, if WASI has it.
pub fn find(name: &str) -> Option<Call> {
    let found = CALLS.iter().find(|(known, _)| *known == name).map(|(_, call)| *call);
    found.or_else(|| fails(name).then_some(bad_descriptor as Call))
}

/// The function that a module imports.
///
/// # Errors
/// If it comes from elsewhere than WASI, or WASI has none of that name.
pub fn import(module: &str, name: &str) -> Result<Call, Cause> {
    if module != MODULE {
        let reason = format!("the module imports `{module}.{name}`, but it can import from `{MODULE}` only");
        return Err(Cause::Artifact(reason));
    }
    let unknown = || Cause::Artifact(format!("the module imports `{name}`, which WASI does not have"));
    find(name).ok_or_else(unknown)
}

/// Whether the function with this name fails with `EBADF`, whatever it is given.
pub fn fails(name: &str) -> bool {
    ON_DESCRIPTORS.contains(&name)
}

fn bad_descriptor(_: &mut Wasi, _: &mut Memory<'_>, _: &[u64]) -> Outcome {
    Err(Errno::Badf.into())
}

/// A value of 32 bits.
fn word(values: &[u64], index: usize) -> u32 {
    values.get(index).map_or(0, |value| *value as u32)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::wasi::Stdout;

    fn call(name: &str, bytes: &mut [u8], values: &[u64]) -> Outcome {
        let mut wasi = Wasi::new(Stdout::Console, Instant::now());
        find(name).unwrap()(&mut wasi, &mut Memory(bytes), values)
    }

    #[test]
    fn values_reach_the_function_of_the_name() {
        let mut bytes = vec![0xff; 32];
        assert_eq!(call("environ_sizes_get", &mut bytes, &[8, 0]), Ok(()));
        assert_eq!((&bytes[..4], &bytes[8..12]), ([0; 4].as_slice(), [0; 4].as_slice()));
        assert_eq!(call("clock_time_get", &mut bytes, &[0, 0, 16]), Ok(()));
        assert_ne!(bytes[16..24], [0xff; 8]);
        assert_eq!(call("proc_exit", &mut bytes, &[3]), Err(Refusal::End(End::Exit(3))));
    }

    #[test]
    fn arguments_and_environment_are_written_with_their_addresses() {
        let mut wasi = Wasi::new(Stdout::Console, Instant::now());
        wasi.set_arguments(vec![b"me".to_vec(), Vec::new()]);
        wasi.set_environment(vec![b"a=b".to_vec()]);
        let mut bytes = vec![0xff; 64];
        let mut call =
            |name: &str, values: &[u64]| find(name).unwrap()(&mut wasi, &mut Memory(&mut bytes), values);
        assert_eq!(call("args_sizes_get", &[0, 4]), Ok(()));
        assert_eq!(call("args_get", &[8, 32]), Ok(()));
        assert_eq!(call("environ_sizes_get", &[16, 20]), Ok(()));
        assert_eq!(call("environ_get", &[24, 40]), Ok(()));
        for (name, values) in [("args_get", [62, 0]), ("args_get", [0, 62]), ("environ_get", [0, 63])] {
            assert_eq!(call(name, &values), Err(Errno::Fault.into()), "{name} {values:?}");
        }
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([16, 20, 24].map(number), [1, 4, 40]);
        assert_eq!(&bytes[32..36], b"me\0\0");
        assert_eq!(&bytes[40..44], b"a=b\0");
    }

    #[test]
    fn missing_values_and_memory_are_errors_of_the_guest() {
        assert_eq!(call("fd_write", &mut [], &[1, 0, 1, 0]), Err(Errno::Fault.into()));
        assert_eq!(call("clock_time_get", &mut [], &[]), Err(Errno::Fault.into()));
        assert_eq!(call("path_open", &mut [], &[]), Err(Errno::Badf.into()));
        assert!(find("fd_unknown").is_none());
    }

    #[test]
    fn only_functions_of_wasi_can_be_imported() {
        assert!(import(MODULE, "fd_write").is_ok());
        for (module, name) in [("env", "fd_write"), (MODULE, "fd_unknown")] {
            let Err(Cause::Artifact(reason)) = import(module, name) else { panic!("{module}.{name}") };
            assert!(reason.contains(name), "{reason}");
        }
    }
}
