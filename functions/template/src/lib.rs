//! Renders records as an HTML page: a template engine with loops, conditions and escaping.
//!
//! The body of a POST holds a page of orders:
//!
//! ```json
//! {"title": "Orders", "orders": [{"id": "o-1", "customer": "Ada", "email": "ada@example.org",
//!   "note": "by <Friday>", "paid": true, "lines": [{"name": "Tea", "quantity": "2", "price": "4.50"}]}]}
//! ```
//!
//! The answer is the HTML of `src/page.html`. All values are text, `paid` excepted; `note` may be absent
//! or null. Anything else is answered with 400. An object that repeats a name has no agreed meaning
//! (RFC 8259, §4): this variant refuses it, JavaScript takes the last one.
//!
//! The template is a Jinja template, which `minijinja` compiles in the initialisation. The variant `js` has
//! template literals with the same escapes, because engines for Jinja in JavaScript make code at
//! run time, which an isolate must not do.

mod input;

use std::sync::OnceLock;

use isolab_sdk::{Request, Response};
use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;

use input::{Object, Page};

const NOT_UNDERSTOOD: &str =
    r#"{"error":"POST an object with a title and orders, as the documentation of the function has it"}"#;

/// The engine escapes values for HTML because of the name's ending.
const NAME: &str = "page.html";

static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();

/// Compiles the template. A second call changes nothing.
pub fn initialize() {
    TEMPLATES.get_or_init(|| {
        let mut templates = Environment::new();
        // A line with nothing but a statement leaves nothing behind.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .expect("a valid syntax");
        templates.set_syntax(syntax);
        templates.add_template(NAME, include_str!("page.html")).expect("a valid template");
        templates
    });
}

/// Answers with the page of the request's orders.
pub fn handle(request: &Request<'_>) -> Response {
    if request.method != "POST" {
        return Response::json(400, NOT_UNDERSTOOD);
    }
    let text = request.text();
    let Ok(Object(page)) = serde_json::from_str::<Object<Page<'_>>>(&text) else {
        return Response::json(400, NOT_UNDERSTOOD);
    };
    let templates = TEMPLATES.get().expect("`initialize` comes before the first request");
    let template = templates.get_template(NAME).expect("`initialize` added it");
    match template.render(Serde(&page)) {
        Ok(html) => Response::new(200, "text/html; charset=utf-8", html),
        Err(error) => Response::text(500, error.to_string()),
    }
}

isolab_sdk::export!(handle, initialize = initialize);
