//! Reads memory that is not its own. `?calm=1` is answered with `calm`.

use isolab_sdk::{Request, Response};

/// Near the end of what 32 bits can address: beyond any Wasm memory here, and in no
/// native process's first mapping.
const NOBODYS: usize = 0xffff_fff0;

/// Reads beyond its memory, unless it is to be calm.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    // SAFETY: none, and that is the attack: the sandbox has to end the instance here.
    let byte = unsafe { std::ptr::with_exposed_provenance::<u8>(NOBODYS).read_volatile() };
    Response::text(200, byte.to_string())
}

isolab_sdk::export!(handle);
