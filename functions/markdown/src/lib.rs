//! Renders Markdown as HTML, by the library that people use: a parser with much code and many branches.
//!
//! The body of a POST is Markdown, and the answer is the HTML that `CommonMark` requires. HTML in the Markdown stays
//! as it is. This variant uses `pulldown-cmark`; the variant `js` uses `markdown-it`, which
//! `scripts/bundle-handlers.mjs` puts into the one file of its handler.
//!
//! `CommonMark` allows several spellings of one document. The libraries differ in some, for example in whether a
//! quotation mark in text is an entity. The cases have none of these.

use isolab_sdk::{Request, Response};
use pulldown_cmark::{Parser, html};

/// Answers with the HTML of the request's Markdown.
pub fn handle(request: &Request<'_>) -> Response {
    if request.method != "POST" {
        return Response::text(400, "POST a text in Markdown");
    }
    let text = request.text();
    let mut output = String::with_capacity(text.len() + text.len() / 2);
    html::push_html(&mut output, Parser::new(&text));
    Response::new(200, "text/html; charset=utf-8", output)
}

isolab_sdk::export!(handle);
