//! Functions for `direct`.

use std::sync::Arc;

use isolab_core::direct::{Direct, Native, SETTINGS};
use isolab_core::{Executor, Spec};
use isolab_sdk::{Request, Response};

static FUNCTIONS: &[(&str, Native)] = &[
    ("hello", function_hello::handle),
    ("echo", echo),
    ("panic", |_| panic!("on purpose")),
    ("flood", |_| Response::text(200, "x".repeat(1_001))),
    ("nonsense", |_| Response::text(99, "")),
    ("frame", frame),
    ("large", large),
    ("names", names_of_headers),
    ("burn", function_burn::handle),
];

pub(crate) fn names() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name).filter(|name| *name != "hello").collect()
}

pub(crate) fn direct() -> Arc<dyn Executor> {
    Arc::new(Direct::linked(Spec::parse("direct").unwrap().resolve(SETTINGS).unwrap(), FUNCTIONS))
}

/// Answers with the parts of its request.
fn echo(request: &Request<'_>) -> Response {
    let Request { method, path, query, body, .. } = request;
    Response::text(200, format!("{method} {path} {query} {}", body.len()))
}

/// Answers with the names of its request's headers.
fn names_of_headers(request: &Request<'_>) -> Response {
    let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    Response::text(200, names.join(" "))
}

/// Answers with 32 MiB, more than the buffers of two sockets hold.
fn large(_: &Request<'_>) -> Response {
    Response::text(200, format!("{}end", "x".repeat(32 << 20)))
}

/// Tries to write headers that belong to the connection.
fn frame(_: &Request<'_>) -> Response {
    let mut response = Response::text(200, "four");
    for (name, value) in [
        ("content-length", "1"),
        ("connection", "close"),
        ("x-isolab-instance", "forged"),
        ("x-isolab-bill", "cpu_ns=0"),
    ] {
        response.headers.push((name.into(), value.into()));
    }
    response
}
