//! A request for a comparison, and the reasons to refuse it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::{Function, Reuse, Spec, Variant};
use isolab_reports::paired::{Aim, PairedMetric};
use isolab_reports::run::Placement;

use super::side::SideSetup;
use crate::exit::BadInput;
use crate::library;

/// A comparison to measure.
#[derive(Clone, Debug)]
pub struct ComparisonRequest {
    /// The two sides; the second is compared with the first.
    pub sides: [SideSetup; 2],
    /// The reuse policy of both.
    pub reuse: Reuse,
    /// The quantity that they are compared by.
    pub metric: PairedMetric,
    /// The differences that matter.
    pub aim: Aim,
    /// The longest time that measuring may take.
    pub budget: Duration,
    /// Decides the order of windows.
    pub seed: u64,
}

impl ComparisonRequest {
    /// Which processors run what. Another build may not know how to place its containers.
    pub fn placement(&self) -> Placement {
        let [first, second] = &self.sides;
        if first.binary == second.binary { Placement::Together } else { Placement::Engine }
    }

    /// Checks what does not concern one side alone.
    ///
    /// # Errors
    /// If reuse and metric do not go together.
    pub fn check(&self) -> Result<()> {
        if self.metric == PairedMetric::Start && self.reuse != Reuse::Fresh {
            return Err(BadInput::because(
                "--metric start needs --reuse fresh: an instance that is used again does not start",
            ));
        }
        let answers_once = self.sides.iter().find(|side| side.variant.answers_once());
        match answers_once {
            Some(side) if self.reuse != Reuse::Fresh => Err(BadInput::because(format!(
                "an instance of `{}` answers once: add --reuse fresh",
                side.function.name()
            ))),
            _ => Ok(()),
        }
    }
}

/// The sides as the command line names them.
#[derive(Clone, Debug, Default)]
pub struct SideChoice {
    /// One or two executor specs, resolved.
    pub specs: Vec<Spec>,
    /// No build or two.
    pub builds: Vec<PathBuf>,
    /// One or two functions, by name or path.
    pub functions: Vec<String>,
    /// The variant; by default the first that the first function has.
    pub variant: Option<Variant>,
}

/// The names of builds in a finding.
const BUILDS: [&str; 2] = ["OLD", "NEW"];

impl SideChoice {
    /// The two sides.
    ///
    /// # Errors
    /// If they cannot be compared.
    pub fn sides(&self) -> Result<[SideSetup; 2]> {
        if self.specs.len() < 2 && self.builds.is_empty() && self.functions.len() < 2 {
            return Err(BadInput::because(
                "there is nothing to compare: give two specs, two `--build`, or two `--function`",
            ));
        }
        let builds = self.build_paths()?;
        let functions = self.functions.iter().map(|text| find(text)).collect::<Result<Vec<_>>>()?;
        let [first, second] = both(&functions);
        if functions.len() == 2 {
            answer_alike(&first.0, &second.0)?;
        }
        let variant = self.variant_of(&first.0, &second.0)?;
        let [first_spec, second_spec] = both(&self.specs);
        let [first_build, second_build] = both(&builds);
        let side =
            |index: usize, spec: &Spec, binary: &Path, (function, path): (Function, Option<PathBuf>)| {
                SideSetup {
                    label: self.label(index, spec, &function, path.as_deref()),
                    spec: spec.clone(),
                    binary: binary.to_owned(),
                    // Both builds serve this checkout's function, and not each its own.
                    function_path: path
                        .or_else(|| self.is_of_builds().then(|| folder_of(&function, variant)).flatten()),
                    function,
                    variant,
                }
            };
        let mut sides = [
            side(0, first_spec, first_build, first.clone()),
            side(1, second_spec, second_build, second.clone()),
        ];
        if sides[0].label == sides[1].label {
            sides[0].label.push_str(" (first)");
            sides[1].label.push_str(" (second)");
        }
        Ok(sides)
    }

    fn is_of_builds(&self) -> bool {
        !self.builds.is_empty()
    }

    fn build_paths(&self) -> Result<Vec<PathBuf>> {
        match &self.builds[..] {
            [] => Ok(vec![std::env::current_exe().context("cannot find this binary")?]),
            [_] => Err(BadInput::because("one build is given; give the other one with a second `--build`")),
            [old, new] => Ok(vec![build(old)?, build(new)?]),
            _ => Err(BadInput::because("more than two builds are given; `compare` compares two")),
        }
    }

