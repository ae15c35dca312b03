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
//! are more than all other data of the module. What is not asked for is skipped and not
//! descended into: how deep it is, a sender decides, and how deep a stack is, a sandbox.
//!
//! Where a body says `myName` twice the last one counts, as in JavaScript.

use std::borrow::Cow;
use std::fmt;

use isolab_sdk::{Request, Response};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

const NOT_UNDERSTOOD: &str =
    r#"{"error":"the body must be a JSON object, with a string as myName if it has one"}"#;

/// Answers a request with a greeting.
pub fn handle(request: &Request<'_>) -> Response {
    if request.method != "POST" {
        return greet(request.query_value("myName").as_deref());
    }
    match serde_json::from_str(&request.text()) {
        Ok(Input::Name(name)) => greet(Some(&name)),
        Ok(Input::Nothing) => greet(None),
        Ok(Input::NotUnderstood) | Err(_) => Response::json(400, NOT_UNDERSTOOD),
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

/// What a body says about `myName`.
enum Input<'a> {
    Name(Cow<'a, str>),
    /// It is absent, or null.
    Nothing,
    /// It is no text, or the body is no object.
    NotUnderstood,
}

impl<'de> Deserialize<'de> for Input<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Place::Body.deserialize(deserializer)
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Body,
    Name,
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Input<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Input<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Input<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Input<'de>, A::Error> {
        let mut input = if self == Self::Body { Input::Nothing } else { Input::NotUnderstood };
        while let Some(Text(key)) = map.next_key()? {
            if self == Self::Body && key == "myName" {
                input = map.next_value_seed(Self::Name)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(input)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Input<'de>, E> {
        Ok(if self == Self::Name { Input::Name(Cow::Borrowed(text)) } else { Input::NotUnderstood })
    }

    fn visit_str<E>(self, text: &str) -> Result<Input<'de>, E> {
        Ok(if self == Self::Name { Input::Name(Cow::Owned(text.to_owned())) } else { Input::NotUnderstood })
    }

    fn visit_unit<E>(self) -> Result<Input<'de>, E> {
        Ok(if self == Self::Name { Input::Nothing } else { Input::NotUnderstood })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Input<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Input::NotUnderstood)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Input<'de>, E> {
        Ok(Input::NotUnderstood)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Input<'de>, E> {
        Ok(Input::NotUnderstood)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Input<'de>, E> {
        Ok(Input::NotUnderstood)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Input<'de>, E> {
        Ok(Input::NotUnderstood)
    }
}

/// Text that is copied only if it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
