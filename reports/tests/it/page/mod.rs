//! The page, as a document and in a real browser.

mod browser;
pub(crate) mod document;
pub(crate) mod sample;

use isolab_reports::render::html::Page;
use isolab_reports::tables::Section;
use isolab_reports::tables::Table;
use isolab_reports::{Row, RunFolder, RunStatus, Summary};
use proptest::prelude::*;

use crate::support;
use document::Document;

const LIMITS: [&str; 2] = [
    "They hold for this machine, these versions and these settings; ratios travel further than figures.",
    "Speed says nothing about how strong the wall is. `direct` has no wall at all and is not a model to choose.",
];

/// A page with a table of two lines, whose cells end with `mark`.
fn render(folder: &RunFolder, mark: &str) -> String {
    let summary = Summary::of(folder);
    Page { summary: &summary, sections: &[section(mark)], limits: &LIMITS }.render()
}

fn section(mark: &str) -> Section {
    let texts = |texts: [&str; 5]| texts.map(|text| format!("{text}{mark}")).to_vec();
    let table = Table {
        title: format!("Startup{mark}"),
        head: texts(["executor", "start p50", "ratio", "start p99", "verdict"]),
        names: 1,
        lines: vec![
            texts(["`wasm`", "5.22 µs [5.05 µs, 5.40 µs]", "1.00×", "5.45 µs", "best"]),
            texts(["`v8`", "640 µs [631 µs, 655 µs]", "123× [119×, 126×]", "702 µs", "slower"]),
        ],
        note: format!("Intervals of 95 %.{mark}"),
        ..Table::default()
    };
    let title = format!("`hello`, variant `rust`{mark}");
    Section { title, tables: vec![table], ..Section::default() }
}

/// The sample, but only what `keep` says of one function's one variant.
fn part(keep: impl Fn(&Row) -> bool) -> RunFolder {
    let mut folder = sample::folder(1);
    folder.rows.retain(|row| row.function == "hello" && row.variant == "rust" && keep(row));
    folder
}

#[test]
fn the_structure_of_the_page() {
    let document = Document::parse(&render(&part(|_| true), ""));
    insta::assert_snapshot!(document.outline());
}

#[test]
fn one_small_chart() {
    let page = render(&part(|row| row.phase == "burst" && row.executor.starts_with("wasm")), "");
    let start = page.find("<svg class=\"chart\" role=\"img\"").unwrap();
    let end = page[start..].find("</svg>").unwrap();
    insta::assert_snapshot!(&page[start..start + end + 6]);
}

