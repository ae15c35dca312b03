//! URLs as the WHATWG standard parses and serialises them.

use url::{Url, quirks};

/// The names of the parts that [`parse_url`] returns, in its order. They are properties of the
/// class `URL`.
pub const URL_PARTS: [&str; 11] = [
    "href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search",
    "hash",
];

/// The most bytes of a URL, of a URL before it is parsed, and of a part of one. Encoding makes some characters nine
/// times as long, and the parts together are as long as the URL twice. Chromium has the same limit
/// (`url::kMaxURLChars`).
pub const URL_BYTES: usize = 2 << 20;

/// The [`URL_PARTS`] of `href`, resolved against `base` if there is one. `None` if one of them
/// is not a URL, or longer than [`URL_BYTES`].
pub fn parse_url(href: &str, base: Option<&str>) -> Option<[String; 11]> {
    if href.len() > URL_BYTES || base.is_some_and(|base| base.len() > URL_BYTES) {
        return None;
    }
    let base = match base {
        Some(base) => Some(Url::parse(base).ok()?),
        None => None,
    };
    Url::options().base_url(base.as_ref()).parse(href).ok().and_then(|url| parts(&url))
}

/// The parts of `href` after `part` was set to `value`. An invalid value is ignored, as by the
/// setters of the class. `None` if `part` is `href` and the value is not a URL, if there is
/// no such setter, or if the value or the URL is longer than [`URL_BYTES`].
pub fn set_url(href: &str, part: &str, value: &str) -> Option<[String; 11]> {
    if href.len() > URL_BYTES || value.len() > URL_BYTES {
        return None;
    }
    let mut url = Url::parse(href).ok()?;
    // An invalid value leaves the URL unchanged, as in the standard.
    let _ignored = match part {
        "href" => return parse_url(value, None),
        "protocol" => quirks::set_protocol(&mut url, value),
        "username" => quirks::set_username(&mut url, value),
        "password" => quirks::set_password(&mut url, value),
        "host" => quirks::set_host(&mut url, value),
        "hostname" => quirks::set_hostname(&mut url, value),
        "port" => quirks::set_port(&mut url, value),
        "pathname" => {
            quirks::set_pathname(&mut url, value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, value);
            Ok(())
        }
        _ => return None,
    };
    parts(&url)
}

fn parts(url: &Url) -> Option<[String; 11]> {
    (url.as_str().len() <= URL_BYTES).then(|| all_parts(url))
}

fn all_parts(url: &Url) -> [String; 11] {
    [
        quirks::href(url).to_owned(),
        quirks::origin(url),
        quirks::protocol(url).to_owned(),
        quirks::username(url).to_owned(),
        quirks::password(url).to_owned(),
        quirks::host(url).to_owned(),
        quirks::hostname(url).to_owned(),
        quirks::port(url).to_owned(),
        quirks::pathname(url).to_owned(),
        quirks::search(url).to_owned(),
        quirks::hash(url).to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_parts_are_answered_in_order() {
        let parts = parse_url("https://me:pw@EXAMPLE.org:8080/a/../b?q=1#h", None).unwrap();
        let expected = [
            "https://me:pw@example.org:8080/b?q=1#h",
            "https://example.org:8080",
            "https:",
            "me",
            "pw",
            "example.org:8080",
            "example.org",
            "8080",
            "/b",
            "?q=1",
            "#h",
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn a_relative_url_needs_a_base() {
        assert_eq!(parse_url("b?c", None), None);
        assert_eq!(parse_url("b?c", Some("http://h/a/x")).unwrap()[0], "http://h/a/b?c");
        assert_eq!(parse_url("b", Some("no base")), None);
    }

    #[test]
    fn setters_ignore_invalid_values() {
        let set = |part, value| set_url("http://h:81/p?q#f", part, value).map(|parts| parts[0].clone());
        assert_eq!(set("port", "80").as_deref(), Some("http://h/p?q#f"));
        assert_eq!(set("port", "x").as_deref(), Some("http://h:81/p?q#f"));
        assert_eq!(set("search", "").as_deref(), Some("http://h:81/p#f"));
        assert_eq!(set("hash", "a b").as_deref(), Some("http://h:81/p?q#a%20b"));
        assert_eq!(set("href", "nonsense"), None);
        assert_eq!(set("origin", "http://x"), None);
    }

    #[test]
    fn a_url_that_is_too_long_before_or_after_parsing_is_refused() {
        let path = |len: usize, text: &str| format!("http://h/{}", text.repeat(len));
        let longest = path(URL_BYTES - 9, "a");
        assert_eq!(parse_url(&longest, None).unwrap()[0], longest);
        assert_eq!(parse_url(&path(URL_BYTES - 8, "a"), None), None);
        // Each takes three bytes, and nine when it is encoded.
        assert_eq!(parse_url(&path(URL_BYTES / 4, "\u{20ac}"), None), None);
        assert_eq!(parse_url("x", Some(&path(URL_BYTES, "a"))), None);
        assert_eq!(set_url("http://h/", "hash", &"a".repeat(URL_BYTES)), None);
        assert_eq!(set_url(&longest, "hash", "a"), None);
    }

    proptest! {
        #[test]
        fn a_serialised_url_parses_to_itself(text in ".*", path in "[ -~]{0,30}") {
            for href in [text, format!("http://localhost/{path}")] {
                if let Some(parts) = parse_url(&href, None) {
                    prop_assert_eq!(parse_url(&parts[0], None).unwrap(), parts);
                }
            }
        }

        #[test]
        fn every_setter_makes_a_url(
            part in prop::sample::select(URL_PARTS.as_slice()), value in ".*",
        ) {
            if let Some(parts) = set_url("http://u:p@h:81/p?q#f", part, &value) {
                prop_assert_eq!(parse_url(&parts[0], None).unwrap(), parts);
            }
        }
    }
}
