//! V8 isolates.
//!
//! An instance is one isolate: a heap of its own, with one context in it. Both variants
//! run in isolates made alike:
//!
//! ```text
//! js    handler.js ──evaluate──► snapshot ──start──► isolate + context ──► dispatch
//! rust  the .wasm  ──compile───► code     ──start──► isolate + context + Wasm instance
//! ```
//!
//! Where to look:
//!
//! - `executor`: what `prepare` does for each variant.
//! - `platform`: what V8 keeps once a process.
//! - `isolate`: isolates that are entered only while they run, so that a thread may
//!   hold many and end them in any order.
//! - `watchdog`: deadlines. `budget`: the memory limit.
//! - `handler`: the variant `js`. `boot` evaluates the web API, whose native half is
//!   `natives`, and the handler; `snapshot` keeps the result; `reply` reads answers.
//! - `module`: the variant `rust`. `binary` sets the memory's maximum, `linear` is
//!   the memory, `wasi` the imports.
//! - `exception`: what was thrown, as text.
//!
//! Deadlines strike between two instructions of JavaScript or Wasm, not within one
//! built-in function: `functions/hostile/uninterruptible` calls one that never returns.
//! A deadline for such calls follows later. Until then the server gives up the thread
//! when it ends, and names the function. See `budget` for how exact the memory limit is.
//!
//! V8's foreground tasks are never run: they finish garbage collections early and call
//! the callbacks of `FinalizationRegistry`, and neither has a place between requests.

mod executor;
mod handler;
mod isolate;
mod module;
mod platform;

use isolab_core::Setting;
use isolab_core::spec::Values;

pub use executor::V8;
pub use platform::initialise;

/// The executor's name.
pub const NAME: &str = "v8";

/// The executor's settings.
pub const SETTINGS: &[Setting] = &[Setting {
    name: "snapshot",
    default: "on",
    values: Values::OneOf(&["on", "off"]),
    help: "start handlers from a heap in which they are already evaluated",
}];
