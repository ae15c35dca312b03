//! Answers values that its initialisation made, and new ones: instances of one snapshot share the former, which
//! the report must show.
//!
//! `/initial` answers a random number, the time in nanoseconds since 1970 and an address of the heap, as the
//! initialisation saw them; `/new` answers the same as the request sees them. Every other path answers `made`.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::time::SystemTime;

use isolab_sdk::{Request, Response};

static INITIAL: OnceLock<String> = OnceLock::new();

/// Makes the values.
pub fn initialize() {
    INITIAL.get_or_init(values);
}

/// Answers some of the values.
pub fn handle(request: &Request<'_>) -> Response {
    match request.path {
        "/initial" => Response::text(200, INITIAL.get_or_init(values).as_str()),
        "/new" => Response::text(200, values()),
        _ => Response::text(200, "made"),
    }
}

/// The random number is that of a hash map's seeds: the standard library has no other.
fn values() -> String {
    let random = RandomState::new().hash_one(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let address = std::ptr::from_ref(&*Box::new(0u8)).addr();
    format!("{random} {} {address}", since.as_nanos())
}

isolab_sdk::export!(handle, initialize = initialize);