#[test]
fn the_page_is_well_formed_and_asks_for_nothing() {
    let page = render(&sample::folder(1), "");
    let document = Document::parse(&page);
    assert_eq!(document.errors, Vec::<String>::new());
    assert!(
        document
            .elements
            .iter()
            .all(|element| !["script", "link", "img", "iframe"].contains(&element.name.as_str()))
    );
    for (name, value) in document.elements.iter().flat_map(|element| &element.attributes) {
        assert!(name != "src" && !name.starts_with("on"), "{name}={value}");
        assert!(name != "href" || value.starts_with('#'), "{name}={value}");
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn every_chart_has_a_name_a_caption_and_its_table() {
    let document = Document::parse(&render(&sample::folder(1), ""));
    let figures: Vec<_> = document.elements.iter().filter(|element| element.name == "figure").collect();
    assert!(figures.len() > 10);
    for figure in figures {
        for part in ["figcaption", "table", "svg", "title"] {
            assert!(figure.inside.iter().any(|name| name == part), "{part} in {:?}", figure.attributes);
        }
    }
    let ids =
        document.elements.iter().flat_map(|element| &element.attributes).filter(|(name, _)| name == "id");
    let mut ids: Vec<_> = ids.map(|(_, id)| id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id is there twice");
}

#[test]
fn every_colour_that_is_drawn_has_its_rule() {
    let page = render(&sample::folder(1), "");
    let document = Document::parse(&page);
    let mut colours: Vec<(String, String)> =
        document.elements.iter().flat_map(|element| element.attributes.clone()).collect();
    colours.retain(|(name, value)| ["fill", "stroke"].contains(&name.as_str()) && value.starts_with('#'));
    colours.sort();
    colours.dedup();
    assert!(colours.len() > 10, "{colours:?}");
    for (name, colour) in colours {
        let rules =
            [format!(".chart [{name}=\"{colour}\"]"), format!(".chart [{name}^=\"{}\"]", &colour[..3])];
        assert!(rules.iter().any(|rule| page.contains(rule)), "{name} {colour}");
    }
}

#[test]
fn links_lead_somewhere() {
    let document = Document::parse(&render(&sample::folder(1), ""));
    let of = |wanted: &'static str| {
        let attributes = document.elements.iter().flat_map(|element| &element.attributes);
        attributes.filter(move |(name, _)| name == wanted).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let ids = of("id");
    for link in of("href") {
        assert!(ids.contains(&link[1..].to_owned()), "{link}");
    }
}

#[test]
fn warnings_come_before_all_figures() {
    let mut folder = part(|_| true);
    folder.run.status = RunStatus::Interrupted;
    let page = render(&folder, "");
    let first = page.find("<h2").unwrap();
    for text in ["This run was interrupted", "The frequency governor is not known"] {
        assert!(page.find(text).unwrap() < first, "{text}");
    }
    folder.run.status = RunStatus::Complete;
    folder.run.host_warnings.clear();
    assert!(!render(&folder, "").contains("class=\"banner\""));
}

#[test]
fn a_run_without_rows_says_so_in_each_section() {
    let page = render(&part(|_| false), "");
    assert_eq!(page.matches("it has no rows of this experiment").count(), 8);
    assert!(!page.contains("<figure"));
}

#[test]
fn the_figures_of_the_table_are_those_of_the_rows() {
    // The median of 1, 2 and 40 ms, and 3 answers in half a second.
    let mut folder = part(|_| false);
    let block = support::block("v8:snapshot=on", "hello", "rust");
    let window = Row { reuse: Some("warm".into()), connections: Some(4), ..block };
    let row = |phase: &str, metric: &str, value, sample| Row {
        sample,
        ..support::number(&window, phase, metric, value)
    };
    folder.rows = vec![
        row("start", "duration_ns", 1_000_000, 0),
        row("start", "duration_ns", 2_000_000, 1),
        row("start", "duration_ns", 40_000_000, 2),
        row("load", "duration_ns", 500_000_000, 0),
        row("load", "responses_count", 3, 0),
    ];
    let page = render(&folder, "");
    let line = |cells: &[&str]| {
        let (first, rest) = cells.split_first().unwrap();
        let rest: Vec<_> = rest.iter().map(|cell| format!(">{cell}</td>")).collect();
        (format!(">{first}</th>"), rest)
    };
    for (first, rest) in [
        line(["hello · rust", "2.00 ms"].as_slice()),
        line(["hello · rust", "6.00"].as_slice()),
        line(["hello · rust", "v8", "4", "6.00", "1"].as_slice()),
    ] {
        let lines = page.split("<tr>").filter(|line| line.contains(&first));
        let mut found = lines.filter(|line| rest.iter().all(|cell| line.contains(cell)));
        assert!(found.next().is_some(), "{first} {rest:?}");
    }
}

/// Replaces the values of rows by these in turn, and reads the page.
fn shows_only_numbers(odd: &[Option<u64>]) {
    let mut folder = part(|_| true);
    folder.rows.extend(sample::folder(1).rows.into_iter().filter(|row| row.executor == "host"));
    for (row, odd) in folder.rows.iter_mut().zip(odd.iter().cycle()) {
        row.value = odd.unwrap_or(row.value);
    }
    let page = render(&folder, "");
    assert_eq!(Document::parse(&page).errors, Vec::<String>::new());
    for no_number in ["NaN", "inf ", "inf<", "inf×"] {
        let around = |at: usize| page[at.saturating_sub(300)..at + 20].to_owned();
        assert_eq!(page.find(no_number).map(around), None, "{no_number}");
    }
}

/// Intervals of these rows are wider than floating-point numbers can say.
#[test]
fn an_interval_beyond_all_numbers_breaks_nothing() {
    shows_only_numbers(&[None, None, None, Some(u64::MAX), Some(1 << 53), Some(u64::MAX)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Numbers that no instrument should give are drawn or left out, and break nothing.
    #[test]
    fn no_number_breaks_it(odd in prop::collection::vec(prop::option::of(prop::sample::select(vec![0, 1, 1 << 53, u64::MAX])), 1..40)) {
        shows_only_numbers(&odd);
    }

    /// A page with hostile names has the elements of one with harmless names.
    #[test]
    fn no_name_breaks_out(name in "[<>&\"'/=! a-z;-]{1,40}") {
        let page = |name: &str| {
            let mut folder = part(|row| ["start", "burst", "load"].contains(&row.phase.as_str()) && row.sample < 3);
            for row in &mut folder.rows {
                row.function = name.to_owned();
                row.reuse = row.reuse.as_ref().map(|reuse| format!("{reuse}{name}"));
            }
            let run = &mut folder.run;
            run.id = name.into();
            run.executors[1].name = name.into();
            run.executors[1].model = name.into();
            run.notes.push(name.into());
            run.host_warnings.push(name.into());
            run.command.push(name.into());
            run.cells[0].reason = Some(name.into());
            run.machine.insert(name.into(), name.into());
            run.preset.insert("name".into(), name.into());
            Document::parse(&render(&folder, name))
        };
        let (hostile, harmless) = (page(&name), page(&"x".repeat(name.chars().count())));
        prop_assert_eq!(&hostile.errors, &Vec::<String>::new());
        let names = |document: &Document| document.elements.iter().map(|element| element.name.clone()).collect::<Vec<_>>();
        prop_assert_eq!(names(&hostile), names(&harmless));
    }
}
