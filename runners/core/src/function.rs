//! Functions: the lab's own, and those that a user brings.
//!
//! | what is given | variant | name |
//! |---|---|---|
//! | a folder with `handler.js` | `js` | the folder's |
//! | a folder with a crate: `Cargo.toml`, `src/lib.rs` | `rust` | the folder's |
//! | a folder with `guest.wasm`, a module with the exports of `isolab_sdk::wasm` | `module` | the folder's |
//! | a `.js` or `.mjs` file | `js` | the file's, without its extension |
//! | a `.wasm` file, or a folder with one and nothing of the above | `command` | the file's |
//!
//! A folder may also hold `function.toml`, with limits and the case for load, and `cases/`.
//! A function without cases is asked for `GET /`, and its answers are compared with nothing.
//!
//! A function's `function.toml` may say `like = "../other"`: its code is then that of the
//! function in this folder, while cases, limits and the case for load are its own. One code
//! is measured with another amount of work in this way, under a name of its own. `cases = "../other"` is
//! the opposite: the code is its own, and the cases are those of the function in this folder.
//!
//! - `case`: a request with its expected response.
//! - `grants`: the things outside of its sandbox that a function may use.
//! - `manifest`: `function.toml`. `limits`: the limits that it may set.
//! - `source`: the files that variants are made from.
//! - `library`: all functions by name.
//! - `variant`: the forms of a function.

mod case;
mod grants;
mod library;
mod limits;
mod manifest;
mod source;
#[cfg(test)]
mod tests;
mod variant;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use case::Case;
pub use grants::{Folder, Grant, Grants, Host};
pub use library::{Library, UnknownFunction};
pub use limits::Limits;
use limits::OwnLimits;
use manifest::Manifest;
use source::{Kind, Sources};
pub use variant::Variant;

/// The folder of the cases in a function's folder.
const CASES: &str = "cases";

/// A path at which no function, case or library can be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct LoadError {
    /// The path.
    pub path: PathBuf,
    /// The reason why it cannot be read.
    pub reason: String,
}

impl LoadError {
    pub(crate) fn new(path: &Path, reason: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }

    fn nothing_in(path: &Path) -> Self {
        Self::new(
            path,
            "no variant: put a handler.js, a crate (Cargo.toml and src/lib.rs), a guest.wasm or a .wasm command there",
        )
    }

    fn unreadable(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(
                path,
                "there is no such file or folder; give a function's folder, .js or .wasm file",
            ),
            _ => Self::new(path, error),
        }
    }
}

/// A function and its variants.
#[derive(Clone, Debug)]
pub struct Function {
    /// The folder or file as it was given.
    home: PathBuf,
    name: String,
    code_name: String,
    sources: Sources,
    own_limits: OwnLimits,
    default_limits: Limits,
    grants: Grants,
    cases: Vec<Case>,
    cases_folder: Option<PathBuf>,
    load_case: Case,
}

impl Function {
    /// Reads a function; the module's documentation says from what.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let path = &std::fs::canonicalize(path).map_err(|error| LoadError::unreadable(path, &error))?;
        if path.is_dir() { Self::load_folder(path) } else { Self::load_file(path) }
    }

    fn load_folder(path: &Path) -> Result<Self, LoadError> {
        let found = Manifest::read(path)?;
        let has_manifest = found.is_some();
        let manifest_path = path.join(manifest::FILE);
        let refused = |reason: String| LoadError::new(&manifest_path, reason);
        let manifest = found.unwrap_or_default();
        let own_limits = manifest.limits().map_err(refused)?;
        let grants = manifest.grants(path).map_err(refused)?;

        let own = source::variants_in(path)?;
        if !has_manifest && let Some(command) = own.get(&Variant::Command) {
            return Self::load_file(command);
        }
        let name = name(path, path.file_name())?;
        let (code_name, sources) = match &manifest.like {
            None => (name.clone(), own),
            Some(_) if !own.is_empty() => {
                let reason = "`like` takes the code of another function, but this folder has code of its own";
                return Err(refused(reason.into()));
            }
            Some(like) => code_of(path, like).map_err(refused)?,
        };
        if sources.is_empty() {
            return Err(LoadError::nothing_in(path));
        }
        if !has_manifest && let Some(handler) = sources.get(&Variant::Js) {
            source::check_handler(handler)?;
        }

        let (cases_folder, cases) = match &manifest.cases {
            None => (path.join(CASES), load_cases(&path.join(CASES))?),
            Some(other) => cases_of(path, other).map_err(refused)?,
        };
        let load_case = load_case(&cases, manifest.load.as_deref()).map_err(refused)?;
        let default_limits = Limits::default();
        let cases_folder = (!cases.is_empty()).then_some(cases_folder);
        Ok(Self {
            home: path.to_owned(),
            name,
            code_name,
            sources,
            own_limits,
            default_limits,
            grants,
            cases,
            cases_folder,
            load_case,
        })
    }

    fn load_file(path: &Path) -> Result<Self, LoadError> {
        let variant = match Kind::of(path) {
            _ if !path.is_file() => return Err(LoadError::new(path, "neither a folder nor a regular file")),
            Kind::JavaScript => Variant::Js,
            Kind::Wasm => Variant::Command,
            Kind::Other => {
                let reason = "neither a folder nor a .js, .mjs or .wasm file; a function is one of these";
                return Err(LoadError::new(path, reason));
            }
        };
        match variant {
            Variant::Js => source::check_handler(path)?,
            _ => source::check_size(path)?,
        }
        let name = name(path, path.file_stem())?;
        Ok(Self {
            home: path.to_owned(),
            code_name: name.clone(),
            name,
            sources: Sources::from([(variant, path.to_owned())]),
            own_limits: OwnLimits::default(),
            default_limits: Limits::default(),
            grants: Grants::default(),
            cases: Vec::new(),
            cases_folder: None,
            load_case: Case::unchecked(),
        })
    }

    /// The name: the folder's, or the file's without its extension. It can stand in a URL's
    /// path as it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the function whose code it is: its own, unless `function.toml` says
    /// `like`. Native code is registered under this name.
    pub fn code_name(&self) -> &str {
        &self.code_name
    }

    /// The limits of one instance: the function's own, and the defaults for the others.
    pub fn limits(&self) -> Limits {
        self.own_limits.or(self.default_limits)
    }

    /// Replaces the limits that the function does not set itself.
    pub fn set_default_limits(&mut self, limits: Limits) {
        self.default_limits = limits;
    }

    /// The things outside of its sandbox that the function may use.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The variants that the function has.
    pub fn variants(&self) -> impl Iterator<Item = Variant> + '_ {
        self.sources.keys().copied()
    }

    /// The file a variant is made from: `Cargo.toml`, the handler, the module or the command.
    pub fn source(&self, variant: Variant) -> Option<&Path> {
        self.sources.get(&variant).map(PathBuf::as_path)
    }

    /// Whether a change of this file or folder changes the function: its code, its settings or its cases.
    pub fn is_changed_by(&self, path: &Path) -> bool {
        // The code may be that of a function in another folder, and so may the cases.
        let is_file = self.sources.values().any(|source| *source == self.home);
        let code = self.sources.values().filter_map(|source| source.parent()).filter(|_| !is_file);
        let mut places = code.chain([&*self.home]).chain(self.cases_folder.as_deref());
        places.any(|place| path.starts_with(place))
    }

    /// The requests and responses that hold in every cell; a user's function may have none.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The folder of these requests and responses. `None` if the function has no cases.
    pub fn cases_folder(&self) -> Option<&Path> {
        self.cases_folder.as_deref()
    }

    /// The case with which start-up and load are measured: the one that `function.toml`
    /// names, else the first, else [`Case::unchecked`].
    pub fn load_case(&self) -> &Case {
        &self.load_case
    }
}

