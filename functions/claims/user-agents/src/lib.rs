//! The browser that a user agent names (`agent` in the query), and the number of expressions
//! that match: `{"browser":"Firefox","matches":2}`. Without a match the browser is `null`.
//!
//! `expressions.txt` has a browser and an expression in each line; the oracle writes it. The
//! expressions are compiled into one set in the initialisation. Wizer's benchmark `uap` does the
//! same with the expressions of the project `uap-core`.

use std::sync::OnceLock;

use isolab_sdk::{Request, Response};
use regex::{RegexSet, RegexSetBuilder};

const EXPRESSIONS: &str = include_str!("../expressions.txt");

/// The most bytes of the compiled set. The crate's default is 10 MiB.
const SIZE_LIMIT_BYTES: usize = 64 << 20;

static SET: OnceLock<RegexSet> = OnceLock::new();

/// The browsers and their expressions.
fn entries() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXPRESSIONS.lines().filter_map(|line| line.split_once('\t'))
}

/// Compiles the expressions. A second call changes nothing.
pub fn initialize() {
    SET.get_or_init(|| {
        let mut builder = RegexSetBuilder::new(entries().map(|(_, expression)| expression));
        builder.size_limit(SIZE_LIMIT_BYTES).build().expect("valid expressions")
    });
}

/// Answers with the browser of the first expression that matches; 400 if the query has no
/// `agent`.
pub fn handle(request: &Request<'_>) -> Response {
    let Some(agent) = request.query_value("agent") else {
        return Response::text(400, "the query needs `agent`");
    };
    let matches = SET.get().expect("`initialize` comes before the first request").matches(&agent);
    let first = matches.iter().next().and_then(|index| entries().nth(index));
    let browser = first.map_or_else(|| "null".to_owned(), |(browser, _)| format!("\"{browser}\""));
    Response::json(200, format!("{{\"browser\":{browser},\"matches\":{}}}", matches.iter().count()))
}

isolab_sdk::export!(handle, initialize = initialize);
