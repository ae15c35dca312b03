//! The figure and the cell that answer a claim.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::figures::{Figure, Figures, Settings};
use crate::rows::row::Cold;

/// One figure of one cell.
///
/// A setting that is left out does not apply, as in [`Settings`]. If `connections` or
/// `invocations` is left out, any value matches: see [`Quantity::pick`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// The executor spec in short form: settings with their default value left out.
    pub executor: String,
    /// A function's name, or its folder as seen from `functions/`.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The figure's name.
    pub figure: String,
    /// The reuse policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<String>,
    /// The part that was cold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<Cold>,
    /// Whether the artifact was in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    /// Connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// How often each live instance had been invoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations: Option<u64>,
}

impl Quantity {
    /// The function's name, as rows have it: the last part of its folder.
    pub fn function_name(&self) -> &str {
        self.function.rsplit('/').next().unwrap_or(&self.function)
    }

    /// The reuse policy of the cell that has it. Calls of an instance that was used before exist
    /// in warm cells only, although their figure has no reuse policy.
    pub(super) fn reuse_needed(&self) -> Option<String> {
        let is_later_call = self.figure.starts_with("invoke_") && self.cold.is_none();
        self.reuse.clone().or_else(|| is_later_call.then(|| "warm".to_owned()))
    }

    /// Picks the figure among those of its executor: with the most invocations, and at the
    /// number of connections with the best value. The ladders differ between presets and
    /// executors, and publications name their best.
    pub fn pick<'a>(&self, executor: &'a Figures) -> Option<&'a Figure> {
        let fits = executor
            .figures
            .iter()
            .filter(|figure| figure.name == self.figure && self.fits(&figure.settings));
        fits.max_by(|a, b| {
            let better = a.estimate.value.total_cmp(&b.estimate.value);
            let better = if a.is_less_better() { better.reverse() } else { better };
            a.settings.invocations.cmp(&b.settings.invocations).then(better)
        })
    }

    fn fits(&self, settings: &Settings) -> bool {
        let asked = Settings {
            reuse: self.reuse.clone(),
            cold: self.cold,
            cached: self.cached,
            connections: self.connections.or(settings.connections),
            invocations: self.invocations.or(settings.invocations),
            ..Settings::default()
        };
        asked == *settings
    }
}

impl fmt::Display for Quantity {
    /// Such as ``load_rate (warm) of `hello` rust on `wasm` ``.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = Settings {
            reuse: self.reuse.clone(),
            cold: self.cold,
            cached: self.cached,
            connections: self.connections,
            invocations: self.invocations,
            ..Settings::default()
        };
        let settings = settings.to_string();
        let settings = if settings.is_empty() { settings } else { format!(" ({settings})") };
        let Self { executor, variant, figure, .. } = self;
        write!(formatter, "`{figure}`{settings} of `{}` {variant} on `{executor}`", self.function_name())
    }
}
