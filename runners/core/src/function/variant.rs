//! The forms in which an executor is given a function.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::nearest;

/// The form in which an executor is given a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// One Rust crate: core Wasm for `wasm` and `v8`, a native server for `docker`.
    Rust,
    /// One JavaScript file, the same for all.
    Js,
    /// A Wasm module of any language that has the exports of a Rust function's module.
    Module,
    /// A foreign WASI command: `_start`, the query as environment, the response on
    /// stdout.
    Command,
}

impl Variant {
    /// All variants, in the order in which one is chosen when none is asked for.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Js, Self::Module, Self::Command];

    /// Whether an instance answers one request and ends, whatever the reuse policy.
    pub fn answers_once(self) -> bool {
        self == Self::Command
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Module => "module",
            Self::Command => "command",
        })
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = Self::ALL.map(|variant| variant.to_string());
        match names.iter().position(|name| name == text) {
            Some(index) => Ok(Self::ALL[index]),
            None => Err(format!(
                "there is no variant `{text}`{}; there are: {}",
                nearest(text, &names),
                names.join(", ")
            )),
        }
    }
}