/// Checks that a name can stand in a URL's path, in a file's name and in a table.
fn name(path: &Path, name: Option<&std::ffi::OsStr>) -> Result<String, LoadError> {
    let name = name.unwrap_or_default().to_string_lossy();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || name == "-" || !name.chars().all(is_plain) {
        return Err(LoadError::new(
            path,
            format!("`{name}` cannot name a function: rename it to letters, digits, `-`, `_` and `.`"),
        ));
    }
    Ok(name.into_owned())
}

/// Name and variants of the function that `like` names, as seen from `folder`. That one must
/// have code of its own, so that a reader finds the code in one step.
fn code_of(folder: &Path, like: &Path) -> Result<(String, Sources), String> {
    let named = like.display();
    let other =
        std::fs::canonicalize(folder.join(like)).map_err(|error| format!("`like = \"{named}\"`: {error}"))?;
    let manifest = Manifest::read(&other)
        .map_err(|error| format!("`like = \"{named}\"`: its function.toml: {}", error.reason))?
        .ok_or_else(|| format!("`like = \"{named}\"` names no function: there is no function.toml"))?;
    if manifest.like.is_some() {
        return Err(format!("`like = \"{named}\"` names a function that is itself like another one"));
    }
    let sources = source::variants_in(&other).map_err(|error| format!("`like = \"{named}\"`: {error}"))?;
    if sources.is_empty() {
        return Err(format!("`like = \"{named}\"` names a function without a variant"));
    }
    Ok((other.file_name().unwrap_or_default().to_string_lossy().into_owned(), sources))
}

/// The cases of the function that `cases` names, as seen from `folder`, and where they lie.
fn cases_of(folder: &Path, other: &Path) -> Result<(PathBuf, Vec<Case>), String> {
    let named = other.display();
    if folder.join(CASES).is_dir() {
        return Err(format!("`cases = \"{named}\"`: this folder has cases of its own"));
    }
    let found = folder.join(other).join(CASES);
    let cases = load_cases(&found).map_err(|error| error.to_string())?;
    if cases.is_empty() {
        return Err(format!("`cases = \"{named}\"` names no function with cases"));
    }
    Ok((found, cases))
}

fn load_cases(folder: &Path) -> Result<Vec<Case>, LoadError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = list(folder)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.iter().map(|path| Case::load(path)).collect()
}

/// The case that `function.toml` names, else the first, else one without expectations.
fn load_case(cases: &[Case], named: Option<&str>) -> Result<Case, String> {
    let Some(named) = named else {
        return Ok(cases.first().cloned().unwrap_or_else(Case::unchecked));
    };
    cases.iter().find(|case| case.name == named).cloned().ok_or_else(|| {
        let known: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        format!("`load` names no case; there are: {}", known.join(", "))
    })
}

/// The entries of a folder, in the order of their names.
fn list(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let entries = std::fs::read_dir(folder).map_err(|error| LoadError::unreadable(folder, &error))?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| LoadError::new(folder, error))?;
    paths.sort();
    Ok(paths)
}

/// Whether a regular file lies there. A link that leads nowhere, or in a circle, is an error.
fn is_file(path: &Path) -> Result<bool, LoadError> {
    match std::fs::metadata(path) {
        Ok(facts) => Ok(facts.is_file()),
        Err(error) if path.is_symlink() => Err(LoadError::new(path, error)),
        Err(_) => Ok(false),
    }
}
