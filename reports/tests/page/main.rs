//! The page, as text and in a real browser.

mod sample;

use isolab_reports::RunFolder;
use isolab_reports::grid::Grid;
use isolab_reports::html::{self, Page, TableSection, Tables};

const LIMITS: [&str; 2] = [
    "They hold for this machine, these versions and these settings; ratios travel further than figures.",
    "Speed says nothing about how strong the wall is. `direct` has none at all and is no model to choose.",
];

fn render(folder: &RunFolder) -> String {
    html::render(&Page { folder, tables: &tables(), limits: &LIMITS })
}

fn tables() -> Tables {
    let texts = |texts: [&str; 5]| texts.map(Into::into).to_vec();
    let grid = Grid {
        title: "Startup".into(),
        head: texts(["executor", "start p50", "ratio", "start p99", "verdict"]),
        names: 1,
        lines: vec![
            texts(["`wasm`", "5.22 µs [5.05 µs, 5.40 µs]", "1.00×", "5.45 µs", "best"]),
            texts(["`v8`", "640 µs [631 µs, 655 µs]", "123× [119×, 126×]", "702 µs", "slower"]),
        ],
        note: "Intervals of 95 %.".into(),
    };
    Tables {
        sections: vec![TableSection {
            title: "`hello`, variant `rust`".into(),
            grids: vec![grid.clone(), grid],
        }],
    }
}

#[test]
fn timing() {
    let folder = sample::folder(40);
    let t = std::time::Instant::now();
    let page = render(&folder);
    println!("{} rows, {} bytes, {:?}", folder.rows.len(), page.len(), t.elapsed());
    std::fs::write("/tmp/page-big.html", page).unwrap();
    std::fs::write("/tmp/page.html", render(&sample::folder(1))).unwrap();
}
