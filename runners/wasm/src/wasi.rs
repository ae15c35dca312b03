//! The light host of WASI: defines the functions of [`isolab_core::wasi`] under the names that modules import.

use isolab_core::Cause;
use isolab_core::wasi::calls::{self, Call, MODULE, POLL};
use isolab_core::wasi::{End, Errno, Memory, Outcome, Poll, Refusal, Wasi};
use wasmparser::{Parser, Payload};
use wasmtime::{AsContextMut, Caller, Extern, ExternType, Linker, Module, Result, Trap, Val};

use crate::exchanges;

/// The guest ended itself through `proc_exit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exit code {0}")]
pub(crate) struct Exit(pub(crate) u32);

/// The host that answers the calls of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasiHost {
    /// [`isolab_core::wasi`]: clocks, random numbers, standard streams, arguments, environment, sleep
    /// and exit.
    Light,
    /// The crate `wasmtime-wasi`, with granted folders ([`crate::full`]).
    Full,
}

impl WasiHost {
    /// The host for a module: the light one, unless the module imports more, or has folders.
    pub(crate) fn of(wasm: &[u8], has_folders: bool) -> Self {
        let mut sections = Parser::new(0).parse_all(wasm).filter_map(|section| match section {
            Ok(Payload::ImportSection(imports)) => Some(imports),
            _ => None,
        });
        // A module that cannot be read is refused by the compiler.
        let imports_more = sections.any(|imports| {
            let mut imports = imports.into_imports().flatten();
            imports.any(|import| import.module == MODULE && calls::fails(import.name))
        });
        if has_folders || imports_more { Self::Full } else { Self::Light }
    }
}

/// Functions of two integers of 32 bits that the full host has from here, too.
const SHARED: &[&str] = &["args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "random_get"];

/// Other functions of two integers of 32 bits.
const OF_TWO: &[&str] =
    &["clock_res_get", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_filestat_get", "fd_tell"];

/// Functions of four integers of 32 bits.
const OF_FOUR: &[&str] = &["fd_read", "fd_write", POLL];

/// Defines the functions that do something. Their types are known to the compiler, so a call
/// takes no detour over values whose types are found at run time.
pub(crate) fn link<T: AsMut<Wasi> + 'static>(linker: &mut Linker<T>) -> Result<()> {
    link_shared(linker)?;
    link_of_two(linker, OF_TWO)?;
    for name in OF_FOUR {
        let function = find(name);
        let define = move |mut guest: Caller<'_, T>, a: u32, b: u32, c: u32, d: u32| {
            call(&mut guest, function, &[a, b, c, d].map(u64::from))
        };
        linker.func_wrap(MODULE, name, define)?;
    }
    for name in ["fd_close", "proc_raise"] {
        let function = find(name);
        linker.func_wrap(MODULE, name, move |mut guest: Caller<'_, T>, a: u32| {
            call(&mut guest, function, &[a.into()])
        })?;
    }
    let function = find("clock_time_get");
    linker.func_wrap(MODULE, "clock_time_get", move |mut guest: Caller<'_, T>, a: u32, b: u64, c: u32| {
        call(&mut guest, function, &[a.into(), b, c.into()])
    })?;
    let function = find("fd_seek");
    let seek = move |mut guest: Caller<'_, T>, a: u32, b: u64, c: u32, d: u32| {
        call(&mut guest, function, &[a.into(), b, c.into(), d.into()])
    };
    linker.func_wrap(MODULE, "fd_seek", seek)?;
    linker.func_wrap(MODULE, "sched_yield", || Errno::Success as u32)?;
    Ok(())
}

/// Defines the functions that both hosts have from here.
pub(crate) fn link_shared<T: AsMut<Wasi> + 'static>(linker: &mut Linker<T>) -> Result<()> {
    link_of_two(linker, SHARED)?;
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> Result<()> { Err(Exit(code).into()) })?;
    Ok(())
}

fn link_of_two<T: AsMut<Wasi> + 'static>(linker: &mut Linker<T>, names: &[&str]) -> Result<()> {
    for name in names {
        let function = find(name);
        linker.func_wrap(MODULE, name, move |mut guest: Caller<'_, T>, a: u32, b: u32| {
            call(&mut guest, function, &[a.into(), b.into()])
        })?;
    }
    Ok(())
}

fn find(name: &str) -> Call {
    calls::find(name).expect("WASI has a function of this name")
}

