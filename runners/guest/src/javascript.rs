//! The servers of the variant `js`.

use isolab_core::spec::Values;
use isolab_core::{Setting, Spec};

/// The setting of an executor that has both servers.
pub const JAVASCRIPT: Setting = Setting {
    name: "javascript",
    default: "node",
    values: Values::OneOf(&["node", "v8"]),
    help: "the server of the variant js: Node with its own HTTP server and web classes, or this lab's V8 \
           server, which runs the code of the executor v8 in a process of its own",
};

/// The server that runs the variant `js`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Javascript {
    /// The host's Node.
    Node,
    /// This lab's V8.
    V8,
}

impl Javascript {
    /// The choice of a spec that was resolved against [`JAVASCRIPT`].
    pub fn of(spec: &Spec) -> Self {
        if spec.get(JAVASCRIPT.name) == "v8" { Self::V8 } else { Self::Node }
    }
}
