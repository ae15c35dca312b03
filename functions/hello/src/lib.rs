//! Greets `myName`: the smallest useful function, so nearly all of its cost is that of the
//! isolation model.
//!
//! The name comes from the JSON body of a POST, `{"myName": "Ada"}`, or else from the
//! query, `?myName=Ada`; its default is `World`. The answer is `{"message":"Hello Ada"}`.
//! An invalid body is answered with 400.
//!
//! A fresh sandbox pays for each page at its first use. So the body is read without a tree
//! of values, and the name is borrowed from it. The visitor accepts every kind of value,
//! because serde's own refusal prints numbers, and the tables for that are larger than all
//! other data of the module. Values of other names are skipped without recursion: the
//! sender controls the nesting depth; the sandbox limits the stack.
//!
//! If a body has `myName` twice, the last one counts, as in JavaScript.

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

/// The value of `myName` in a body.
enum Input<'a> {
    Name(Cow<'a, str>),
    /// `myName` is absent or null.
    Nothing,
    /// `myName` is not a string, or the body is not an object.
    NotUnderstood,
}

impl<'de> Deserialize<'de> for Input<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Place::Body.deserialize(deserializer)
    }
}

/// Which value is read.
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

/// Text, copied only if it contains escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
