//! The functions of WASI, under the names that wasm2c gives to a module's imports.
//!
//! The first argument of each function stands for the imported instance, and these functions have none.

use std::cell::RefCell;
use std::ffi::c_void;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::process;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use isolab_core::wasi::calls::{self, Call};
use isolab_core::wasi::{Buffer, End, Errno, Memory, Outcome, Refusal, Stdout, Wasi};

use crate::module;

/// A sleep ends with the process: its host knows the deadline.
const NEVER: Duration = Duration::from_hours(365 * 24);

/// Environment variables of the server, and not of its function.
const OWN: [&[u8]; 2] = [b"ISOLAB_", b"PORT="];

thread_local! {
    static WASI: RefCell<Wasi> = RefCell::new(Wasi::new(Stdout::Console, Instant::now() + NEVER));
}

/// Gives the module its arguments, of which the first is the program's name, and the environment of this process.
pub(crate) fn begin(arguments: Vec<Vec<u8>>) {
    let variables = std::env::vars_os().map(|(name, value)| {
        let (mut name, value) = (name.into_vec(), value.into_vec());
        name.push(b'=');
        name.extend(value);
        name
    });
    let granted = variables.filter(|variable| !OWN.iter().any(|own| variable.starts_with(own)));
    WASI.with_borrow_mut(|wasi| {
        wasi.set_environment(granted.collect());
        wasi.set_arguments(arguments);
    });
}

fn call(function: Call, values: &[u64]) -> u32 {
    finish(WASI.with_borrow_mut(|wasi| function(wasi, &mut Memory(module::memory()), values)))
}

/// The number for the module, unless it ends here.
fn finish(outcome: Outcome) -> u32 {
    match outcome {
        Ok(()) => Errno::Success as u32,
        Err(Refusal::Errno(errno)) => errno as u32,
        Err(Refusal::End(End::Exit(code))) => process::exit(code.cast_signed()),
        Err(Refusal::End(end)) => {
            eprintln!("{end}");
            process::abort()
        }
    }
}

macro_rules! imports {
    ($($name:ident($($value:ident: $kind:ty),*);)*) => {
        $(
            #[unsafe(export_name = concat!("Z_wasi_snapshot_preview1Z_", stringify!($name)))]
            extern "C" fn $name(_: *const c_void, $($value: $kind),*) -> u32 {
                static CALL: LazyLock<Call> =
                    LazyLock::new(|| calls::find(stringify!($name)).expect("a function of WASI"));
                call(*CALL, &[$(u64::from($value)),*])
            }
        )*
    };
}

// Without those below.
imports! {
    args_get(a: u32, b: u32);
    args_sizes_get(a: u32, b: u32);
    clock_res_get(a: u32, b: u32);
    clock_time_get(a: u32, b: u64, c: u32);
    environ_get(a: u32, b: u32);
    environ_sizes_get(a: u32, b: u32);
    fd_advise(a: u32, b: u64, c: u64, d: u32);
    fd_allocate(a: u32, b: u64, c: u64);
    fd_close(a: u32);
    fd_datasync(a: u32);
    fd_fdstat_get(a: u32, b: u32);
    fd_fdstat_set_flags(a: u32, b: u32);
    fd_fdstat_set_rights(a: u32, b: u64, c: u64);
    fd_filestat_get(a: u32, b: u32);
    fd_filestat_set_size(a: u32, b: u64);
    fd_filestat_set_times(a: u32, b: u64, c: u64, d: u32);
    fd_pread(a: u32, b: u32, c: u32, d: u64, e: u32);
    fd_prestat_dir_name(a: u32, b: u32, c: u32);
    fd_prestat_get(a: u32, b: u32);
    fd_pwrite(a: u32, b: u32, c: u32, d: u64, e: u32);
    fd_read(a: u32, b: u32, c: u32, d: u32);
    fd_readdir(a: u32, b: u32, c: u32, d: u64, e: u32);
    fd_renumber(a: u32, b: u32);
    fd_seek(a: u32, b: u64, c: u32, d: u32);
    fd_sync(a: u32);
    fd_tell(a: u32, b: u32);
    path_create_directory(a: u32, b: u32, c: u32);
    path_filestat_get(a: u32, b: u32, c: u32, d: u32, e: u32);
    path_filestat_set_times(a: u32, b: u32, c: u32, d: u32, e: u64, f: u64, g: u32);
    path_link(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32);
    path_open(a: u32, b: u32, c: u32, d: u32, e: u32, f: u64, g: u64, h: u32, i: u32);
    path_readlink(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32);
    path_remove_directory(a: u32, b: u32, c: u32);
    path_rename(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32);
    path_symlink(a: u32, b: u32, c: u32, d: u32, e: u32);
    path_unlink_file(a: u32, b: u32, c: u32);
    poll_oneoff(a: u32, b: u32, c: u32, d: u32);
    proc_exit(a: u32);
    proc_raise(a: u32);
    sched_yield();
    sock_accept(a: u32, b: u32, c: u32);
    sock_recv(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32);
    sock_send(a: u32, b: u32, c: u32, d: u32, e: u32);
    sock_shutdown(a: u32, b: u32);
}

/// Writes to a standard stream of this process, which the host reads.
#[unsafe(export_name = "Z_wasi_snapshot_preview1Z_fd_write")]
extern "C" fn fd_write(_: *const c_void, descriptor: u32, vectors: u32, count: u32, written: u32) -> u32 {
    let mut memory = Memory(module::memory());
    let write = |memory: &mut Memory<'_>| -> Outcome {
        let buffer = memory.first_buffer(vectors, count)?;
        let bytes = memory.buffer(buffer)?;
        let io = match descriptor {
            1 => std::io::stdout().write_all(bytes),
            2 => std::io::stderr().write_all(bytes),
            _ => return Err(Errno::Badf.into()),
        };
        io.map_err(|_| Errno::Io)?;
        memory.put_u32(written, buffer.len)
    };
    finish(write(&mut memory))
}

/// Asks the kernel each time: a generator in this process would be the same in every process that is forked from it.
#[unsafe(export_name = "Z_wasi_snapshot_preview1Z_random_get")]
extern "C" fn random_get(_: *const c_void, at: u32, len: u32) -> u32 {
    let mut memory = Memory(module::memory());
    let fill = |memory: &mut Memory<'_>| -> Outcome {
        getrandom::fill(memory.buffer_mut(Buffer { at, len })?).map_err(|_| Errno::Io.into())
    };
    finish(fill(&mut memory))
}
