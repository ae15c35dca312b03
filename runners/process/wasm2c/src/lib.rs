//! The server around a Wasm module that wasm2c has turned into C.
//!
//! The executor `process:sandbox=wasm2c` compiles the module's C and `module.c`, and links both with this library. The
//! server is that of a native function; it hands each request to the module, in the module's memory.
//!
//! The process is one instance. Its memory has guard pages behind it, and a trap ends the process. Functions of WASI
//! are those of the lab's other engines (`isolab_core::wasi`).

mod imports;
mod module;

use std::ffi::{CStr, c_char, c_int};
use std::process::ExitCode;

use isolab_sdk::server::{self, Allocator};
use isolab_sdk::{Request, Response, wire};
use nix::sys::signal::{SigHandler, Signal, signal};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The program: starts the instance, and serves it.
///
/// # Safety
/// `main` calls it, with its own arguments.
#[unsafe(no_mangle)]
unsafe extern "C" fn isolab_main(count: c_int, arguments: *const *const c_char) -> c_int {
    // Rust's own `main` would do this: a connection that is closed early is an error, and not the end.
    // SAFETY: to ignore a signal runs no code of this process.
    if unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) }.is_err() {
        return 1;
    }
    let argument = |index| {
        // SAFETY: `main` has as many arguments, each with a NUL at its end.
        unsafe { CStr::from_ptr(*arguments.add(index)) }.to_bytes().to_vec()
    };
    imports::begin((0..usize::try_from(count).unwrap_or(0)).map(argument).collect());
    module::start();
    c_int::from(server::main(handle) != ExitCode::SUCCESS)
}

/// Has the module answer.
fn handle(request: &Request<'_>) -> Response {
    let len = u32::try_from(wire::request_len(request)).expect("a request fits into 4 GiB");
    let at = module::request(len);
    let room = module::memory().get_mut(at as usize..).and_then(|room| room.get_mut(..len as usize));
    wire::write_request(request, room.expect("the room for a request is in the memory"));
    let at = module::handle();
    let response = response(module::memory(), at).expect("the response is in the memory");
    wire::decode_response(response).expect("a response in the wire form")
}

/// The bytes at an address, where their length precedes them.
fn response(memory: &[u8], at: u32) -> Option<&[u8]> {
    let (len, rest) = memory.get(at as usize..)?.split_first_chunk()?;
    rest.get(..u32::from_le_bytes(*len) as usize)
}
