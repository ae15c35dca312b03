//! The executor `v8`: one V8 isolate is one sandbox.
//!
//! An instance is one isolate: a heap of its own, with one context in it. Both variants run
//! in isolates of the same kind:
//!
//! ```text
//! js    handler.js ──evaluate──► snapshot ──start──► isolate + context ──► dispatch
//! rust  the .wasm  ──compile───► code     ──start──► isolate + context + Wasm instance
//! ```
//!
//! Where to look:
//!
//! - `executor`: what `prepare` does for each variant. `rules`: what holds for every instance
//!   of a function.
//! - `platform`: V8's state for the whole process.
//! - `isolate`: isolates, which are entered only while they run, so that a thread can hold
//!   many and end them in any order. `isolab_core::watchdog` enforces deadlines,
//!   `isolate::budget` the memory limit; `isolate::creator` makes snapshots.
//! - `handler`: the variant `js`. `boot` evaluates the web API, whose native half is
//!   `natives`, and the handler; `code` stores their compiled code; `snapshot` stores the result, `portable` gives
//!   it to a server in a container; `home` is the isolate of an instance; `turn` runs requests, from `arguments` to `reply`; `event_loop` knows the
//!   requests in flight, their `timers`, and the `tasks` whose outcomes `delivery` gives to them;
//!   `powers` are the grants.
//! - `module`: the variants `rust` (`function`) and `command`, made from `compiled` modules.
//!   `isolab_core::binary` sets the maximum of the memory, `linear` is the memory, `wasi` the imports.
//!
//! A deadline takes effect between two instructions of JavaScript or Wasm, not within a
//! built-in function: `functions/hostile/uninterruptible` calls one that never returns. The
//! server gives up the thread of such a call, answers 504 and counts it as lost.
//! `isolate::budget` says how exact the memory limit is, and what V8 gives no hook for.
//!
//! A handler has some classes of V8 in a limited form, because V8 does not count their memory: `buffers.js` and
//! `intl.js`. `eval` and `Function` throw an `EvalError`.
//!
//! Many requests may be in flight on one isolate of the variant `js`. Each entry into the isolate is
//! a turn of one request, and ends with the microtasks. A request that waits holds no thread: its
//! future, which needs the clock of a tokio runtime, wakes for its timers. A request that waits past
//! its deadline fails alone. A request that is stopped while it computes, or runs out of memory,
//! takes its isolate with it, and so all other requests on it.
//!
//! A handler whose source names streams or `fetch`, or that is granted a host, also has streams and
//! `fetch` (`isolab_webapi::needs_streams`). Its outbound requests, and the pieces of its bodies, are
//! tasks of the request: futures that its invocation polls, and that end with it. A handler without
//! them is evaluated, stored and run as if there were none. Connections to hosts belong to the
//! instance, and their own I/O runs beside the requests, so its CPU time is on nobody's bill.
//!
//! A Wasm module has the state machine of WASI that all hosts except Wasmtime's share (`isolab_core::wasi`). It
//! may be granted arguments and environment variables, but no folders. V8 cannot suspend it, so a module
//! that waits holds its thread.
//!
//! # Instances that share an isolate
//!
//! By default an instance is an isolate. With `boundary=context` an instance is a context: global objects, built-in
//! classes and the handler's state of its own, in an isolate that it shares with other instances of the same
//! function on its thread (`handler::home`). It starts faster and takes less memory. Instances of one isolate share
//!
//! - the heap: an error of V8 that lets code read or write beyond its objects reaches the objects of all of them;
//! - the memory limit, which holds for all of them together, and the pauses of collections;
//! - their end: a deadline that strikes while one computes, or its use of too much memory, stops the isolate, and the
//!   requests of all others fail, waiting ones and later ones;
//! - V8's caches of compiled code and regular expressions, whose effects on time can be measured.
//!
//! Functions never share an isolate. Memory and peak of an instance are unknown. Wasm modules are refused.
//!
//! # Without machine code
//!
//! With `jit=off` V8 makes no machine code (`--jitless`): it interprets handlers and their regular expressions,
//! and no memory of the process is executable beside the programs' files. V8 has no Wasm then, so the variants
//! `rust` and `command` are refused. V8's flags hold for the whole process: an executor is refused if V8 has
//! started with other ones (`platform`).
//!
//! # Tasks of V8
//!
//! V8's foreground tasks never run. They only finish garbage collections early and call the
//! callbacks of `FinalizationRegistry`, and an instance does neither between requests.

mod executor;
mod handler;
mod isolate;
mod module;
mod platform;
mod rules;

use isolab_core::Setting;
use isolab_core::guest;
use isolab_core::spec::Values;

pub use executor::V8;
pub use handler::portable::{PortableGrants, from_snapshot, snapshot};
pub use platform::initialise;

/// The executor's name.
pub const NAME: &str = "v8";

/// The version of V8.
pub fn version() -> &'static str {
    v8::V8::get_version()
}

/// The pointers of the library in this binary.
const POINTERS: &str = if cfg!(feature = "pointer-compression") { "compressed" } else { "full" };

/// The most requests that one isolate may have in flight, whatever the setting.
const MOST_CONCURRENCY: usize = 100_000;

/// The executor's settings.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "snapshot",
        default: "on",
        values: Values::OneOf(&["on", "off"]),
        help: "start handlers from a heap snapshot in which they are already evaluated",
    },
    Setting {
        name: "codecache",
        default: "off",
        values: Values::OneOf(&["off", "on"]),
        help: "with snapshot=off: on compiles a handler and the web API once, in prepare, and not at each start",
    },
    Setting {
        name: "boundary",
        default: "isolate",
        values: Values::OneOf(&["isolate", "context"]),
        help: "isolate gives each instance of a handler an isolate; context gives it a context in an isolate that it \
               shares with other instances of the same function, which is cheaper and isolates less",
    },
    Setting {
        name: "jit",
        default: "on",
        values: Values::OneOf(&["on", "off"]),
        help: "on compiles code that runs often to machine code; off interprets handlers, and has no Wasm; all \
               executors of a process have the same",
    },
    Setting {
        name: "pointers",
        default: POINTERS,
        values: Values::OneOf(&["full", "compressed"]),
        help: "the pointers in V8's heap, of 64 or of 32 bits; a binary has one kind, and refuses the other one",
    },
    Setting {
        name: "concurrency",
        default: "1000",
        values: Values::Number(1, MOST_CONCURRENCY as u64),
        help: "the requests that one isolate of a handler may have in flight",
    },
    guest::STACK,
    guest::SIMD,
];
