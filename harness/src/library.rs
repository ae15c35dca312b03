//! Finding functions: the lab's own, and a user's.

use std::path::{Path, PathBuf};

use anyhow::Result;
use isolab_core::function::LoadError;
use isolab_core::{Function, Library, guest};

use crate::exit::BadInput;

/// Functions that a run measures only if they are named.
///
/// The time of some is that of the wait or of the client, and not of the model, so they answer other
/// questions than a comparison of models. Some need a granted host. The time of `files` is that of the file
/// system. The modules have nothing but a start. The others compare models as those do that a run measures
/// by default, and would double its length.
const ONLY_BY_NAME: [&str; 15] = [
    "fanout",
    "files",
    "formula",
    "image",
    "mandelbrot",
    "markdown",
    "module-data",
    "module-empty",
    "module-memory",
    "proxy",
    "search",
    "stream",
    "template",
    "upload",
    "wait",
];

/// The folder of the lab's own functions.
pub fn own_folder() -> PathBuf {
    guest::workspace().join("functions")
}

/// The function that tries to reach its host, for the experiment `confinement`.
pub fn attempts() -> PathBuf {
    own_folder().join("instruments/attempts")
}

/// The lab's functions, and those that a user has at these paths: functions, or folders of
/// them.
pub fn open(paths: &[PathBuf]) -> Result<Library> {
    let mut library = Library::open(&[own_folder()])?;
    for path in paths {
        library.add(path)?;
    }
    Ok(library)
}

/// Whether a text names a function by its path, and not by its name.
pub fn is_path(text: &str) -> bool {
    let has_extension = |extension| text.ends_with(extension);
    text.contains('/')
        || [".", ".."].contains(&text)
        || [".js", ".mjs", ".wasm"].into_iter().any(has_extension)
}

/// The function that `text` names by its name or its path.
pub fn find(text: &str) -> Result<Function> {
    find_in(&open(&[])?, text)
}

fn find_in(library: &Library, text: &str) -> Result<Function> {
    if is_path(text) {
        return Ok(Function::load(Path::new(text))?);
    }
    library.get(text).cloned().map_err(|unknown| {
        if Path::new(text).exists() {
            BadInput::because(format!("{unknown}; write `./{text}` to take the one in this folder"))
        } else {
            unknown.into()
        }
    })
}

/// As [`select`], for measurements: without names, the functions that compare models.
pub fn select_to_measure(texts: &[String]) -> Result<(Vec<Function>, Vec<PathBuf>)> {
    let (mut functions, paths) = select(texts)?;
    functions.retain(|function| !texts.is_empty() || !ONLY_BY_NAME.contains(&function.name()));
    Ok((functions, paths))
}

/// The functions of a command line, each a name or a path; without any, all of the lab's.
///
/// Returns the paths too, for a child that must find the same functions.
pub fn select(texts: &[String]) -> Result<(Vec<Function>, Vec<PathBuf>)> {
    let library = open(&[])?;
    if texts.is_empty() {
        return Ok((library.iter().cloned().collect(), Vec::new()));
    }
    let mut chosen: Vec<Function> = Vec::new();
    for text in texts {
        let function = find_in(&library, text)?;
        if chosen.iter().any(|known| known.name() == function.name()) {
            return Err(BadInput::because(format!("function `{}` is named twice", function.name())));
        }
        chosen.push(function);
    }
    let absolute = texts.iter().filter(|text| is_path(text)).map(|text| {
        let path = PathBuf::from(text);
        path.canonicalize().map_err(|error| LoadError { path, reason: error.to_string() })
    });
    Ok((chosen, absolute.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_measures_a_function_that_waits_only_if_it_is_named() {
        let names = |texts: &[String]| {
            let (functions, _) = select_to_measure(texts).unwrap();
            functions.iter().map(|function| function.name().to_owned()).collect::<Vec<_>>()
        };
        let all = names(&[]);
        assert!(all.contains(&"hello".to_owned()) && !all.contains(&"wait".to_owned()), "{all:?}");
        assert_eq!(names(&["wait".into()]), ["wait"]);
        assert!(select(&[]).unwrap().0.iter().any(|function| function.name() == "wait"));
    }

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

    #[test]
    fn a_path_is_told_from_a_name() {
        for path in ["./a", "a/b", ".", "..", "handler.js", "new.mjs", "command.wasm"] {
            assert!(is_path(path), "{path}");
        }
        for name in ["hello", "fibonacci-32", "my.function"] {
            assert!(!is_path(name), "{name}");
        }
    }
}
