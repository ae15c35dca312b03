//! Parses JSON, sums up its records and serialises the sums: strings and allocation.
//!
//! The body of a POST holds records:
//!
//! ```json
//! {"records": [{"id": 1, "category": "toys", "quantity": 2, "price_cents": 999}]}
//! ```
//!
//! The answer has one object for each category, ordered by code points:
//!
//! ```json
//! {"records":1,"categories":[{"category":"toys","count":1,"quantity":2,
//!   "total_cents":1998,"min_cents":999,"max_cents":999}]}
//! ```
//!
//! Numbers are whole and below 2^32. Totals are the sums of quantity x price; they are at
//! most 2^53 - 1, because JavaScript's numbers are exact up to there. Anything else is
//! answered with 400. An object that repeats a name has no agreed meaning (RFC 8259, §4):
//! this variant refuses it, JavaScript takes the last one.

mod input;

use std::collections::BTreeMap;

use isolab_sdk::{Request, Response};
use serde::Serialize;

use input::{Document, Object, Record};

const NOT_UNDERSTOOD: &str = r#"{"error":"POST an object with records of id, category, quantity, price_cents; numbers whole and below 2^32"}"#;
const TOO_LARGE: &str = r#"{"error":"a total exceeds 2^53 - 1"}"#;

/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const GREATEST_TOTAL: u64 = (1 << 53) - 1;

/// Answers with the sums of the request's records.
pub fn handle(request: &Request<'_>) -> Response {
    if request.method != "POST" {
        return Response::json(400, NOT_UNDERSTOOD);
    }
    let text = request.text();
    let Ok(Object(Document { records })) = serde_json::from_str(&text) else {
        return Response::json(400, NOT_UNDERSTOOD);
    };
    let Some(categories) = summarise(&records) else {
        return Response::json(400, TOO_LARGE);
    };
    let summary = Summary { records: records.len(), categories };
    Response::json(200, serde_json::to_vec(&summary).expect("structs of text and integers serialise"))
}

isolab_sdk::export!(handle);

#[derive(Serialize)]
struct Summary<'a> {
    records: usize,
    categories: Vec<Sums<'a>>,
}

#[derive(Serialize)]
struct Sums<'a> {
    category: &'a str,
    count: u64,
    quantity: u64,
    total_cents: u64,
    min_cents: u32,
    max_cents: u32,
}

impl<'a> Sums<'a> {
    fn new(category: &'a str) -> Self {
        Self { category, count: 0, quantity: 0, total_cents: 0, min_cents: u32::MAX, max_cents: 0 }
    }

    /// `None` if the total becomes too large.
    fn add(&mut self, record: &Record<'_>) -> Option<()> {
        let price = record.price_cents.0;
        let cents = u64::from(record.quantity.0) * u64::from(price);
        self.count += 1;
        self.quantity += u64::from(record.quantity.0);
        self.total_cents = self.total_cents.checked_add(cents).filter(|total| *total <= GREATEST_TOTAL)?;
        self.min_cents = self.min_cents.min(price);
        self.max_cents = self.max_cents.max(price);
        Some(())
    }
}

fn summarise<'a>(records: &'a [Object<Record<'a>>]) -> Option<Vec<Sums<'a>>> {
    let mut by_category = BTreeMap::new();
    for Object(record) in records {
        let category = record.category.as_ref();
        by_category.entry(category).or_insert_with(|| Sums::new(category)).add(record)?;
    }
    Some(by_category.into_values().collect())
}
