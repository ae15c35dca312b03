//! The executor's settings.

use isolab_core::guest::{self, Instructions};
use isolab_core::spec::Values;
use isolab_core::{Setting, Spec};
use isolab_guest::environment;

/// The settings that a spec may have after `oci:`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "runtime",
        default: "runc",
        values: Values::OneOf(&["libcontainer", "runc", "crun", "runsc"]),
        help: "the OCI runtime: one in this binary, or a program on PATH",
    },
    Setting {
        name: "network",
        default: "shared",
        values: Values::OneOf(&["shared", "none"]),
        help: "one empty namespace for all instances of a function, or an empty one for each",
    },
    Setting {
        name: "cpus",
        default: "1",
        values: Values::Number(1, 1024),
        help: "processors that an instance may use",
    },
    Setting {
        name: "pids",
        default: "64",
        values: Values::Number(1, 1 << 22),
        help: "processes and threads that an instance may have",
    },
    environment::CONCURRENCY,
    guest::INSTRUCTIONS,
];

/// The settings of a resolved spec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Whether all instances of a function share a network namespace.
    pub(crate) shares_network: bool,
    pub(crate) cpus: u64,
    pub(crate) pids: u64,
    /// Requests that an instance answers at the same time.
    pub(crate) concurrency: u64,
    pub(crate) instructions: Instructions,
}

impl Settings {
    pub(crate) fn of(spec: &Spec) -> Self {
        let [cpus, pids, concurrency] = ["cpus", "pids", "concurrency"].map(|key| spec.number(key));
        let shares_network = spec.get("network") == "shared";
        Self { shares_network, cpus, pids, concurrency, instructions: Instructions::of(spec) }
    }
}
