//! What a person sees while it takes long.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over so many steps. Drawn on stderr, and only where that is a terminal.
pub fn bar(steps: usize, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {pos}/{len} [{bar:30}] {elapsed_precise} {wide_msg}");
    let style = style.expect("the template is valid").progress_chars("=> ");
    ProgressBar::new(steps as u64).with_style(style).with_prefix(what.to_owned())
}
