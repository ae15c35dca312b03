//! How the instances of a module run, and with which functions of WASI. Chosen in `prepare`.

use wasmtime::Module;

use crate::waiting::Way;
use crate::wasi::WasiHost;

/// How the instances of a module run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) way: Way,
    pub(crate) wasi: WasiHost,
}

impl Setup {
    /// For work in `prepare`, which may hold its thread. A module that waits then sleeps on it.
    pub(crate) const STRAIGHT: Self = Self { way: Way::Straight, wasi: WasiHost::Light };

    /// The setup for a module with this host, and for the handler that it was initialised with if it is a
    /// JavaScript engine.
    pub(crate) fn of(module: &Module, wasi: WasiHost, handler: Option<&[u8]>) -> Self {
        Self { way: Way::of(module, wasi, handler), wasi }
    }

    /// The kind of an artifact whose instances run in this way.
    pub(crate) fn artifact_kind(self) -> &'static str {
        match (self.way, self.wasi) {
            (Way::Straight, _) => "compiled module",
            (Way::Waiting, WasiHost::Light) => "compiled module that can wait",
            (Way::Streaming, WasiHost::Light) => "compiled module that streams",
            (Way::Waiting, WasiHost::Full) => "compiled module that can wait, with all of WASI",
            (Way::Streaming, WasiHost::Full) => "compiled module that streams, with all of WASI",
        }
    }
}
