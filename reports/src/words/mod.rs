//! Formats numbers, facts and words for people.

pub(crate) mod facts;
pub(crate) mod left_out;
pub mod limits;
pub mod precision;
pub mod units;

/// `text` in one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A function in one variant, as a heading.
pub(crate) fn title(function: &str, variant: &str) -> String {
    format!("{function} · {variant}")
}

/// `text` with a capital first and a full stop at its end.
pub(crate) fn sentence(text: &str) -> String {
    format!("{}.", capital(text.trim_end_matches('.')))
}

/// `text`, beginning with a capital.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
