//! Tries to get out of its sandbox in each way that the query names: an attempt for each parameter.
//!
//! | parameter | attempt | |
//! |---|---|---|
//! | `read` | `read_file` | reads the file at this path |
//! | `write` | `write_file` | writes a file at this path |
//! | `port` | `connect` | connects to this TCP port on loopback |
//! | `neighbour` | `see_process`, `signal` | reads the command line of this process, and then kills it |
//! | `processes` | `start_processes` | starts this number of processes that do nothing |
//!
//! `mark` is the text that it writes and sends, and that names its processes, so that the host can tell its doing from
//! that of others. The answer has a line for each attempt: its name, `yes` or `no`, and what was read or the reason.
//! The processes are there until a request with `end`.

use isolab_sdk::{Request, Response};

/// Makes the attempts.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("end").is_some() {
        outside::end();
        return Response::text(200, "");
    }
    Response::text(200, outside::attempts(request))
}

/// A Wasm module has nothing to try with. The calls of the standard library would only import functions of WASI, which
/// not every host has.
#[cfg(not(target_os = "linux"))]
mod outside {
    use isolab_sdk::Request;

    pub(crate) fn attempts(_: &Request<'_>) -> String {
        String::new()
    }

    pub(crate) fn end() {}
}

#[cfg(target_os = "linux")]
mod outside;

isolab_sdk::export!(handle);
