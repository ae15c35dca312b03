//! Which handlers need streams.

/// The classes of the library of streams.
const CLASSES: [&str; 4] = ["ReadableStream", "WritableStream", "TransformStream", "QueuingStrategy"];

/// Whether a handler's source names streams, the stream of a body, or `fetch`. The scripts of streams
/// are evaluated only then, because they take time and memory in each instance.
///
/// The source is not parsed. Names in comments and strings count as well, which costs a handler
/// memory and changes no answer.
pub fn needs_streams(source: &str) -> bool {
    CLASSES.iter().any(|class| source.contains(class))
        || places(source, "body").any(|(before, after)| is_stream_of_body(before, after))
        || places(source, "fetch").any(|(before, after)| is_fetch(before, after))
}

/// The text before and after each place of a word.
fn places<'a>(source: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    source.match_indices(word).filter_map(move |(at, _)| {
        let (before, after) = (&source[..at], &source[at + word.len()..]);
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        is_whole.then(|| (before.trim_end(), after.trim_start()))
    })
}

/// `request.body`, `request["body"]`, and `{ body } = request` also as a parameter.
fn is_stream_of_body(before: &str, after: &str) -> bool {
    let is_quoted = before.ends_with(['"', '\'', '`']) && after.starts_with(['"', '\'', '`']);
    let is_property = before.ends_with('.') && !before.ends_with("..");
    if is_property || is_quoted {
        return true;
    }
    let is_in_braces =
        before.rfind(['{', '}', '(', ')', ';']).is_some_and(|at| before[at..].starts_with('{'));
    let close = after.find(['{', '}', '(', ')', ';']).filter(|at| after[*at..].starts_with('}'));
    let next = close.map(|at| after[at + 1..].trim_start());
    let is_assigned = |next: &str| next.starts_with([')', ',', '=']) && !next.starts_with("==");
    is_in_braces && next.is_some_and(is_assigned)
}

/// Any `fetch` but a method's definition, `fetch(…) {`, or the call of another object's method.
fn is_fetch(before: &str, after: &str) -> bool {
    if before.ends_with('.') {
        return before.ends_with("globalThis.");
    }
    if !after.starts_with('(') {
        // `fetch: …` is a handler's property.
        return !after.starts_with(':');
    }
    let mut depth = 0_u32;
    let end = after.find(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    !end.is_some_and(|end| after[end + 1..].trim_start().starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_that_read_whole_bodies_need_no_streams() {
        for source in [
            "export default { async fetch(request) { return new Response(await request.text()); } };",
            "export default { fetch(request, env = f(1), ctx) { return text(200, body); } };",
            "export default { fetch: (request) => new Response(request.bodyUsed) };",
            "function text(status, body) { return new Response(body, { status }); }",
            "export default { fetch: (request) => app.fetch(request) };",
            "end = function (...body) { return end.apply(this, body); };",
            "const prefetch = somebody.$body + bodyOf(fetches);",
        ] {
            assert!(!needs_streams(source), "{source}");
        }
    }

    #[test]
    fn handlers_that_name_streams_or_fetch_need_them() {
        for source in [
            "for await (const piece of request.body) {}",
            "request?.body?.getReader()",
            "request['body']",
            "const { method, body } = request;",
            "async fetch({ url, body }) { return new Response(body) }",
            "new ReadableStream({})",
            "new CountQueuingStrategy({ highWaterMark: 1 })",
            "export default { async fetch(request) { return fetch(request) } }",
            "await globalThis.fetch('http://origin/')",
            "urls.map(fetch)",
            "if (typeof fetch === 'function') use(fetch);",
            "const ask = fetch",
        ] {
            assert!(needs_streams(source), "{source}");
        }
    }
}
