//! Foreign WASI commands, for any engine. The query is the environment, the body of the request is standard
//! input, and standard output is the response. Each instance runs once. A query cannot replace a
//! variable that the command is granted.

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::{Granted, Stdout, Wasi};
use crate::{Cause, Limits, Request, Response, message};

/// The export that runs a command.
pub const START: &str = "_start";

const CONTENT_TYPE: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

/// The cause for a module without [`START`].
pub fn not_a_command() -> Cause {
    Cause::Artifact(format!("the module exports no `{START}` function, so it is not a WASI command"))
}

/// Standard output as the body of a response.
pub fn stdout(limits: &Limits) -> Stdout {
    Stdout::Body { bytes: Vec::new(), limit_bytes: limits.response_bytes }
}

/// Gives a request to a command that has not run yet.
pub fn give(wasi: &mut Wasi, granted: &Granted, request: Request) {
    wasi.set_environment(granted.environment_before(environment(request.query())));
    wasi.set_stdin(request.body);
}

/// The response of a command that has ended with success, and has written this body.
///
/// # Errors
/// If the head of a response cannot be made.
pub fn response(body: Bytes) -> Result<Response, Cause> {
    message::response(200, [CONTENT_TYPE], body)
}

/// The pairs of a query as `name=value`, decoded, in their order. Pairs that an environment
/// cannot hold are left out: those without a name, with `=` in the name, or with a NUL.
fn environment(query: &str) -> Vec<Vec<u8>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = pairs.map(|(name, value)| (decode(name), decode(value)));
    let valid = decoded.filter(|(name, value)| {
        !name.is_empty() && !name.contains(&b'=') && !name.contains(&0) && !value.contains(&0)
    });
    valid.map(|(name, value)| [name, value].join(&b'=')).collect()
}

fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_decoded_into_an_environment() {
        let of = |query| {
            let pairs = environment(query);
            pairs.iter().map(|pair| String::from_utf8_lossy(pair).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of("a=1&b=%C3%BC+%2B&flag&c=x=y"), ["a=1", "b=ü +", "flag=", "c=x=y"]);
        assert_eq!(of("=nameless&&a%3Db=1&n=%00&z%00=1&ok=1"), ["ok=1"]);
        assert!(of("").is_empty());
        assert_eq!(environment("raw=%ff"), [b"raw=\xff"]);
    }
}
