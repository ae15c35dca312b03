//! The exports of the module.

use std::cell::OnceCell;

use isolab_sdk::{Request, Response, wire};

use crate::wasi::{self, Stream};
use crate::{Engine, Failure, Platform};

const PLATFORM: Platform = Platform { log, seed: wasi::random, now: wasi::now, sleep: wasi::sleep };

thread_local! {
    // A leaked reference: an engine in a thread-local would need a destructor.
    static ENGINE: OnceCell<&'static Engine> = const { OnceCell::new() };
}

isolab_sdk::export!(handle, initialize = initialize);

unsafe extern "C" {
    /// Made by the linker: runs the constructors of C. If nothing calls it, the linker takes
    /// the module for a command and wraps every export like a `main`.
    fn __wasm_call_ctors();
}

fn initialize() {
    // SAFETY: the host calls this export once, before any other.
    unsafe { __wasm_call_ctors() };
    std::panic::set_hook(Box::new(|panic| wasi::print(Stream::Error, &panic.to_string())));
    let source = String::from_utf8(wasi::input())
        .map_err(|error| Failure(format!("the handler's source is not UTF-8: {error}")));
    match source.and_then(|source| Engine::load(&source, PLATFORM)) {
        Ok(engine) => {
            let first = ENGINE.with(|slot| slot.set(Box::leak(Box::new(engine))).is_ok());
            assert!(first, "initialised twice");
        }
        Err(failure) => trap(&failure),
    }
}

fn handle(request: &Request<'_>) -> Response {
    let engine = ENGINE.with(|slot| *slot.get().expect("`wizer-initialize` comes before the first request"));
    engine.answer(request).unwrap_or_else(|Failure(text)| Response {
        status: wire::THREW,
        headers: Vec::new(),
        body: text.into_bytes(),
    })
}

fn log(_level: &str, text: &str) {
    wasi::print(Stream::Output, text);
}

fn trap(failure: &Failure) -> ! {
    wasi::print(Stream::Error, &failure.0);
    core::arch::wasm32::unreachable()
}
