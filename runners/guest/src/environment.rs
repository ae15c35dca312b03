//! The environment variables that tell a server its limits and its grants.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use isolab_core::function::Grants;
use isolab_core::spec::Values;
use isolab_core::{Limits, Setting};

use crate::outbound;

/// A function's limits.
const LIMITS: &str = "ISOLAB_LIMITS";

/// The names of the granted environment variables, as a JSON list.
const NAMES: &str = "ISOLAB_ENV";

/// Environment variables that the server takes its orders from begin with this, or are [`PORT`].
const PREFIX: &str = "ISOLAB_";
const PORT: &str = "PORT";

/// Fails if a granted variable is one of the server's own, with the reason as a sentence without a full stop.
pub fn check(grants: &Grants) -> Result<(), String> {
    let is_own = |name: &&String| name.starts_with(PREFIX) || *name == PORT;
    match grants.env.keys().find(is_own) {
        Some(name) => Err(format!("the environment variable `{name}` is the server's own")),
        None => Ok(()),
    }
}

/// The granted variables, and their names for a server that passes them on, each as `NAME=VALUE`.
pub fn granted(grants: &Grants) -> Vec<String> {
    if grants.env.is_empty() {
        return Vec::new();
    }
    let names: Vec<_> = grants.env.keys().collect();
    let names = serde_json::json!(names);
    let variables = grants.env.iter().map(|(name, value)| format!("{name}={value}"));
    variables.chain([format!("{NAMES}={names}")]).collect()
}

/// The variable with a function's limits as `NAME=VALUE`: memory in bytes, deadline in nanoseconds, response
/// and streamed request in bytes.
pub fn limited(limits: &Limits) -> String {
    let Limits { memory_bytes, deadline, response_bytes, request_bytes } = limits;
    format!("{LIMITS}={memory_bytes} {} {response_bytes} {request_bytes}", deadline.as_nanos())
}

/// The setting of an executor whose servers may answer several requests at the same time.
pub const CONCURRENCY: Setting = Setting {
    name: "concurrency",
    default: "1",
    values: Values::Number(1, 1024),
    help: "requests that an instance answers at the same time",
};

/// The variable with the number of requests that the host may send at the same time; none for one.
pub fn concurrent(requests: u64) -> Option<String> {
    (requests > 1).then(|| format!("ISOLAB_CONNECTIONS={requests}"))
}

/// How much later than the host the executor in the server ends a request, and how much more of an
/// answer it takes. So the host finds out first, and knows the cause: of an answer that has begun, the
/// server could only break off the connection.
const DEADLINE_GRACE: Duration = Duration::from_secs(1);
const RESPONSE_GRACE_BYTES: u64 = 1 << 20;

/// The limits of the executor in this process: those that the host has set, with some grace where the host
/// enforces them itself.
///
/// # Errors
/// If the environment has none: no executor has started this process.
pub fn limits() -> Result<Limits, String> {
    let text = env::var(LIMITS).unwrap_or_default();
    let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [memory_bytes, deadline_ns, response_bytes, request_bytes] = numbers[..] else {
        return Err(format!("{LIMITS} has no limits; only an executor starts this server"));
    };
    let deadline = Duration::from_nanos(deadline_ns).saturating_add(DEADLINE_GRACE);
    let response_bytes = response_bytes.saturating_add(RESPONSE_GRACE_BYTES);
    Ok(Limits { memory_bytes, deadline, response_bytes, request_bytes })
}

/// The socket at which the host takes outbound requests. `None` if the function is granted no host.
pub fn outbound() -> Option<PathBuf> {
    env::var_os(outbound::VARIABLE).map(PathBuf::from)
}

/// The environment variables that the function is granted.
///
/// # Errors
/// If the host's list of them cannot be read, or one of them is missing.
pub fn granted_env() -> Result<BTreeMap<String, String>, String> {
    let Some(names) = env::var_os(NAMES) else { return Ok(BTreeMap::new()) };
    let failed = |reason: &str| format!("{NAMES} is not a list of granted variables: {reason}");
    let names = names.to_str().ok_or_else(|| failed("it is not UTF-8"))?;
    let names: Vec<String> = serde_json::from_str(names).map_err(|error| failed(&error.to_string()))?;
    let variable = |name: String| {
        let value = env::var(&name).map_err(|error| failed(&format!("`{name}`: {error}")))?;
        Ok((name, value))
    };
    names.into_iter().map(variable).collect()
}
