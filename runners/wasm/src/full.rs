//! The full host of WASI: the crate `wasmtime-wasi`, with the folders that a function is granted.
//!
//! Arguments, environment, random numbers and exit are those of the light host, because a command gets
//! its environment with each request. All else is `wasmtime-wasi`'s: files, folders, polling, clocks, and
//! the standard streams by the traits of [`crate::stdio`]. Its calls wait for a thread that may block, and end
//! with the deadline, which [`crate::sandbox`] keeps.
//!
//! A path never leads out of its folder: `wasmtime-wasi` resolves it beneath an open descriptor of the folder,
//! and each folder was opened once, in `prepare` ([`crate::folders`]).
//!
//! A named pipe is not opened: [`opening`].

mod opening;

use isolab_core::Cause;
use isolab_core::wasi::{Stdout, Wasi};
use wasmtime::{Linker, Result};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{WasiCtx, WasiView};

use crate::folders::Folders;
use crate::stdio::Stdio;
use crate::wasi;

/// The most things that an instance holds at the same time: open files and folders, standard streams, and
/// what one call of `poll_oneoff` waits for. One more ends the guest.
pub(crate) const HELD: usize = 128;

/// The state of one instance.
pub(crate) struct Full {
    context: WasiP1Ctx,
    pub(crate) stdio: Stdio,
}

impl Full {
    /// # Errors
    /// If a granted folder cannot be opened.
    pub(crate) fn new(stdout: Stdout, folders: &Folders) -> std::result::Result<Self, Cause> {
        let stdio = Stdio::new(stdout);
        let mut context = WasiCtx::builder();
        context.stdin(stdio.stdin()).stdout(stdio.stdout()).stderr(stdio.stderr_stream());
        folders.give(&mut context)?;
        let mut context = context.build_p1();
        context.ctx().table.set_max_capacity(HELD);
        Ok(Self { context, stdio })
    }
}

/// Defines all functions of WASI, for stores in which `find` finds the state.
pub(crate) fn link<T: AsMut<Wasi> + Send + 'static>(
    linker: &mut Linker<T>,
    find: fn(&mut T) -> &mut Full,
) -> Result<()> {
    p1::add_to_linker_async(linker, move |host| &mut find(host).context)?;
    linker.allow_shadowing(true);
    wasi::link_shared(linker)?;
    opening::link(linker, find)?;
    linker.allow_shadowing(false);
    Ok(())
}
