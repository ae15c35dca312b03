//! The guest side of isolab: the interface of a Rust function.
//!
//! A function is a plain library function from [`Request`] to [`Response`]. Two macros make
//! the artifacts for all isolation models from one crate:
//!
//! ```ignore
//! use isolab_sdk::{Request, Response};
//!
//! pub fn handle(request: &Request<'_>) -> Response {
//!     let name = request.query_value("myName").unwrap_or("World".into());
//!     Response::text(200, format!("Hello {name}"))
//! }
//!
//! isolab_sdk::export!(handle); // lib.rs: the exports of the Wasm module and of the library
//! isolab_sdk::serve!(my_function::handle); // main.rs: the server in the container
//! ```
//!
//! A function may have work that can be done before its first request, such as compiling an
//! expression. `export!(handle, initialize = NAME)` and `serve!(PATH, initialize = PATH)` name a
//! `fn()` that does it, and that runs once in each instance:
//!
//! | executor | runs the initialisation |
//! |---|---|
//! | `wasm` | in `prepare`: Wizer keeps the memory as the data of a new module; with `snapshot=off` in `start` |
//! | `v8` | in `start` |
//! | `docker` | in `start`, before the server connects |
//! | `direct` | in `prepare`, when the library is loaded |
//!
//! Instances of one snapshot share the values that the initialisation has made, such as random
//! numbers and times. A panic ends the phase with an error.
//!
//! A function may also take its request and give its answer piece by piece: see [`stream`]. It may send
//! requests itself: see [`outbound`].
//!
//! | target | artifact | entry point |
//! |---|---|---|
//! | `wasm32-wasip1` | core Wasm module, for `wasm` and `v8` alike | [`wasm`]: `isolab_request`, `isolab_handle` |
//! | `x86_64-unknown-linux-musl` | static server, for `docker` | `server` (feature `server`): hyper on a Unix socket or a port |
//! | `x86_64-unknown-linux-gnu` | native library, for `direct` | [`library`]: `isolab_call_CRATE` |
//!
//! [`wire`] describes how requests and responses are written as bytes.

#[cfg(not(target_arch = "wasm32"))]
pub mod library;
mod message;
#[cfg(any(unix, target_os = "wasi"))]
pub mod outbound;
#[cfg(feature = "server")]
pub mod server;
pub mod stream;
#[cfg(target_arch = "wasm32")]
pub mod wasm;
pub mod wire;

pub use message::{Request, Response, TEXT};
pub use stream::Answer;

/// The Wasm export of a function's initialisation. It is the default name of Wizer, which
/// runs the export and removes it: an instance of the new module has nothing left to do.
pub const INITIALIZE: &str = "wizer-initialize";

/// Exports a function (`fn(&Request<'_>) -> Response`) from a Wasm module or a native
/// library, and its initialisation (`fn()`) if it has one.
#[macro_export]
macro_rules! export {
    ($handle:ident $(, initialize = $initialize:ident)?) => {
        #[cfg(target_arch = "wasm32")]
        mod __isolab_exports {
            #[unsafe(no_mangle)]
            extern "C" fn isolab_request(len: usize) -> *mut u8 {
                $crate::wasm::request(len)
            }

            #[unsafe(no_mangle)]
            extern "C" fn isolab_handle() -> *const u8 {
                $crate::wasm::handle(super::$handle)
            }

            $(
                // `isolab_sdk::INITIALIZE`: an attribute takes a literal only.
                #[unsafe(export_name = "wizer-initialize")]
                extern "C" fn isolab_initialize() {
                    super::$initialize();
                }
            )?
        }

        #[cfg(not(target_arch = "wasm32"))]
        mod __isolab_exports {
            // With the crate's name, so that a program may contain several functions.
            #[unsafe(export_name = concat!("isolab_call_", env!("CARGO_CRATE_NAME")))]
            unsafe extern "C" fn isolab_call(request: &$crate::library::Request) {
                // SAFETY: the host keeps to `isolab_sdk::library::Call`.
                unsafe { $crate::library::call(request, super::$handle) }
            }

            $(
                #[unsafe(export_name = concat!("isolab_initialize_", env!("CARGO_CRATE_NAME")))]
                extern "C" fn isolab_initialize() {
                    static ONCE: std::sync::Once = std::sync::Once::new();
                    ONCE.call_once(super::$initialize);
                }
            )?
        }
    };
}

/// Exports a function whose bodies flow ([`stream::StreamHandle`]), and its initialisation if it has
/// one. The module or library also has the exports of [`export!`], for hosts that keep bodies
/// whole.
#[macro_export]
macro_rules! export_stream {
    ($handle:ident $(, initialize = $initialize:ident)?) => {
        #[cfg(target_os = "wasi")]
        mod __isolab_stream {
            #[unsafe(no_mangle)]
            extern "C" fn isolab_stream() -> *const u8 {
                $crate::wasm::stream(super::$handle)
            }
        }

        fn __isolab_whole(request: &$crate::Request<'_>) -> $crate::Response {
            $crate::stream::whole(request, $handle)
        }

        $crate::export!(__isolab_whole $(, initialize = $initialize)?);
    };
}

/// Makes the `main` of the native server around a function, which runs its initialisation
/// first if it has one. Needs the feature `server`.
#[macro_export]
macro_rules! serve {
    ($handle:path $(, initialize = $initialize:path)?) => {
        #[global_allocator]
        static ALLOCATOR: $crate::server::Allocator = $crate::server::Allocator;

        fn main() -> std::process::ExitCode {
            $($initialize();)?
            $crate::server::main($handle)
        }
    };
}

/// The same for a function whose bodies flow ([`stream::StreamHandle`]).
#[macro_export]
macro_rules! serve_stream {
    ($handle:path $(, initialize = $initialize:path)?) => {
        #[global_allocator]
        static ALLOCATOR: $crate::server::Allocator = $crate::server::Allocator;

        fn main() -> std::process::ExitCode {
            $($initialize();)?
            $crate::server::main_stream($handle)
        }
    };
}
