//! Functions: the folders under `functions/`, and foreign artifacts.
//!
//! A function's `function.toml` may say `like = "../other"`: its code is then that of the
//! function in this folder, while cases, limits and the case for load are its own. So
//! one code is measured with another amount of work, under a name of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::nearest;
use crate::{Case, Limits};

/// The form in which an executor is given a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// One Rust crate: core Wasm for `wasm` and `v8`, a native server for `docker`.
    Rust,
    /// One JavaScript file, the same for all.
    Js,
    /// A foreign WASI command: `_start`, the query as environment, the response on
    /// stdout.
    Command,
}

impl Variant {
    /// All variants, in the order in which one is chosen when none is asked for.
    pub const ALL: [Self; 3] = [Self::Rust, Self::Js, Self::Command];
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Command => "command",
        })
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = Self::ALL.map(|variant| variant.to_string());
        match names.iter().position(|name| name == text) {
            Some(index) => Ok(Self::ALL[index]),
            None => Err(format!(
                "there is no variant `{text}`{}; there are: {}",
                nearest(text, &names),
                names.join(", ")
            )),
        }
    }
}

/// A file or folder that is no function, no case or no library.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct LoadError {
    /// What was read.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl LoadError {
    pub(crate) fn new(path: &Path, reason: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// A function and the variants in which it is there.
#[derive(Clone, Debug)]
pub struct Function {
    name: String,
    code_name: String,
    sources: BTreeMap<Variant, PathBuf>,
    limits: Limits,
    cases: Vec<Case>,
    load_case: Option<usize>,
}

/// `function.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(rename = "description")]
    _description: String,
    like: Option<PathBuf>,
    load: Option<String>,
    #[serde(default)]
    limits: LimitsForm,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsForm {
    memory_bytes: Option<u64>,
    deadline_ms: Option<u64>,
    response_bytes: Option<u64>,
}

impl Function {
    /// Reads a function: a folder with `function.toml`, or a `.wasm` file, which is
    /// a WASI command named by its stem.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let path = &std::fs::canonicalize(path).map_err(|error| LoadError::new(path, error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() { Self::load_folder(name, path) } else { Self::load_command(name, path) }
    }

    fn load_folder(name: String, path: &Path) -> Result<Self, LoadError> {
        let manifest_path = path.join("function.toml");
        let text =
            std::fs::read_to_string(&manifest_path).map_err(|error| LoadError::new(&manifest_path, error))?;
        let Manifest { like, load, limits, .. } =
            toml::from_str(&text).map_err(|error| LoadError::new(&manifest_path, error))?;
        let limits = limits.resolve().map_err(|reason| LoadError::new(&manifest_path, reason))?;

        let own = variants_in(path);
        let (code_name, sources) = match like {
            None => (name.clone(), own),
            Some(_) if !own.is_empty() => {
                let reason = "`like` takes the code of another function, but this folder has code of its own";
                return Err(LoadError::new(&manifest_path, reason));
            }
            Some(like) => code_of(path, &like).map_err(|reason| LoadError::new(&manifest_path, reason))?,
        };
        if sources.is_empty() {
            return Err(LoadError::new(path, "no variant: neither a Cargo.toml nor a handler.js is there"));
        }

        let cases = load_cases(&path.join("cases"))?;
        let load_case = match load {
            None => None,
            Some(load) => Some(cases.iter().position(|case| case.name == load).ok_or_else(|| {
                let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
                LoadError::new(
                    &manifest_path,
                    format!("`load` names no case; there are: {}", names.join(", ")),
                )
            })?),
        };
        Ok(Self { name, code_name, sources, limits, cases, load_case })
    }

    fn load_command(name: String, path: &Path) -> Result<Self, LoadError> {
        if path.extension().is_none_or(|extension| extension != "wasm") {
            return Err(LoadError::new(path, "neither a folder with a function.toml nor a .wasm file"));
        }
        let sources = BTreeMap::from([(Variant::Command, path.to_owned())]);
        let code_name = name.clone();
        Ok(Self { name, code_name, sources, limits: Limits::default(), cases: Vec::new(), load_case: None })
    }

    /// The name: the folder's, or the file's stem.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the function whose code it is: its own, unless `function.toml` says
    /// `like`. Native code is registered under this name.
    pub fn code_name(&self) -> &str {
        &self.code_name
    }

    /// What one instance may use.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The variants that are there.
    pub fn variants(&self) -> impl Iterator<Item = Variant> + '_ {
        self.sources.keys().copied()
    }

    /// The file a variant is made from: `Cargo.toml`, `handler.js` or the module.
    pub fn source(&self, variant: Variant) -> Option<&Path> {
        self.sources.get(&variant).map(PathBuf::as_path)
    }

    /// What every cell must answer; empty for a foreign artifact.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The case with which start-up and load are measured: the one that
    /// `function.toml` names, else the first.
    pub fn load_case(&self) -> Option<&Case> {
        self.cases.get(self.load_case.unwrap_or(0))
    }
}

