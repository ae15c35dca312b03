//! Defines the functions under the names that modules import.

use isolab_core::Cause;
use wasmtime::{Caller, Extern, ExternType, Linker, Module, Result, Val};

use super::{Errno, Memory, Outcome, Refusal, Wasi};

const MODULE: &str = "wasi_snapshot_preview1";

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

/// Defines the functions that do something.
pub(crate) fn link<T: AsMut<Wasi> + 'static>(linker: &mut Linker<T>) -> Result<()> {
    link_texts(linker)?;
    link_streams(linker)?;
    link_clocks(linker)?;
    linker.func_wrap(MODULE, "random_get", |mut guest: Caller<'_, T>, at: u32, len: u32| {
        call(&mut guest, |_, memory| Wasi::random(memory, at, len))
    })?;
    linker.func_wrap(MODULE, "sched_yield", || Errno::Success as u32)?;
    linker.func_wrap(MODULE, "proc_exit", Wasi::exit)?;
    linker.func_wrap(MODULE, "proc_raise", |_signal: u32| Errno::Nosys as u32)?;
    Ok(())
}

/// Defines the other functions that a module imports from WASI. The linker refuses names that
/// WASI does not have.
///
/// # Errors
/// If the module imports from elsewhere.
pub(crate) fn link_rest<T: 'static>(linker: &mut Linker<T>, module: &Module) -> Result<(), Cause> {
    // A module may import the same function twice.
    linker.allow_shadowing(true);
    for import in module.imports() {
        let (from, name) = (import.module(), import.name());
        if from != MODULE {
            let reason =
                format!("the module imports `{from}.{name}`, but it can import from `{MODULE}` only");
            return Err(Cause::Artifact(reason));
        }
        let ExternType::Func(kind) = import.ty() else { continue };
        let answers = kind.results().len() == 1 && kind.results().all(|result| result.is_i32());
        if ON_DESCRIPTORS.contains(&name) && answers {
            linker
                .func_new(MODULE, name, kind, |_, _, results| {
                    results[0] = Val::I32(Errno::Badf as i32);
                    Ok(())
                })
                .map_err(|error| Cause::Internal(format!("{error:#}")))?;
        }
    }
    Ok(())
}

fn link_texts<T: AsMut<Wasi> + 'static>(linker: &mut Linker<T>) -> Result<()> {
    linker.func_wrap(MODULE, "args_sizes_get", |mut guest: Caller<'_, T>, count: u32, size: u32| {
        call(&mut guest, |_, memory| {
            memory.put_u32(count, 0)?;
            memory.put_u32(size, 0)
        })
    })?;
    linker.func_wrap(MODULE, "args_get", |_pointers: u32, _texts: u32| Errno::Success as u32)?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut guest: Caller<'_, T>, count: u32, size: u32| {
        call(&mut guest, |wasi, memory| wasi.environ_sizes(memory, count, size))
    })?;
    linker.func_wrap(MODULE, "environ_get", |mut guest: Caller<'_, T>, pointers: u32, texts: u32| {
        call(&mut guest, |wasi, memory| wasi.environ(memory, pointers, texts))
    })?;
    Ok(())
}

fn link_streams<T: AsMut<Wasi> + 'static>(linker: &mut Linker<T>) -> Result<()> {
    linker.func_wrap(
        MODULE,
        "fd_write",
        |mut guest: Caller<'_, T>, fd: u32, vectors: u32, count: u32, written: u32| {
            call(&mut guest, |wasi, memory| wasi.fd_write(memory, fd, vectors, count, written))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "fd_read",
        |mut guest: Caller<'_, T>, fd: u32, vectors: u32, count: u32, read: u32| {
            call(&mut guest, |wasi, memory| wasi.fd_read(memory, fd, vectors, count, read))
        },
    )?;
    linker.func_wrap(MODULE, "fd_close", |mut guest: Caller<'_, T>, fd: u32| {
        call(&mut guest, |_, _| Wasi::on_stream(fd, Errno::Success))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |mut guest: Caller<'_, T>, fd: u32, at: u32| {
        call(&mut guest, |_, memory| Wasi::fd_fdstat_get(memory, fd, at))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |mut guest: Caller<'_, T>, fd: u32, _flags: u32| {
        call(&mut guest, |_, _| Wasi::on_stream(fd, Errno::Success))
    })?;
    linker.func_wrap(MODULE, "fd_filestat_get", |mut guest: Caller<'_, T>, fd: u32, at: u32| {
        call(&mut guest, |_, memory| Wasi::fd_filestat_get(memory, fd, at))
    })?;
    linker.func_wrap(
        MODULE,
        "fd_seek",
        |mut guest: Caller<'_, T>, fd: u32, _offset: i64, _whence: u32, _at: u32| {
            call(&mut guest, |_, _| Wasi::on_stream(fd, Errno::Spipe))
        },
    )?;
    linker.func_wrap(MODULE, "fd_tell", |mut guest: Caller<'_, T>, fd: u32, _at: u32| {
        call(&mut guest, |_, _| Wasi::on_stream(fd, Errno::Spipe))
    })?;
    Ok(())
}

fn link_clocks<T: AsMut<Wasi> + 'static>(linker: &mut Linker<T>) -> Result<()> {
    linker.func_wrap(MODULE, "clock_res_get", |mut guest: Caller<'_, T>, clock: u32, at: u32| {
        call(&mut guest, |_, memory| Wasi::clock_res_get(memory, clock, at))
    })?;
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |mut guest: Caller<'_, T>, clock: u32, _precision: u64, at: u32| {
            call(&mut guest, |_, memory| Wasi::clock_time_get(memory, clock, at))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "poll_oneoff",
        |mut guest: Caller<'_, T>, subscriptions: u32, events: u32, count: u32, happened: u32| {
            call(&mut guest, |wasi, memory| wasi.poll_oneoff(memory, subscriptions, events, count, happened))
        },
    )?;
    Ok(())
}

/// Calls a function with the guest's state and memory.
fn call<T: AsMut<Wasi> + 'static>(
    guest: &mut Caller<'_, T>,
    function: impl FnOnce(&mut Wasi, &mut Memory<'_>) -> Outcome,
) -> Result<u32> {
    let Some(Extern::Memory(memory)) = guest.get_export("memory") else {
        return Ok(Errno::Fault as u32);
    };
    let (bytes, host) = memory.data_and_store_mut(guest);
    match function(host.as_mut(), &mut Memory(bytes)) {
        Ok(()) => Ok(Errno::Success as u32),
        Err(Refusal::Errno(errno)) => Ok(errno as u32),
        Err(Refusal::End(error)) => Err(error),
    }
}
