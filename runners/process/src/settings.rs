//! The executor's settings.

use isolab_core::Setting;
use isolab_core::Spec;
use isolab_core::guest::{self, Instructions};
use isolab_core::spec::Values;
use isolab_guest::environment;

/// The settings that a spec may have after `process:`.
pub const SETTINGS: &[Setting] = &[
    environment::CONCURRENCY,
    Setting {
        name: "confine",
        default: "none",
        values: Values::OneOf(&["none", "landlock", "seccomp", "bubblewrap", "cgroup"]),
        help: "the line around a process, beside a user without rights",
    },
    guest::INSTRUCTIONS,
];

/// The settings of a resolved spec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Requests that an instance answers at the same time.
    pub(crate) concurrency: u64,
    pub(crate) instructions: Instructions,
}

impl Settings {
    pub(crate) fn of(spec: &Spec) -> Self {
        Self { concurrency: spec.number("concurrency"), instructions: Instructions::of(spec) }
    }
}