impl LimitsForm {
    fn resolve(&self) -> Result<Limits, String> {
        let default = Limits::default();
        let limits = Limits {
            memory_bytes: self.memory_bytes.unwrap_or(default.memory_bytes),
            deadline: self.deadline_ms.map_or(default.deadline, Duration::from_millis),
            response_bytes: self.response_bytes.unwrap_or(default.response_bytes),
        };
        if limits.memory_bytes < 1 << 20 || limits.memory_bytes > 4 << 30 {
            return Err("limits.memory_bytes must lie between 1 MiB and 4 GiB".into());
        }
        if limits.deadline.is_zero() {
            return Err("limits.deadline_ms must not be 0".into());
        }
        Ok(limits)
    }
}

/// The variants whose files lie in a folder.
fn variants_in(folder: &Path) -> BTreeMap<Variant, PathBuf> {
    let files = [(Variant::Rust, folder.join("Cargo.toml")), (Variant::Js, folder.join("handler.js"))];
    files.into_iter().filter(|(_, file)| file.is_file()).collect()
}

/// Name and variants of the function that `like` names, as seen from `folder`. That one has
/// code of its own: where code comes from can be read in one place.
fn code_of(folder: &Path, like: &Path) -> Result<(String, BTreeMap<Variant, PathBuf>), String> {
    let named = like.display();
    let other =
        std::fs::canonicalize(folder.join(like)).map_err(|error| format!("`like = \"{named}\"`: {error}"))?;
    let text = std::fs::read_to_string(other.join("function.toml"))
        .map_err(|_| format!("`like = \"{named}\"` names no function: there is no function.toml"))?;
    let manifest: Manifest =
        toml::from_str(&text).map_err(|error| format!("`like = \"{named}\"`: its function.toml: {error}"))?;
    if manifest.like.is_some() {
        return Err(format!("`like = \"{named}\"` names a function that is itself like another one"));
    }
    let sources = variants_in(&other);
    if sources.is_empty() {
        return Err(format!("`like = \"{named}\"` names a function without a variant"));
    }
    Ok((other.file_stem().unwrap_or_default().to_string_lossy().into_owned(), sources))
}

fn load_cases(folder: &Path) -> Result<Vec<Case>, LoadError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = list(folder)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.iter().map(|path| Case::load(path)).collect()
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let entries = std::fs::read_dir(folder).map_err(|error| LoadError::new(folder, error))?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| LoadError::new(folder, error))?;
    paths.sort();
    Ok(paths)
}

/// All functions that can be asked for.
#[derive(Clone, Debug, Default)]
pub struct Library {
    functions: BTreeMap<String, Function>,
}

/// A name that no function has.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no function `{name}`{}; there are: {}", nearest(name, known), known.join(", "))]
pub struct UnknownFunction {
    /// What was asked for.
    pub name: String,
    /// The names there are.
    pub known: Vec<String>,
}

impl Library {
    /// Reads every function in these folders; a later folder's function replaces an
    /// earlier one's of the same name. Entries that are neither a folder with
    /// `function.toml` nor a `.wasm` file are passed over.
    pub fn open(folders: &[PathBuf]) -> Result<Self, LoadError> {
        let mut library = Self::default();
        for path in folders.iter().map(|folder| list(folder)).collect::<Result<Vec<_>, _>>()?.concat() {
            let is_command = path.is_file() && path.extension().is_some_and(|extension| extension == "wasm");
            if is_command || path.join("function.toml").is_file() {
                library.insert(Function::load(&path)?);
            }
        }
        Ok(library)
    }

    /// Adds a function, in place of one with the same name.
    pub fn insert(&mut self, function: Function) {
        self.functions.insert(function.name.clone(), function);
    }

    /// The function of that name.
    pub fn get(&self, name: &str) -> Result<&Function, UnknownFunction> {
        self.functions.get(name).ok_or_else(|| UnknownFunction {
            name: name.to_owned(),
            known: self.functions.keys().cloned().collect(),
        })
    }

    /// All functions, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    const CASE: &str = r#"{"request": {}, "response": {"status": 200}}"#;

