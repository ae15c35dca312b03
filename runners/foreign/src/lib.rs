//! The executors `workerd` and `deno`: every instance is a process of a whole foreign runtime with its own HTTP server.
//!
//! | phase | what happens | where |
//! |---|---|---|
//! | prepare | lays the handler out beside a module that calls it; `workerd` also compiles its configuration | `deno`, `workerd` |
//! | start | runs the program, connects to its socket as soon as it listens, and waits until the handler is evaluated | `prepared` |
//! | invoke | one HTTP/1.1 exchange over a kept connection, streams included | `instance` |
//! | stop | kills it | `instance` |
//!
//! Both programs are those that their makers publish. The lab asks them over a Unix socket, as it asks the server of
//! `process`, and puts the same bounds around them: they run as nobody where the lab runs as root, cannot gain
//! privileges, end with their host, and have a bound on what they may allocate. The kernel also refuses every byte that
//! they would write to a file, because `deno` cannot listen at a socket without the permission to write at its path. The
//! rest of the line between the host and a handler is the runtime's own:
//!
//! | | `workerd` | `deno` |
//! |---|---|---|
//! | files | none | read: its own handler's folder |
//! | outbound requests | the service `outbound`, which is the host's socket | the host's socket |
//! | environment variables | those granted | those granted |
//! | code from the network, caches | none | none |

mod deno;
mod executor;
mod instance;
mod prepared;
mod program;
mod runtime;
mod settings;
mod shared;
mod workerd;

pub use deno::DENO;
pub use executor::Foreign;
pub use runtime::Runtime;
pub use settings::SETTINGS;
pub use workerd::WORKERD;
