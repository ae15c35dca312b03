//! All functions that can be asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::source::{self, Kind};
use super::{Function, Limits, LoadError, list, manifest};
use crate::spec::nearest;

/// All functions that can be asked for.
#[derive(Clone, Debug, Default)]
pub struct Library {
    functions: BTreeMap<String, Function>,
}

/// A name that no function has.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no function `{name}`{}; there are: {}", nearest(name, known), known.join(", "))]
pub struct UnknownFunction {
    /// The name.
    pub name: String,
    /// The names there are.
    pub known: Vec<String>,
}

impl Library {
    /// Reads the lab's functions in these folders; a later folder's function replaces an
    /// earlier one's of the same name. Folders without `function.toml` are passed over, and
    /// files other than `.wasm`.
    pub fn open(folders: &[PathBuf]) -> Result<Self, LoadError> {
        let mut library = Self::default();
        for path in folders.iter().map(|folder| list(folder)).collect::<Result<Vec<_>, _>>()?.concat() {
            let is_command = path.is_file() && Kind::of(&path) == Kind::Wasm;
            if is_command || path.join(manifest::FILE).is_file() {
                library.insert(Function::load(&path)?);
            }
        }
        Ok(library)
    }

    /// Adds a user's functions: one function, as [`Function::load`] reads it, or a folder of
    /// functions, which may lie there as folders, as `.js` files and as `.wasm` files.
    /// Other entries of such a folder are passed over.
    ///
    /// # Errors
    /// If there is no function at the path.
    pub fn add(&mut self, path: &Path) -> Result<(), LoadError> {
        if !path.is_dir() || source::is_function_folder(path) {
            self.insert(Function::load(path)?);
            return Ok(());
        }
        let mut entries = list(path)?;
        entries.retain(|entry| is_function(entry));
        if entries.is_empty() {
            return Err(LoadError::nothing_in(path));
        }
        for entry in entries {
            self.insert(Function::load(&entry)?);
        }
        Ok(())
    }

    /// Adds a function, in place of one with the same name.
    pub fn insert(&mut self, function: Function) {
        self.functions.insert(function.name().to_owned(), function);
    }

    /// Replaces the limits of functions where these set none of their own.
    pub fn set_default_limits(&mut self, limits: Limits) {
        for function in self.functions.values_mut() {
            function.set_default_limits(limits);
        }
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

/// Whether an entry of a folder of functions is one: such a folder may hold other files.
fn is_function(entry: &Path) -> bool {
    if entry.is_dir() {
        let has = |name: &str| entry.join(name).is_file();
        return has(manifest::FILE)
            || has(source::HANDLER)
            || has(source::MODULE)
            || source::has_function_crate(entry);
    }
    match Kind::of(entry) {
        Kind::Wasm => entry.is_file(),
        Kind::JavaScript => entry.is_file() && source::check_handler(entry).is_ok(),
        Kind::Other => false,
    }
}
