//! The executor `wasm`: one Wasmtime instance is one sandbox.
//!
//! A fresh instance costs microseconds because of
//!
//! - a pool of memory slots with copy-on-write images of the module's data. A slot keeps its
//!   pages for the next instance: a small memory is overwritten, and of a large one the pages
//!   that the last instance wrote are reset. Each way has an engine of its own ([`engine`]);
//! - imports and exports that are resolved once for each function, so that a start makes only
//!   a store and an instance from the pool (`workshop`, `sandbox`, `exports`);
//! - machine code that is cached on disk (`compiled`);
//! - WASI that costs nothing if it is not used: the light host (`wasi`).
//!
//! A function that exports an initialisation (`initialize`) is initialised in `prepare`
//! (`snapshot`), or in each start with `snapshot=off`.
//!
//! A module that imports `poll_oneoff`, WASI's function that waits, runs in another way (`waiting`): on
//! a stack of its own, so that the host can suspend it. While it waits, and after each 5 ms of
//! computation, its thread runs others. Of its stack it holds the pages in memory that it has used. All
//! other modules run *straight*, on the thread's stack. The choice is made in `prepare`, and the
//! artifact's kind shows it.
//!
//! | | straight | waiting |
//! |---|---|---|
//! | modules | import nothing that waits, and `js` otherwise | import `poll_oneoff` or outbound requests: `rust` with `std::thread::sleep` or `isolab_sdk::outbound`, many commands, and `js` if the handler names `setTimeout` or `setInterval`; and all of the full host |
//! | stack | the thread's, of which a guest may use 512 KiB | 1 MiB of addresses from a pool; 512 KiB for the guest, the rest for functions of the host |
//! | deadline | the epoch's | the clock, which is asked at each tick of the epoch and bounds each wait |
//! | a dropped invocation | cannot be: it never suspends | ends the guest |
//!
//! A module that exports `isolab_stream` runs in the second way, and its bodies flow (`streaming`, `stdio`,
//! `piped`): a read waits for a piece of the request, and a write for the client.
//!
//! A function of the variant `rust` or `module` may be granted hosts, and sends requests to them (`outbound`,
//! `exchanges`). It does so in the same way with either host of WASI.
//!
//! Both use the same machine code and engine. Work in `prepare` always runs straight, and sleeps on its
//! thread.
//!
//! # The two hosts of WASI
//!
//! A module that imports more of WASI than the light host answers, or that is granted folders, has the *full*
//! host (`full`): the crate `wasmtime-wasi`. The choice is made in `prepare`, too (`setup`), and the artifact's
//! kind ends in `with all of WASI`.
//!
//! | | light | full |
//! |---|---|---|
//! | has | clocks, random numbers, standard streams, arguments, environment, sleep, exit | the same, files, folders, links, and polling of streams |
//! | way | straight, waiting or streaming | waiting or streaming |
//! | deadline | each call knows it | also of a blocked call, by a timer |
//! | a bad address | an error number | ends the guest |
//! | an initialisation | in `prepare`, by Wizer | in each start, because a snapshot has no open files |
//! | bounds | the standard streams hold what the streams of a request do | the same; 128 open files, folders, streams and events of a poll together; a call copies no more than the memory limit |
//!
//! The light host remains because it is the cheaper one. `cargo bench -p isolab-wasm --bench hosts` starts and
//! runs the same module with either, and shows how much cheaper.
//!
//! Files block a thread of tokio's pool, and no worker. Their time there is on no bill. The host holds the names of
//! a whole folder while a guest reads it, whatever their number. A writable folder has no quota. A call that is
//! blocked when its deadline passes, as on a named pipe that nobody writes to, keeps its thread of the pool until
//! it returns.
//!
//! Deadlines are enforced by the engines' epochs, which one thread advances while guests run
//! (`ticker`). The memory limit is enforced by refusing growth (`host`). A function that
//! breaks a rule is an error with its cause (`fault`), and the host goes on.
//!
//! A function of any variant but `js` may be granted arguments, environment variables and folders
//! (`isolab_core::wasi::Granted`, `folders`). Its initialisation sees them, too. Nothing leads out of a folder:
//! `..`, absolute paths and symbolic links are resolved beneath it, by the kernel. `js` has no files, because QuickJS has no interface to them.
//!
//! | variant | module | response |
//! |---|---|---|
//! | `rust` | the function's crate | by the exports of `isolab_sdk::wasm` (`function`) |
//! | `module` | a module of any language | the same |
//! | `js` | a JavaScript engine, whose initialisation evaluates the handler | the same |
//! | `command` | a foreign module with `_start`, of which each instance runs once | standard output (`command`) |

mod command;
mod compiled;
pub mod engine;
mod exchanges;
mod executor;
mod exports;
mod fault;
mod folders;
mod full;
mod function;
mod host;
mod initialize;
pub mod javascript;
mod outbound;
mod parts;
mod piped;
mod rules;
mod sandbox;
mod setup;
mod snapshot;
mod stdio;
mod streaming;
#[cfg(test)]
mod tests;
mod ticker;
mod waiting;
mod wasi;
mod workshop;

pub use engine::{NAME, SETTINGS};
pub use executor::{Source, Wasm, source};
