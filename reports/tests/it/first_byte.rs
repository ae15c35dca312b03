//! Answers that come piece by piece: their figures and their table.

use isolab_reports::{Format, Row, RunFolder, Summary, render};

use crate::support::{self, block, number};

/// An executor, and when its answers begin and end, in nanoseconds.
const MODELS: [(&str, u64, u64); 2] = [("wasm", 1_000_000, 100_000_000), ("direct", 99_000_000, 99_000_000)];

#[test]
fn the_table_tells_answers_in_pieces_from_answers_in_one() {
    let executors = MODELS.map(|(name, ..)| support::executor(name, name, "a model"));
    let mut rows = Vec::new();
    for (name, first, last) in MODELS {
        for (repetition, sample) in
            (0..3).flat_map(|repetition| (0..5).map(move |sample| (repetition, sample)))
        {
            let base = block(name, "stream", "rust");
            let row = Row { repetition, sample, reuse: Some("warm".into()), ..base };
            rows.push(number(&row, "first-byte", "first_byte_ns", first + sample));
            rows.push(number(&row, "first-byte", "duration_ns", last + sample));
        }
    }
    let summary = Summary::of(&RunFolder { run: support::run(executors.to_vec(), Vec::new()), rows });
    let report = render(&summary, Format::Markdown);
    let begin = report.find("The first byte of an answer").expect("the table is there");
    let table = &report[begin..];
    insta::assert_snapshot!(&table[..table.find("\n##").unwrap_or(table.len())]);
}
