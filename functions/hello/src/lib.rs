//! Greets `myName`: the smallest useful function, so that nearly all of what it
//! costs is its isolation model's.
//!
//! The name comes from the JSON body of a POST, `{"myName": "Ada"}`, otherwise
//! from the query, `?myName=Ada`; without one the world is greeted. The answer is
//! `{"message":"Hello Ada"}`. A body that is not understood is answered with 400.
//!
//! A fresh sandbox pays for every page that is touched first, hence the body is
//! read without a tree of values in between and the name is borrowed from it; and
//! every kind of value is taken, as serde's own refusal prints numbers, whose tables
//! are more than all other data of the module.
//!
//! Where a body says `myName` twice the last one counts, as in JavaScript.

use std::borrow::Cow;
use std::fmt;

use isolab_sdk::{Request, Response};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

const NOT_UNDERSTOOD: &str =
    r#"{"error":"the body must be a JSON object, with a string as myName if it has one"}"#;

/// Answers a request with a greeting.
pub fn handle(request: &Request<'_>) -> Response {
    if request.method != "POST" {
        return greet(request.query_value("myName").as_deref());
    }
    match serde_json::from_str(&request.text()) {
        Ok(Value::Object { name }) => greet(name.as_deref()),
        Ok(_) | Err(_) => Response::json(400, NOT_UNDERSTOOD),
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

/// A JSON value, as far as a greeting needs it.
enum Value<'a> {
    Text(Cow<'a, str>),
    Null,
    /// One whose `myName` is text, or null or absent.
    Object {
        name: Option<Cow<'a, str>>,
    },
    /// Any other, an object whose `myName` is neither included.
    Other,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        let mut object = Value::Object { name: None };
        while let Some(Text(key)) = map.next_key()? {
            if key == "myName" {
                object = match map.next_value()? {
                    Value::Text(name) => Value::Object { name: Some(name) },
                    Value::Null => Value::Object { name: None },
                    Value::Object { .. } | Value::Other => Value::Other,
                };
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(object)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }
}

/// Text that is copied only if it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
