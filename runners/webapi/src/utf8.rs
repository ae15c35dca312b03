//! UTF-8 as `TextDecoder` and the readers of bodies decode it.

use std::borrow::Cow;

/// The bytes are not UTF-8, and were decoded with `fatal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

impl std::fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the encoded data was not valid UTF-8")
    }
}

impl std::error::Error for NotUtf8 {}

/// The text of `bytes`. Drops a byte order mark at the beginning unless `ignore_bom`. Bytes that
/// are not UTF-8 become U+FFFD, or an error if `fatal`.
pub fn decode_utf8(bytes: &[u8], fatal: bool, ignore_bom: bool) -> Result<Cow<'_, str>, NotUtf8> {
    // Replaces maximal subparts, one U+FFFD each, as the Encoding standard's decoder does.
    utf8_of(bytes, fatal, ignore_bom).map(String::from_utf8_lossy)
}

/// The part of `bytes` that [`decode_utf8`] decodes, for engines that do the rest themselves. An error if
/// `fatal` and they are not UTF-8.
pub fn utf8_of(bytes: &[u8], fatal: bool, ignore_bom: bool) -> Result<&[u8], NotUtf8> {
    let mark = if ignore_bom { None } else { bytes.strip_prefix(b"\xef\xbb\xbf") };
    let bytes = mark.unwrap_or(bytes);
    if fatal && std::str::from_utf8(bytes).is_err() {
        return Err(NotUtf8);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_dropped_once() {
        let text = b"\xef\xbb\xbf\xef\xbb\xbfa";
        assert_eq!(decode_utf8(text, true, false).unwrap(), "\u{feff}a");
        assert_eq!(decode_utf8(text, true, true).unwrap(), "\u{feff}\u{feff}a");
    }

    #[test]
    fn maximal_subparts_are_replaced() {
        // The example of the Unicode standard, section 3.9, table 3-8.
        let text =
            decode_utf8(b"\xf4\x91\x92\x93\xffA\x80\xbfB\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", false, true);
        let expected =
            "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}A\u{fffd}\u{fffd}B\u{fffd}\u{fffd}\u{fffd}\u{fffd}A";
        assert_eq!(text.unwrap(), expected);
        assert_eq!(decode_utf8(b"a\xff", true, false), Err(NotUtf8));
    }

    proptest! {
        #[test]
        fn text_survives_and_bytes_never_fail(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decode_utf8(text.as_bytes(), true, true).unwrap(), text.as_str());
            let lossy = decode_utf8(&bytes, false, true).unwrap();
            let strict = decode_utf8(&bytes, true, true);
            prop_assert_eq!(strict.is_ok(), !lossy.contains('\u{fffd}') || strict == Ok(lossy));
        }
    }
}
