//! Whether `text` in the query is a number that begins with 1: `true` or `false`.
//!
//! Wizer's benchmark `regex` has the same expression. It is compiled in the initialisation, so
//! the function shows the gain of work that is done in advance.

use std::sync::OnceLock;

use isolab_sdk::{Request, Response};
use regex::Regex;

static EXPRESSION: OnceLock<Regex> = OnceLock::new();

/// Compiles the expression. A second call changes nothing.
pub fn initialize() {
    EXPRESSION.get_or_init(|| Regex::new(r"^1\d*$").expect("a valid expression"));
}

/// Answers whether `text` matches; 400 if the query has no `text`.
pub fn handle(request: &Request<'_>) -> Response {
    let Some(text) = request.query_value("text") else {
        return Response::text(400, "the query needs `text`");
    };
    let expression = EXPRESSION.get().expect("`initialize` comes before the first request");
    Response::text(200, if expression.is_match(&text) { "true" } else { "false" })
}

isolab_sdk::export!(handle, initialize = initialize);
