//! Exceptions as readable text.

/// The most bytes of a stack that are kept: endless recursion has thousands of lines.
const MAX_LEN: usize = 2048;

/// The most bytes of a character in UTF-8.
const LONGEST_CHARACTER: usize = 4;

type TryCatch<'a, 's, 'o, 'i> = v8::PinnedRef<'a, v8::TryCatch<'s, 'o, v8::HandleScope<'i>>>;

/// The exception that was caught, with its stack, or with its place if it has no stack.
pub(crate) fn caught(scope: &mut TryCatch<'_, '_, '_, '_>) -> String {
    if scope.has_terminated() {
        return "terminated".into();
    }
    let Some(exception) = scope.exception() else {
        return "an exception without a value".into();
    };
    let place = scope.message().and_then(|message| {
        let script = message.get_script_resource_name(scope)?.to_rust_string_lossy(scope);
        Some(format!("{script}:{}:{}", message.get_line_number(scope)?, message.get_start_column() + 1))
    });
    let text = describe(scope, exception);
    // The stack of a syntax error does not contain the place of the error.
    match place {
        Some(place) if !text.contains(&place) => format!("{text}\n    at {place}"),
        _ => text,
    }
}

/// A value that was thrown: the stack of an error, which begins with its name and message, or
/// else the text of the value.
pub(crate) fn describe(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> String {
    // The function can replace the code that makes the stack when it is first read.
    v8::tc_scope!(let scope, scope);
    let stack = value
        .to_object(scope)
        .filter(|_| value.is_native_error())
        .and_then(|error| {
            let name = v8::String::new(scope, "stack")?;
            error.get(scope, name.into())
        })
        .filter(|stack| stack.is_string());
    let text = stack.unwrap_or(value).to_detail_string(scope);
    text.map_or_else(|| "an exception without a text".to_owned(), |text| shortened(scope, text))
}

/// The text of an exception, cut off where it is too long.
pub(crate) fn shortened(scope: &v8::PinScope<'_, '_>, text: v8::Local<'_, v8::String>) -> String {
    let beginning = beginning(scope, text, MAX_LEN + LONGEST_CHARACTER);
    let mut text = String::from_utf8_lossy(&beginning).into_owned();
    if text.len() > MAX_LEN {
        text.truncate(text.floor_char_boundary(MAX_LEN));
        text.push('…');
    }
    text
}

/// The first bytes of a text in UTF-8. No more of it is copied, however long it is.
pub(crate) fn beginning(
    scope: &v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
    limit_bytes: usize,
) -> Vec<u8> {
    let mut bytes = vec![0; limit_bytes.min(text.length().saturating_mul(LONGEST_CHARACTER))];
    let written = text.write_utf8_v2(scope, &mut bytes, v8::WriteFlags::kReplaceInvalidUtf8, None);
    bytes.truncate(written);
    bytes
}
