//! The `docker` executor: every instance is a container of a Docker Engine.
//!
//! | phase | what happens | where |
//! |---|---|---|
//! | prepare | builds an image from a recipe of `docker/guests`, tagged by its content | `native`, `node`, `v8`, `recipe`, `image` |
//! | start | creates and starts a container, and waits until its server connects | `prepared`, `container`, `endpoint` |
//! | invoke | one HTTP/1.1 exchange over a kept connection, streams included | `instance`, `connection`, `incoming` |
//! | stop | kills and removes the container, in one call | `container` |
//!
//! A container has no capability, cannot gain privileges, sees a read-only root and has
//! no place where it can write but granted folders. It runs as nobody, under limits of memory, processors and
//! processes. Its server connects to a Unix socket of the host (`socket`), so it needs no
//! network. To set up even an empty network namespace is half of an engine's work at a
//! start. Hence the default `network=shared`: the instances of one function join one
//! namespace, which has only a loopback, and which an idle container (`holder`) keeps open.
//!
//! Bodies flow through the same connection. A request that is not whole goes out in chunks, each when
//! the server has taken the one before, and the answer is read meanwhile. An answer that is not
//! whole at once is passed on piece by piece, and the next piece is read when the client has taken
//! the one before. The Node server gives its handler each piece of a body, and sends what the
//! handler has made whenever that pauses. The native server and the V8 server (`guest`) stream where their
//! function does, and take and give whole bodies otherwise.
//!
//! The variant `js` runs in a server of the setting `javascript`: a Node server, or this lab's
//! own (`v8`), whose process in the container is `guest`. Both are a program of the host with
//! its libraries (`base`).
//!
//! A function may be granted hosts, folders, environment variables and arguments (`grants`). A
//! container has no network for the hosts: it sends its requests to a second socket, and the host
//! passes them on (`outbound`). The V8 server grants its handler hosts and environment variables alone.
//!
//! Containers outlive the process that made them. So each carries the run's id and its
//! session's name (`session`), which tells whether the process is gone. [`sweep`](sweep())
//! removes the containers of a run, and those whose process is gone. Images stay, as a
//! cache.

mod base;
mod container;
mod endpoint;
mod engine;
mod executor;
mod grants;
mod group;
mod holder;
mod image;
mod instance;
mod native;
mod node;
mod outside;
mod prepared;
mod recipe;
mod settings;
mod shared;
mod sweep;
mod v8;

pub use engine::EngineError;
pub use executor::Docker;
pub use isolab_guest::v8::V8Server;
pub use settings::SETTINGS;
pub use sweep::sweep;

/// The engine's daemons, by command name. They serve every container of the host.
pub const DAEMONS: [&str; 2] = ["dockerd", "containerd"];

/// The processes that the daemons start for a container, by command name as the kernel cuts it.
pub const HELPERS: [&str; 3] = ["containerd-shim", "docker-proxy", "runc"];

/// The executor's name on the command line.
pub const NAME: &str = "docker";
