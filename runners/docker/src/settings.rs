//! The executor's settings.

use isolab_core::Setting;
use isolab_core::Spec;
use isolab_core::guest::{self, Instructions};
use isolab_core::spec::Values;
use isolab_guest::environment;
use isolab_guest::javascript::{JAVASCRIPT, Javascript};

/// The settings that a spec may have after `docker:`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "network",
        default: "shared",
        values: Values::OneOf(&["shared", "none", "bridge"]),
        help: "one empty namespace for all instances of a function, an empty one for each, or the engine's bridge",
    },
    Setting {
        name: "runtime",
        default: "runc",
        values: Values::Text,
        help: "the OCI runtime, by its name in the engine's configuration",
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
    JAVASCRIPT,
];

/// The network namespace of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// The namespace that the function's holder keeps open.
    Shared,
    /// An empty namespace of its own.
    None,
    /// The engine's default bridge. The host reaches the instance by TCP, and the instance
    /// reaches other hosts.
    Bridge,
}

/// The settings of a resolved spec.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) network: Network,
    pub(crate) runtime: String,
    pub(crate) cpus: u64,
    pub(crate) pids: u64,
    /// Requests that an instance answers at the same time.
    pub(crate) concurrency: u64,
    pub(crate) instructions: Instructions,
    pub(crate) javascript: Javascript,
}

impl Settings {
    pub(crate) fn of(spec: &Spec) -> Self {
        let network = match spec.get("network") {
            "none" => Network::None,
            "bridge" => Network::Bridge,
            _ => Network::Shared,
        };
        let [cpus, pids, concurrency] = ["cpus", "pids", "concurrency"].map(|key| spec.number(key));
        let instructions = Instructions::of(spec);
        let javascript = Javascript::of(spec);
        let runtime = spec.get("runtime").to_owned();
        Self { network, runtime, cpus, pids, concurrency, instructions, javascript }
    }
}