/// Defines anew the function that waits: the guest is suspended meanwhile, and its thread serves
/// others. After a wait the guest computes for `slice_ticks` before it yields.
pub(crate) fn link_waiting<T: AsMut<Wasi> + Send + 'static>(
    linker: &mut Linker<T>,
    slice_ticks: u64,
) -> Result<()> {
    linker.allow_shadowing(true);
    linker.func_wrap_async(
        MODULE,
        POLL,
        move |guest: Caller<'_, T>, (a, b, c, d): (u32, u32, u32, u32)| {
            Box::new(poll(guest, [a, b, c, d], slice_ticks))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn poll<T: AsMut<Wasi> + Send + 'static>(
    mut guest: Caller<'_, T>,
    parameters: [u32; 4],
    slice_ticks: u64,
) -> Result<u32> {
    let begun = with_memory(&mut guest, |wasi, memory| Poll::begin(memory, parameters, wasi.deadline()));
    let poll = match begun {
        Ok(poll) => poll,
        Err(refusal) => return answer(Err(refusal)),
    };
    if !poll.wait().is_zero() {
        tokio::time::sleep(poll.wait()).await;
        guest.as_context_mut().set_epoch_deadline(slice_ticks);
    }
    answer(with_memory(&mut guest, |_, memory| poll.finish(memory)))
}

/// Refuses a module that imports from elsewhere.
pub(crate) fn check_imports(module: &Module) -> Result<(), Cause> {
    match module.imports().find(|import| ![MODULE, exchanges::MODULE].contains(&import.module())) {
        Some(import) => Err(Cause::Artifact(format!(
            "the module imports `{}.{}`, but it can import from `{MODULE}` only",
            import.module(),
            import.name()
        ))),
        None => Ok(()),
    }
}

/// Defines the other functions that a module imports from WASI. The linker refuses names that
/// WASI does not have.
pub(crate) fn link_rest<T: AsMut<Wasi> + 'static>(
    linker: &mut Linker<T>,
    module: &Module,
) -> Result<(), Cause> {
    // A module may import the same function twice.
    linker.allow_shadowing(true);
    for import in module.imports() {
        if import.module() != MODULE {
            continue;
        }
        let name = import.name();
        let ExternType::Func(kind) = import.ty() else { continue };
        let answers = kind.results().len() == 1 && kind.results().all(|result| result.is_i32());
        if calls::fails(name) && answers {
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

/// Calls the function of this name, which WASI must have.
pub(crate) fn call_by_name<T: AsMut<Wasi> + 'static>(
    guest: &mut Caller<'_, T>,
    name: &str,
    values: &[u64],
) -> Result<u32> {
    call(guest, find(name), values)
}

/// Calls a function with the guest's state and memory.
fn call<T: AsMut<Wasi> + 'static>(guest: &mut Caller<'_, T>, function: Call, values: &[u64]) -> Result<u32> {
    answer(with_memory(guest, |wasi, memory| function(wasi, memory, values)))
}

/// Does something with the guest's state and memory. A guest without a memory has no bytes.
pub(crate) fn with_memory<T: AsMut<Wasi> + 'static, R>(
    guest: &mut Caller<'_, T>,
    body: impl FnOnce(&mut Wasi, &mut Memory<'_>) -> R,
) -> R {
    match guest.get_export("memory") {
        Some(Extern::Memory(memory)) => {
            let (bytes, host) = memory.data_and_store_mut(guest);
            body(host.as_mut(), &mut Memory(bytes))
        }
        _ => body(guest.data_mut().as_mut(), &mut Memory(&mut [])),
    }
}

/// The number for the guest, or the end of the guest.
pub(crate) fn answer(outcome: Outcome) -> Result<u32> {
    match outcome {
        Ok(()) => Ok(Errno::Success as u32),
        Err(Refusal::Errno(errno)) => Ok(errno as u32),
        Err(Refusal::End(End::Exit(code))) => Err(Exit(code).into()),
        Err(Refusal::End(End::Deadline)) => Err(Trap::Interrupt.into()),
        Err(Refusal::End(End::Cause(cause))) => Err(cause.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_imports_more_than_the_light_host_has_gets_the_full_one() {
        let host = |imports: &str, has_folders| {
            WasiHost::of(&wat::parse_str(format!("(module {imports})")).unwrap(), has_folders)
        };
        let import = |module: &str, name: &str| format!(r#"(import "{module}" "{name}" (func))"#);
        assert_eq!(host("", false), WasiHost::Light);
        for name in ["fd_write", "poll_oneoff", "random_get", "proc_exit", "fd_unknown"] {
            assert_eq!(host(&import(MODULE, name), false), WasiHost::Light, "{name}");
        }
        for name in ["path_open", "fd_prestat_get", "fd_readdir", "sock_accept"] {
            let imports = import(MODULE, "fd_write") + &import(MODULE, name);
            assert_eq!(host(&imports, false), WasiHost::Full, "{name}");
            assert_eq!(host(&import("env", name), false), WasiHost::Light, "{name}");
        }
        assert_eq!(host("", true), WasiHost::Full);
        assert_eq!(WasiHost::of(b"not wasm", false), WasiHost::Light);
    }
}
