//! Functions whose bodies flow: a request whose body arrives while the function runs, and an answer
//! that begins before it is whole.
//!
//! ```ignore
//! use std::io::{self, Read};
//!
//! use isolab_sdk::{Answer, Request, TEXT};
//!
//! /// Answers with the number of bytes in the body, which may be larger than the memory.
//! pub fn handle(_: &Request<'_>, body: &mut dyn Read, answer: &mut dyn Answer) -> io::Result<()> {
//!     let bytes = io::copy(body, &mut io::sink())?;
//!     write!(answer.begin(200, &[TEXT])?, "{bytes} bytes")
//! }
//!
//! isolab_sdk::export_stream!(handle); // lib.rs
//! isolab_sdk::serve_stream!(my_function::handle); // main.rs
//! ```
//!
//! The body in the [`Request`] is empty: all of it comes from `body`. A read waits for the client,
//! and so does a write. Both fail if the client leaves. The answer begins with [`Answer::begin`],
//! and is whole when the function returns. A function that returns an error fails its request, and
//! its instance goes on; an answer that has begun is then broken off.
//!
//! | host | bodies |
//! |---|---|
//! | `wasm` | flow, by the export `isolab_stream` |
//! | `docker` | flow, in the native server |
//! | `v8`, `wasmi`, `wasmer`, `direct` | are whole, as these hosts cannot suspend a function: the same function runs by the exports of a function without streams, and its answer is collected |
//!
//! By `isolab_stream`, descriptor 0 is the body of the request. Descriptor 1 is the answer: the length
//! of its head, and the head in the wire form of a response without a body ([`crate::wire`]), then
//! the bytes of the body. The export returns 0, or the address of a text, with its length before it,
//! that says why the function failed. So nothing else may be printed to standard output; standard
//! error is the console.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use crate::{Request, Response, wire};

/// A function whose bodies flow.
pub type StreamHandle = fn(&Request<'_>, &mut dyn Read, &mut dyn Answer) -> io::Result<()>;

/// The place of a function's answer.
pub trait Answer {
    /// Begins the answer with its status, 200 to 599, and its headers. The body is what is written
    /// to the result.
    ///
    /// # Errors
    /// If the answer has begun before, or the client has left.
    fn begin(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<&mut dyn Write>;
}

/// The error of a second beginning.
pub(crate) fn begun_before() -> io::Error {
    io::Error::other("an answer begins only once")
}

/// Says that a function has no answer.
pub(crate) const NOT_BEGUN: &str = "the function ended and had not begun its answer";

/// An answer that is collected.
#[derive(Default)]
struct Collected {
    head: Option<(u16, Vec<(String, String)>)>,
    body: Vec<u8>,
}

impl Answer for Collected {
    fn begin(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<&mut dyn Write> {
        if self.head.is_some() {
            return Err(begun_before());
        }
        let owned = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.head = Some((status, owned.collect()));
        Ok(&mut self.body)
    }
}

/// Calls a function with a whole request, and collects its answer. A function that fails has a
/// response with the status [`wire::THREW`].
pub fn whole(request: &Request<'_>, function: StreamHandle) -> Response {
    let mut body = request.body;
    let request = Request { body: &[], ..request.clone() };
    let mut answer = Collected::default();
    let threw = |text: String| Response { status: wire::THREW, headers: Vec::new(), body: text.into() };
    match (function(&request, &mut body, &mut answer), answer.head) {
        (Err(error), _) => threw(error.to_string()),
        (Ok(()), None) => threw(NOT_BEGUN.to_owned()),
        (Ok(()), Some((status, headers))) => {
            let owned = |(name, value)| (Cow::Owned(name), Cow::Owned(value));
            Response { status, headers: headers.into_iter().map(owned).collect(), body: answer.body }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(request: &Request<'_>, body: &mut dyn Read, answer: &mut dyn Answer) -> io::Result<()> {
        assert!(request.body.is_empty());
        match request.query {
            "silent" => return Ok(()),
            "fail" => return Err(io::Error::other("no")),
            _ => {}
        }
        let writer = answer.begin(201, &[("x-a", request.query)])?;
        io::copy(body, writer)?;
        if request.query == "twice" { answer.begin(200, &[]).map(|_| ()) } else { Ok(()) }
    }

    fn ask(query: &str) -> Response {
        whole(&Request { query, body: b"body", ..Request::default() }, echo)
    }

    #[test]
    fn an_answer_is_collected() {
        let response = ask("q");
        assert_eq!((response.status, response.body.as_slice()), (201, b"body".as_slice()));
        assert_eq!(response.headers, [("x-a".into(), "q".into())]);
    }

    #[test]
    fn a_function_that_fails_and_one_that_does_not_answer_threw() {
        for (query, text) in [("fail", "no"), ("silent", NOT_BEGUN), ("twice", "an answer begins only once")]
        {
            let response = ask(query);
            assert_eq!((response.status, response.body), (wire::THREW, text.into()));
        }
    }
}
