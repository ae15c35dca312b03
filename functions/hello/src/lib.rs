//! Greets `myName`: the smallest useful function, so that nearly all of what it
//! costs is its isolation model's.
//!
//! The name comes from the JSON body of a POST, `{"myName": "Ada"}`, otherwise
//! from the query, `?myName=Ada`; without one the world is greeted. The answer is
//! `{"message":"Hello Ada"}`. A body that is not understood is answered with 400.
//!
//! A fresh sandbox pays for every page that is touched first, hence the body is
//! read without a tree of values in between and the name is borrowed from it.
//!
//! Where a body says `myName` twice the last one counts, as in JavaScript; both
//! have to be text.

use std::borrow::Cow;
use std::fmt;

use isolab_sdk::{Request, Response};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

const NOT_UNDERSTOOD: &str =
    r#"{"error":"the body must be a JSON object, with a string as myName if it has one"}"#;

/// Answers a request with a greeting.
pub fn handle(request: &Request<'_>) -> Response {
    if request.method != "POST" {
        return greet(request.query_value("myName").as_deref());
    }
    match serde_json::from_str(&request.text()) {
        Ok(Input { name }) => greet(name.as_deref()),
        Err(_) => Response::json(400, NOT_UNDERSTOOD),
    }
}

isolab_sdk::export!(handle);

fn greet(name: Option<&str>) -> Response {
    let message = ["Hello ", name.unwrap_or("World")].concat();
    let body = serde_json::to_vec(&Output { message }).expect("a struct of text serialises");
    Response::json(200, body)
}

#[derive(Serialize)]
struct Output {
    message: String,
}

struct Input<'a> {
    name: Option<Cow<'a, str>>,
}

/// Text that is copied only if it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// By hand because a derived struct also reads an array, and refuses a name that
/// is given twice; JavaScript does neither.
impl<'de> Deserialize<'de> for Input<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut name = None;
        while let Some(Text(key)) = map.next_key()? {
            if key == "myName" {
                name = map.next_value::<Option<Text<'de>>>()?.map(|Text(text)| text);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Input { name })
    }
}
