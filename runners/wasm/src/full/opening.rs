//! `path_open` without named pipes.
//!
//! To open a named pipe waits until another process opens its other end. `wasmtime-wasi` opens files on a
//! thread that may block, and nothing ends that wait: not the deadline, and not the end of the instance. A few
//! hundred requests would hold all such threads of the process, and no file could be opened any more. So the
//! kind of a file is looked at before it is opened.
//!
//! The file may become another one in between. A guest of `wasm` cannot do that, because WASI makes no named
//! pipes; a process of the host that may write in the folder can.

use isolab_core::wasi::Wasi;
use isolab_core::wasi::calls::MODULE;
use wasmtime::{AsContextMut, Caller, Extern, Linker, Result};
use wasmtime_wasi::p1::types::{Errno, Fd, Filetype, Lookupflags};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as calls, WasiSnapshotPreview1};
use wiggle::{GuestMemory, GuestPtr};

use super::Full;

/// The parameters of `path_open`: folder, flags of the look-up, address and length of the path, `O_` flags,
/// rights, inherited rights, flags of the descriptor, and where its number goes.
type Parameters = (i32, i32, i32, i32, i32, i64, i64, i32, i32);

/// Defines `path_open` anew.
pub(super) fn link<T: AsMut<Wasi> + Send + 'static>(
    linker: &mut Linker<T>,
    find: fn(&mut T) -> &mut Full,
) -> Result<()> {
    linker.func_wrap_async(MODULE, "path_open", move |guest: Caller<'_, T>, parameters: Parameters| {
        Box::new(open(guest, find, parameters))
    })?;
    Ok(())
}

async fn open<T: Send + 'static>(
    mut guest: Caller<'_, T>,
    find: fn(&mut T) -> &mut Full,
    parameters: Parameters,
) -> Result<i32> {
    let (folder, lookup, path, len, how, rights, inherited, flags, opened) = parameters;
    let Some(Extern::Memory(memory)) = guest.get_export("memory") else {
        return Ok(Errno::Fault as i32);
    };
    // The most bytes that a call reads of its guest.
    let fuel = guest.as_context_mut().hostcall_fuel();
    let (bytes, host) = memory.data_and_store_mut(&mut guest);
    let mut memory = GuestMemory::Unshared(bytes);
    let context = &mut find(host).context;
    context.set_hostcall_fuel(fuel);
    // A look-up that fails is left to `path_open`, which fails in the same way or makes the file.
    if let (Ok(flags), place) = (Lookupflags::try_from(lookup), (path.cast_unsigned(), len.cast_unsigned()))
        && let Ok(found) =
            context.path_filestat_get(&mut memory, Fd::from(folder), flags, GuestPtr::new(place)).await
        // Preview 1 has no number for a pipe.
        && found.filetype == Filetype::Unknown
    {
        return Ok(Errno::Notsup as i32);
    }
    context.set_hostcall_fuel(fuel);
    calls::path_open(context, &mut memory, folder, lookup, path, len, how, rights, inherited, flags, opened)
        .await
}
