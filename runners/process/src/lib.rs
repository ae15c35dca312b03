//! The executor `process`: every instance is a process without an engine, behind one line of the kernel's or none.
//!
//! | phase | what happens | where |
//! |---|---|---|
//! | prepare | builds the server that a container would run, and lays it out in a folder | `artifact` |
//! | start | runs or forks it behind its line, and waits until it connects | `prepared`, `child`, `fork`, `confine` |
//! | invoke | one HTTP/1.1 exchange over a kept connection, streams included | `instance` |
//! | stop | kills it, with every process of its group | `child` |
//!
//! The server and its socket are those of the executor `docker`, so that the difference between the two is
//! the engine and its confinement. A process runs as nobody where the lab runs as root, cannot gain privileges, and
//! ends with its host. Its memory has a bound on what it may allocate (`RLIMIT_DATA`), or that of its control group.
//!
//! With `spawn=fork` a zygote runs the function's initialisation in `prepare`, and each start copies it (`fork`). The
//! copies share all that the zygote has made, such as random numbers and addresses.
//!
//! With `sandbox=wasm2c` the server holds a Wasm module that has become C (`wasm2c`): the bounds of a Wasm memory within
//! those of a process, without an engine.
//!
//! The setting `confine` draws one more line; `bubblewrap` alone can show a process the folders that it is granted. The test `confinement` tries each of these from within:
//!
//! | `confine` | reads the host's files | writes to them | TCP | sees processes | signals a neighbour | starts 100 processes |
//! |---|---|---|---|---|---|---|
//! | `none` | yes | yes | yes | yes | yes | yes |
//! | `landlock` | no | no | no | no | no | yes |
//! | `seccomp` | yes | no | no | yes | no | no |
//! | `bubblewrap` | no | no | no | no | no | yes |
//! | `cgroup` | yes | yes | yes | yes | yes | no |

mod artifact;
mod child;
mod confine;
mod executor;
mod fork;
mod instance;
mod prepared;
mod settings;
mod shared;
mod wasm2c;

pub use executor::Process;
pub use isolab_guest::v8::V8Server;
pub use settings::SETTINGS;

/// Removes the control groups that processes which are gone have left behind, and counts them. Nothing else outlives
/// such a process.
pub fn sweep() -> usize {
    confine::sweep()
}

/// The executor's name on the command line.
pub const NAME: &str = "process";