    #[test]
    fn a_folder_is_read_with_variants_limits_and_cases() {
        let folder = folder(&[
            ("f/function.toml", "description = \"f\"\nload = \"b\"\n[limits]\ndeadline_ms = 50"),
            ("f/handler.js", ""),
            ("f/cases/a.json", CASE),
            ("f/cases/b.json", CASE),
            ("module.wasm", ""),
            ("notes.txt", ""),
        ]);
        let library = Library::open(&[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = library.iter().map(Function::name).collect();
        assert_eq!(names, ["f", "module"]);
        let function = library.get("f").unwrap();
        assert_eq!(function.variants().collect::<Vec<_>>(), [Variant::Js]);
        assert_eq!(function.limits().deadline, Duration::from_millis(50));
        assert_eq!(function.load_case().unwrap().name, "b");
        assert_eq!(library.get("module").unwrap().variants().collect::<Vec<_>>(), [Variant::Command]);
        assert!(library.get("modul").unwrap_err().to_string().contains("did you mean `module`?"));
    }

    #[test]
    fn a_bad_function_toml_is_refused_with_its_path_and_reason() {
        let refused = |toml: &str, reason: &str| {
            let folder = folder(&[("f/function.toml", toml), ("f/handler.js", ""), ("f/cases/a.json", CASE)]);
            let error = Function::load(&folder.path().join("f")).unwrap_err().to_string();
            assert!(error.contains("function.toml") && error.contains(reason), "{error}");
        };
        refused("", "description");
        refused("description = 1", "string");
        refused("description = \"\"\nname = \"x\"", "unknown field");
        refused("description = \"\"\nload = \"z\"", "there are: a");
        refused("description = \"\"\n[limits]\ndeadline_ms = 0", "deadline_ms");
        refused("description = \"\"\n[limits]\nmemory_bytes = 1", "memory_bytes");
        refused("description = ", "");
    }

    #[test]
    fn a_function_like_another_has_its_code_and_all_else_of_its_own() {
        let folder = folder(&[
            ("f/function.toml", "description = \"f\"\n[limits]\ndeadline_ms = 50"),
            ("f/handler.js", ""),
            ("f/cases/a.json", CASE),
            ("more/g/function.toml", "description = \"g\"\nlike = \"../../f\"\nload = \"b\""),
            ("more/g/cases/b.json", CASE),
        ]);
        let path = folder.path().canonicalize().unwrap();
        let function = Function::load(&path.join("more/g")).unwrap();
        assert_eq!((function.name(), function.code_name()), ("g", "f"));
        assert_eq!(function.source(Variant::Js), Some(path.join("f/handler.js").as_path()));
        assert_eq!(function.cases().len(), 1);
        assert_eq!(function.load_case().unwrap().name, "b");
        assert_eq!(function.limits().deadline, Limits::default().deadline);
        let library = Library::open(&[path]).unwrap();
        let names: Vec<_> = library.iter().map(|function| (function.name(), function.code_name())).collect();
        assert_eq!(names, [("f", "f")], "folders of functions are not searched for more");
    }

    #[test]
    fn a_function_like_no_function_is_refused_with_the_reason() {
        let folder = folder(&[
            ("code/function.toml", "description = \"\""),
            ("code/handler.js", ""),
            ("empty/function.toml", "description = \"\""),
            ("bad/function.toml", "description = 1"),
            ("none/handler.js", ""),
            ("like/function.toml", "description = \"\"\nlike = \"../code\""),
        ]);
        let refused = |like: &str, files: &[&str], reason: &str| {
            let path = folder.path().join("f");
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("function.toml"), format!("description = \"\"\nlike = \"{like}\""))
                .unwrap();
            for file in files {
                std::fs::write(path.join(file), "").unwrap();
            }
            let error = Function::load(&path).unwrap_err().to_string();
            assert!(error.contains("f/function.toml") && error.contains(reason), "{error}");
        };
        refused("../nowhere", &[], "../nowhere");
        refused("../none", &[], "names no function");
        refused("../empty", &[], "without a variant");
        refused("../bad", &[], "its function.toml");
        refused("../like", &[], "itself like another");
        refused(".", &[], "itself like another");
        refused("../code", &["handler.js"], "code of its own");
    }

    #[test]
    fn a_folder_without_a_variant_and_a_foreign_file_are_refused() {
        let folder = folder(&[("f/function.toml", "description = \"\""), ("x.txt", "")]);
        let reason = |name: &str| Function::load(&folder.path().join(name)).unwrap_err().reason;
        assert!(reason("f").contains("no variant"));
        assert!(reason("x.txt").contains("neither"));
    }
}
