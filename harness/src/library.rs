//! Finding functions: those of the checkout, and the user's.

use std::path::{Path, PathBuf};

use anyhow::Result;
use isolab_core::function::LoadError;
use isolab_core::{Function, Library, guest};

use crate::exit::BadInput;

/// Where the lab's own functions lie.
pub fn own_folder() -> PathBuf {
    guest::workspace().join("functions")
}

/// The lab's functions and those of `extra`. Each of these is a folder of functions
/// and foreign artifacts, a function's own folder, or one artifact.
pub fn open(extra: &[PathBuf]) -> Result<Library> {
    let is_function = |path: &Path| path.is_file() || path.join("function.toml").is_file();
    let (functions, mut folders): (Vec<_>, Vec<_>) =
        extra.iter().cloned().partition(|path| is_function(path));
    folders.insert(0, own_folder());
    let mut library = Library::open(&folders)?;
    for path in functions {
        library.insert(Function::load(&path)?);
    }
    Ok(library)
}

/// The functions asked for as `NAME` or `PATH`; all of the lab's if none is.
///
/// Answers also the paths, for a child that must find the same functions.
pub fn select(asked: &[String]) -> Result<(Vec<Function>, Vec<PathBuf>)> {
    let is_path = |name: &String| name.contains('/');
    let paths: Vec<_> = asked.iter().filter(|name| is_path(name)).map(PathBuf::from).collect();
    let library = open(&[])?;
    if asked.is_empty() {
        return Ok((library.iter().cloned().collect(), paths));
    }
    let mut chosen: Vec<Function> = Vec::new();
    for name in asked {
        let function =
            if is_path(name) { Function::load(Path::new(name))? } else { library.get(name)?.clone() };
        if chosen.iter().any(|known| known.name() == function.name()) {
            return Err(BadInput::because(format!("function `{}` is asked for twice", function.name())));
        }
        chosen.push(function);
    }
    let absolute = paths.iter().map(|path| {
        path.canonicalize().map_err(|error| LoadError { path: path.clone(), reason: error.to_string() })
    });
    Ok((chosen, absolute.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_chosen_by_name_or_path() {
        let (all, _) = select(&[]).unwrap();
        assert!(all.len() >= 4);
        let path = own_folder().join("json").display().to_string();
        let (chosen, paths) = select(&["hello".into(), path]).unwrap();
        assert_eq!(chosen.iter().map(Function::name).collect::<Vec<_>>(), ["hello", "json"]);
        assert_eq!(paths.len(), 1);
        assert!(select(&["hello".into(), "hello".into()]).is_err());
        let error = select(&["helo".into()]).unwrap_err().to_string();
        assert!(error.contains("did you mean `hello`?"), "{error}");
    }
}
