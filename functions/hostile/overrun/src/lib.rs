//! Reads beyond its memory. Answers `?calm=1` with `calm`.

use isolab_sdk::{Request, Response};

/// Near the end of a 32-bit address space: beyond the Wasm memory, and not mapped in a
/// native process.
const UNMAPPED: usize = 0xffff_fff0;

/// Reads beyond its memory, unless the request says `calm`.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    // SAFETY: unsound on purpose. This is the attack: the sandbox has to end the instance here.
    let byte = unsafe { std::ptr::with_exposed_provenance::<u8>(UNMAPPED).read_volatile() };
    Response::text(200, byte.to_string())
}

isolab_sdk::export!(handle);
