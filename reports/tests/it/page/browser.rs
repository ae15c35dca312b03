//! The page in a headless Chromium: skipped where there is none, unless `ISOLAB_REQUIRE`
//! holds the word `chromium`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use isolab_reports::RunFolder;
use serde_json::Value;

use super::{render, sample};

/// The script that inspects the page; its result becomes an attribute.
const PROBE: &str = include_str!("probe.js");
/// The policy of the page, and one that lets the probe run and nothing else.
const POLICY: &str = "default-src 'none'";
const PROBED: &str = "default-src 'none'; script-src 'unsafe-inline'";

struct Chromium(PathBuf);

impl Chromium {
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        let found = found.into_iter().find(|file| file.is_file()).map(Self);
        let required = std::env::var("ISOLAB_REQUIRE").unwrap_or_default();
        let is_required =
            required.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "chromium");
        assert!(found.is_some() || !is_required, "ISOLAB_REQUIRE asks for chromium, and there is none");
        if found.is_none() {
            println!("skipped: there is no Chromium on the path");
        }
        found
    }

    /// Opens a page and gives back its document.
    fn open(&self, page: &Path, dark: bool) -> Output {
        let profile = tempfile::tempdir().unwrap();
        // In Blink's settings 0 is dark and 1 is light.
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
        Command::new(&self.0)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--enable-logging=stderr", "--dump-dom", &scheme])
            .arg("--window-size=1400,900")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap()
    }

    /// The messages of the browser about a page.
    fn complaints(&self, page: &Path) -> Vec<String> {
        let output = self.open(page, false);
        assert!(String::from_utf8_lossy(&output.stdout).contains("What isolation cost"), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines().filter(|line| line.contains("CONSOLE")).map(Into::into).collect()
    }

    /// The result of the probe in a page of this width.
    fn probe(&self, page: &str, width: u32, dark: bool) -> Value {
        // No window is as narrow as a phone, but a frame can be.
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        let around = format!(
            "<!doctype html><meta charset=utf-8><meta name=color-scheme content=\"light dark\">\
             <iframe style=\"width: {width}px; height: 900px; border: 0\" srcdoc=\"{page}\"></iframe>"
        );
        let folder = tempfile::tempdir().unwrap();
        let output = self.open(&write(folder.path(), &around), dark);
        let document = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = document.split_once("data-probe=\"").and_then(|(_, rest)| rest.split_once('"'));
        let (answer, _) = answer.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        serde_json::from_str(&answer.replace("&quot;", "\"").replace("&amp;", "&")).unwrap()
    }
}

fn write(folder: &Path, page: &str) -> PathBuf {
    let file = folder.join("page.html");
    std::fs::write(&file, page).unwrap();
    file
}

/// A page with the probe in it.
fn probed(folder: &RunFolder) -> String {
    let script = format!("<script>{PROBE}</script></body>");
    render(folder, "").replacen(POLICY, PROBED, 1).replacen("</body>", &script, 1)
}

#[test]
fn it_fits_phones_and_screens_in_light_and_dark() {
    let Some(chromium) = Chromium::find() else { return };
    let page = probed(&sample::folder(1));
    for (width, dark) in [(1280, false), (1280, true), (390, false), (390, true)] {
        let found = chromium.probe(&page, width, dark);
        let context = format!("{width} pixels, dark: {dark}: {found}");
        fits(&found, width, &context);
        assert!(number(&found, "charts") > 50.0, "{context}");
        assert!(number(&found, "smallestText") >= 10.0, "{context}");
        // WCAG 2.2, 1.4.3 and 1.4.11.
        assert!(number(&found, "textContrast") >= 4.5, "{context}");
        assert!(number(&found, "markContrast") >= 3.0, "{context}");
        assert_eq!(found["isDark"], dark, "{context}");
    }
}

#[test]
fn long_names_fit_too() {
    let Some(chromium) = Chromium::find() else { return };
    let mut folder = sample::folder(1);
    folder.run.executors[1].name = "wasm:compiler=winch,memory=static,pooling=off,cache=off".into();
    for row in folder.rows.iter_mut().filter(|row| row.function == "blake3") {
        row.function = "a-function-with-a-very-long-name-that-a-user-brought".into();
    }
    let page = probed(&folder);
    for width in [1280, 390] {
        let found = chromium.probe(&page, width, false);
        fits(&found, width, &format!("{width} pixels: {found}"));
    }
}

fn number(found: &Value, name: &str) -> f64 {
    found[name].as_f64().unwrap_or_else(|| panic!("{name} in {found}"))
}

/// Nothing is wider than it may be, covered or cut, and nothing was asked for.
fn fits(found: &Value, width: u32, context: &str) {
    assert!((number(found, "clientWidth") - f64::from(width)).abs() < 1.0, "{context}");
    assert!(number(found, "scrollWidth") <= number(found, "clientWidth"), "{context}");
    for problem in ["requests", "covered", "cut", "beyond"] {
        assert_eq!(found[problem], serde_json::json!([]), "{problem}, {context}");
    }
}

#[test]
fn the_browser_has_nothing_to_complain_about() {
    let Some(chromium) = Chromium::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = render(&sample::folder(1), "");
    assert_eq!(chromium.complaints(&write(folder.path(), &page)), Vec::<String>::new());
    // It would say so: the policy of the page refuses this one.
    let asking = page.replacen("<main>", "<main><img src=\"http://127.0.0.1:9/\">", 1);
    let complaints = chromium.complaints(&write(folder.path(), &asking));
    assert!(complaints.iter().any(|line| line.contains("Content Security Policy")), "{complaints:?}");
}
