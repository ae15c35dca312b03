//! The parts of an engine that differ from those of another.

use std::path::Path;
use std::time::Instant;

use isolab_core::guest::Form;
use isolab_core::wasi::Granted;
use isolab_core::{Cause, Limits, Spec, Variant};

use crate::host::{Failure, Host};

/// A Wasm engine.
pub(crate) trait Engine: Send + Sync + Sized + 'static {
    /// A module ready to be started.
    type Module: Send + Sync + 'static;
    /// An instance in its store.
    type Sandbox: Sandbox + 'static;

    /// The kind of artifact that `compile` makes.
    const KIND: &'static str;

    /// Name and version of the engine.
    fn version(&self) -> (&'static str, &'static str);

    /// The form of the modules that it runs.
    fn form(&self, spec: &Spec) -> Form {
        Form::of(spec)
    }

    /// Whether it knows the instructions of a variant's modules; if not, the reason as a sentence without a full stop.
    /// `source` is the variant's file.
    fn supports(&self, _variant: Variant, _source: &Path) -> Result<(), String> {
        Ok(())
    }

    /// Compiles a module and resolves its imports.
    ///
    /// # Errors
    /// If the engine refuses it.
    fn compile(&self, wasm: &[u8]) -> Result<Self::Module, Cause>;

    /// Makes an instance that is granted this. No code of the guest runs.
    ///
    /// # Errors
    /// If the engine refuses the module, or has no room for it.
    fn start(&self, module: &Self::Module, limits: Limits, granted: &Granted)
    -> Result<Self::Sandbox, Cause>;
}

/// One instance. Only between [`Sandbox::begin`] and [`Sandbox::end`], code of the guest runs.
pub(crate) trait Sandbox {
    /// Begins a run. Each of its calls ends soon after the deadline.
    fn begin(&mut self, deadline: Instant);

    /// Ends the run. Returns whether the engine was told to stop it, which may have been too late
    /// to be noticed. Then the instance must not run again.
    fn end(&mut self) -> bool;

    /// Runs the module's exports of [`wire::INITIALIZERS`](isolab_core::wire::INITIALIZERS).
    fn initialize(&mut self) -> Result<(), Failure>;

    /// Calls the export that makes room for a request of `len` bytes.
    fn request(&mut self, len: u32) -> Result<u32, Failure>;

    /// Calls the export that answers the request.
    fn handle(&mut self) -> Result<u32, Failure>;

    /// The guest's memory.
    fn memory(&mut self) -> &mut [u8];

    /// The host's state.
    fn host(&self) -> &Host;
}
