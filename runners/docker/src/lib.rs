//! The `docker` executor: every instance is a container of a Docker Engine.
//!
//! | phase | what happens | where |
//! |---|---|---|
//! | prepare | the variant becomes an image `FROM scratch`, tagged by its content | `native`, `node`, `image` |
//! | start | create + start + connect until the server in the container listens | `prepared`, `container` |
//! | invoke | one HTTP/1.1 exchange over a kept connection | `connection`, `instance` |
//! | stop | kill + remove, in one call | `container` |
//!
//! A container has no capability, cannot gain privileges, sees a read-only root and
//! runs as nobody, under limits of memory, processors and processes. Its server
//! listens on a Unix socket in a folder shared with the host (`session`), so it
//! needs no network. Setting up even an empty network namespace is half of what an
//! engine does to start a container, hence the default `network=shared`: the
//! instances of one function join one namespace, with nothing but a loopback in it,
//! that an idle container (`holder`) keeps open.
//!
//! Containers outlive their maker. So each carries the run's id and the identity of
//! the process that made it, and [`sweep`](sweep()) removes those of a run and those
//! whose process is gone; images stay, as a cache.

mod connection;
mod container;
mod endpoint;
mod engine;
mod executor;
mod holder;
mod image;
mod instance;
mod native;
mod node;
mod outside;
mod prepared;
mod session;
mod settings;
mod socket;
mod sweep;

pub use engine::EngineError;
pub use executor::Docker;
pub use settings::SETTINGS;
pub use sweep::sweep;

/// The engine's daemons, by command name. They serve every container of the host.
pub const DAEMONS: [&str; 2] = ["dockerd", "containerd"];

/// The executor's name on the command line.
pub const NAME: &str = "docker";
