//! Reads a document exactly as strictly as `JSON.parse` and the checks of the variant `js`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

#[derive(Deserialize)]
pub(crate) struct Document<'a> {
    #[serde(borrow)]
    pub(crate) records: Vec<Object<Record<'a>>>,
}

#[derive(Deserialize)]
pub(crate) struct Record<'a> {
    /// Required of every record, although no sum uses it.
    #[serde(rename = "id")]
    _id: Natural,
    #[serde(borrow)]
    pub(crate) category: Cow<'a, str>,
    pub(crate) quantity: Natural,
    pub(crate) price_cents: Natural,
}

/// A struct that is read from an object only. Derived code also accepts an array of the
/// fields.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A whole number from 0 to 2^32 - 1. JSON has one kind of number, so `150`, `150.0` and
/// `1.5e2` are the same.
pub(crate) struct Natural(pub(crate) u32);

impl<'de> Deserialize<'de> for Natural {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u32(NaturalVisitor)
    }
}

struct NaturalVisitor;

impl Visitor<'_> for NaturalVisitor {
    type Value = Natural;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number below 2^32")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Natural, E> {
        u32::try_from(value).map(Natural).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Natural, E> {
        let whole = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
        whole.then_some(Natural(value as u32)).ok_or_else(|| E::custom("not whole, or out of range"))
    }
}
