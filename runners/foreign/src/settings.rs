//! The executors' settings.

use isolab_core::Setting;
use isolab_guest::environment;

/// The settings that a spec may have after the executor's name.
pub const SETTINGS: &[Setting] = &[environment::CONCURRENCY];
