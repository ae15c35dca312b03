//! The executor's settings.

use isolab_core::Setting;
use isolab_core::Spec;
use isolab_core::guest::{self, Instructions};
use isolab_core::spec::Values;
use isolab_guest::environment;
use isolab_guest::javascript::{JAVASCRIPT, Javascript};

/// The settings that a spec may have after `process:`.
pub const SETTINGS: &[Setting] = &[
    environment::CONCURRENCY,
    Setting {
        name: "confine",
        default: "none",
        values: Values::OneOf(&["none", "landlock", "seccomp", "bubblewrap", "cgroup"]),
        help: "the line around a process, beside a user without rights",
    },
    JAVASCRIPT,
    Setting {
        name: "sandbox",
        default: "none",
        values: Values::OneOf(&["none", "wasm2c"]),
        help: "the sandbox within a process: wasm2c runs a function's Wasm module as C, which clang has compiled",
    },
    Setting {
        name: "spawn",
        default: "exec",
        values: Values::OneOf(&["exec", "fork"]),
        help: "the start of a process: exec runs the server's file; fork copies a process that has the function \
               initialised already",
    },
    guest::INSTRUCTIONS,
];

/// The sandbox within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sandbox {
    None,
    /// The function is a Wasm module that has become C.
    Wasm2c,
}

/// The start of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spawn {
    /// The kernel reads its file.
    Exec,
    /// A zygote forks it.
    Fork,
}

/// The settings of a resolved spec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Requests that an instance answers at the same time.
    pub(crate) concurrency: u64,
    pub(crate) javascript: Javascript,
    pub(crate) sandbox: Sandbox,
    pub(crate) spawn: Spawn,
    pub(crate) instructions: Instructions,
}

impl Settings {
    pub(crate) fn of(spec: &Spec) -> Self {
        Self {
            concurrency: spec.number("concurrency"),
            javascript: Javascript::of(spec),
            sandbox: if spec.get("sandbox") == "wasm2c" { Sandbox::Wasm2c } else { Sandbox::None },
            spawn: if spec.get("spawn") == "fork" { Spawn::Fork } else { Spawn::Exec },
            instructions: Instructions::of(spec),
        }
    }
}
