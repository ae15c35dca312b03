//! Text with code in it.

use maud::{Markup, html};

/// Text as Markdown has it, with `code` between backticks and nothing else special.
pub(super) fn rich(text: &str) -> Markup {
    let parts: Vec<_> = text.split('`').collect();
    // A backtick without its partner is just one.
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (place, part) in parts.iter().enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_make_code_in_pairs() {
        assert_eq!(rich("a `b<` c").into_string(), "a <code>b&lt;</code> c");
        assert_eq!(rich("it`s").into_string(), "it`s");
    }
}
