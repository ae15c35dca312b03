//! The cause of a server's death, as its host can see it.

use isolab_core::{Cause, Limits};

/// How much of the last words an error shows.
const SHOWN_CHARS: usize = 400;

/// The words of an allocator that gets no memory: Rust's standard library, and V8.
const EXHAUSTED: [&str; 2] = ["memory allocation of ", "heap out of memory"];

/// The cause of a death: `how` it ended, whether it was killed for its memory, and what it has `written` to
/// stderr.
pub fn cause(how: &str, is_killed: bool, written: &str, limits: Limits) -> Cause {
    if is_killed || EXHAUSTED.iter().any(|words| written.contains(words)) {
        return Cause::OutOfMemory(limits.memory_bytes);
    }
    Cause::Crashed(match written {
        "" => format!("{how}, and nothing on stderr"),
        written => format!("{how}: {}", abridge(written)),
    })
}

/// The beginning of a text: a stack trace has its message there.
fn abridge(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