    fn variant_of(&self, first: &Function, second: &Function) -> Result<Variant> {
        let variant = self.variant.or_else(|| first.variants().next());
        let variant = variant.with_context(|| BadInput(format!("`{}` has no variant", first.name())))?;
        for function in [first, second] {
            if function.source(variant).is_none() {
                return Err(BadInput::because(format!("`{}` has no variant `{variant}`", function.name())));
            }
        }
        Ok(variant)
    }

    /// The name of a side: whatever differs between the two.
    fn label(&self, index: usize, spec: &Spec, function: &Function, path: Option<&Path>) -> String {
        let mut parts = Vec::new();
        if self.is_of_builds() {
            parts.push(BUILDS[index].to_owned());
        }
        if self.specs.len() == 2 {
            parts.push(format!("`{spec}`"));
        }
        if self.functions.len() == 2 {
            let name = path.map_or_else(|| function.name().to_owned(), |path| path.display().to_string());
            parts.push(format!("`{name}`"));
        }
        parts.join(" ")
    }
}

/// The one for both, or each its own.
fn both<T>(values: &[T]) -> [&T; 2] {
    [values.first(), values.last()]
        .map(|value| value.expect("clap and this module take care of one at least"))
}

/// A function, and its path if the user gave one.
fn find(text: &str) -> Result<(Function, Option<PathBuf>)> {
    let function = library::find(text)?;
    let path = library::is_path(text).then(|| Path::new(text).canonicalize()).transpose();
    Ok((function, path.with_context(|| BadInput(format!("{text} cannot be read")))?))
}

/// The folder with a function of the lab.
fn folder_of(function: &Function, variant: Variant) -> Option<PathBuf> {
    function.source(variant).and_then(Path::parent).map(Path::to_owned)
}

/// Two functions can be compared if their load cases expect the same response.
fn answer_alike(first: &Function, second: &Function) -> Result<()> {
    let (one, other) = (first.load_case(), second.load_case());
    if one.expected_body() == other.expected_body() && one.expected_body().is_some() {
        return Ok(());
    }
    let (first, second) = (first.name(), second.name());
    Err(BadInput::because(format!(
        "`{first}` and `{second}` cannot be compared: their load cases do not expect the same response body. \
         A difference in time would be one of the work that they do"
    )))
}

/// An executable file that is a build of the lab.
fn build(path: &Path) -> Result<PathBuf> {
    let refused = |reason: &str| {
        BadInput::because(format!(
            "--build {}: {reason}; give the path of an `isolab` binary. To build a revision: `git worktree add \
             DIR REVISION`, and there `cargo build`",
            path.display()
        ))
    };
    let path = &path.canonicalize().map_err(|error| refused(&error.to_string()))?;
    let mut command = Command::new(path);
    let output = command.arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| refused(&error.to_string()))?;
    if output.stdout.starts_with(b"isolab ") {
        Ok(path.clone())
    } else {
        Err(refused("it is another program"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    fn choice() -> SideChoice {
        let specs = ["direct", "direct"]
            .map(|spec| crate::executors::resolve(Spec::parse(spec).unwrap()).unwrap())
            .to_vec();
        SideChoice { specs, functions: vec!["hello".into()], ..SideChoice::default() }
    }

    fn refused(choice: &SideChoice) -> String {
        let error = choice.sides().unwrap_err();
        assert_eq!(exit::code(&error), exit::BAD_INPUT, "{error:#}");
        format!("{error:#}")
    }

    #[test]
    fn equal_sides_have_names_of_their_own() {
        let labels = choice().sides().unwrap().map(|side| side.label);
        assert_eq!(labels, ["`direct` (first)", "`direct` (second)"]);
    }

    #[test]
    fn sides_that_cannot_be_compared_are_refused() {
        let one = SideChoice { specs: choice().specs[..1].to_vec(), ..choice() };
        assert!(refused(&one).contains("nothing to compare"));
        let different = SideChoice { functions: vec!["hello".into(), "json".into()], ..choice() };
        assert!(refused(&different).contains("do not expect the same response body"));
        let build =
            |paths: &[&str]| SideChoice { builds: paths.iter().map(PathBuf::from).collect(), ..choice() };
        assert!(refused(&build(&["a"])).contains("second `--build`"));
        assert!(refused(&build(&["/nowhere/a", "/nowhere/b"])).contains("--build /nowhere/a"));
        assert!(refused(&build(&["/bin/true", "/bin/true"])).contains("another program"));
        let variant = SideChoice { variant: Some(Variant::Command), ..choice() };
        assert!(refused(&variant).contains("has no variant `command`"));
        let unknown = SideChoice { functions: vec!["helo".into()], ..choice() };
        assert!(refused(&unknown).contains("did you mean `hello`?"));
    }
}
