//! The executor `oci`: every instance is a container that an OCI runtime makes, without an engine.
//!
//! | phase | what happens | where |
//! |---|---|---|
//! | prepare | lays out the root file system that an image of `docker` would hold | `rootfs` |
//! | start | writes a configuration, and has the runtime make and run the container | `config`, `runtime`, `prepared` |
//! | invoke | one HTTP/1.1 exchange over a kept connection, streams included | `instance` |
//! | stop | kills the processes of the container's control group; the runtime clears up | `container` |
//!
//! The server, its limits, its namespaces and the way to its socket are those of the executor `docker`, so that
//! the difference between the two is the engine: its daemon, its image store and its shim. Two things differ beside
//! that. An engine adds a filter of system calls of its own, and a runtime alone has none. And the runtime stays
//! as the parent of its container, where an engine has a shim.
//!
//! A container runs as nobody, without a capability, on a read-only root. It has no network but a loopback that is
//! down. `runtime=libcontainer` is a library in a process of this lab's own binary (`embedded`). If the host is killed, the server ends because its socket is gone, and the next run sweeps the rest.

mod config;
mod container;
#[cfg(feature = "libcontainer")]
pub mod embedded;
mod executor;
mod instance;
mod netns;
mod prepared;
mod rootfs;
mod runtime;
mod settings;
mod shared;

pub use executor::Oci;
pub use runtime::Embedded;
pub use settings::SETTINGS;

/// The executor's name on the command line.
pub const NAME: &str = "oci";

/// Removes the control groups of containers whose run is gone, and counts the runs.
pub fn sweep() -> usize {
    isolab_guest::group::sweep(NAME)
}
