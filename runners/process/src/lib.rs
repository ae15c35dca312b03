//! The executor `process`: every instance is a plain process, without an engine and without confinement.
//!
//! | phase | what happens | where |
//! |---|---|---|
//! | prepare | builds the server that a container would run, and lays it out in a folder | `artifact` |
//! | start | runs it, and waits until it connects | `prepared`, `child` |
//! | invoke | one HTTP/1.1 exchange over a kept connection, streams included | `instance` |
//! | stop | kills it, with every process of its group | `child` |
//!
//! The server and its socket are those of the executor `docker`, so that the difference between the two is
//! the engine and its confinement. A process runs as nobody where the lab runs as root, cannot gain privileges, and
//! ends with its host. Nothing else confines it: it sees the host's files and processes, may end
//! or read other instances, reaches the network, and may write wherever nobody may. Its memory has a bound on what it may allocate (`RLIMIT_DATA`).

mod artifact;
mod child;
mod executor;
mod instance;
mod prepared;
mod settings;
mod shared;

pub use executor::Process;
pub use settings::SETTINGS;

/// The executor's name on the command line.
pub const NAME: &str = "process";
