//! The files that variants are made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{LoadError, Variant, is_file, list};

/// The file of the variant `js` in a function's folder.
pub(super) const HANDLER: &str = "handler.js";

/// The file of the variant `rust`.
const CRATE: &str = "Cargo.toml";

/// The file of the variant `module`.
pub(super) const MODULE: &str = "guest.wasm";

/// The largest handler, module or command, in bytes. Larger files are mistakes, and reading them
/// would take the server's memory.
const SOURCE_BYTES_MAX: u64 = 256 << 20;

/// The variants of a function, each with its file.
pub(super) type Sources = BTreeMap<Variant, PathBuf>;

/// The kind of a file by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    JavaScript,
    Wasm,
    Other,
}

impl Kind {
    pub(super) fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("js" | "mjs") => Self::JavaScript,
            Some("wasm") => Self::Wasm,
            _ => Self::Other,
        }
    }
}

/// The variants whose files lie in a folder.
pub(super) fn variants_in(folder: &Path) -> Result<Sources, LoadError> {
    let mut sources = Sources::new();
    for (variant, name) in [(Variant::Rust, CRATE), (Variant::Js, HANDLER), (Variant::Module, MODULE)] {
        let path = folder.join(name);
        if is_file(&path)? {
            sources.insert(variant, path);
        }
    }
    if sources.is_empty()
        && let Some(command) = command_in(folder)?
    {
        sources.insert(Variant::Command, command);
    }
    for source in sources.values() {
        check_size(source)?;
    }
    Ok(sources)
}

/// The one WASI command of a folder.
fn command_in(folder: &Path) -> Result<Option<PathBuf>, LoadError> {
    let mut modules = list(folder)?;
    modules.retain(|path| Kind::of(path) == Kind::Wasm && path.is_file());
    match &modules[..] {
        [] => Ok(None),
        [module] => Ok(Some(module.clone())),
        [first, ..] => Err(LoadError::new(
            folder,
            format!("{} .wasm files lie here; name one of them, such as {}", modules.len(), first.display()),
        )),
    }
}

/// Whether a folder is a function, whatever else lies in it. A folder with nothing but
/// `.wasm` files may also be a folder of several commands.
pub(super) fn is_function_folder(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    let is_crate = || has(CRATE) && !is_workspace(&cargo_manifest(folder));
    has(super::manifest::FILE) || has(HANDLER) || has(MODULE) || is_crate()
}

/// `Cargo.toml`; empty if there is none that can be read.
fn cargo_manifest(folder: &Path) -> toml::Table {
    let text = std::fs::read_to_string(folder.join(CRATE)).unwrap_or_default();
    text.parse().unwrap_or_default()
}

/// Whether a manifest is that of a workspace only, whose crates lie below it.
fn is_workspace(manifest: &toml::Table) -> bool {
    manifest.contains_key("workspace") && !manifest.contains_key("package")
}

/// Whether a folder has a crate that can be built for an executor; not every crate is a
/// function.
pub(super) fn has_function_crate(folder: &Path) -> bool {
    let manifest = cargo_manifest(folder);
    let kinds = manifest.get("lib").and_then(|lib| lib.get("crate-type")?.as_array());
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind.as_str() == Some("cdylib")))
}

pub(super) fn check_size(path: &Path) -> Result<(), LoadError> {
    let bytes = std::fs::metadata(path).map_err(|error| LoadError::new(path, error))?.len();
    if bytes > SOURCE_BYTES_MAX {
        let (size, most) = (bytes >> 20, SOURCE_BYTES_MAX >> 20);
        return Err(LoadError::new(
            path,
            format!("{size} MiB; a function's file may have {most} MiB at most"),
        ));
    }
    Ok(())
}

/// Checks what can be told of a handler without an engine: that it is text, and that it
/// can have a default export. `function.toml` vouches for the others.
pub(super) fn check_handler(path: &Path) -> Result<(), LoadError> {
    check_size(path)?;
    let bytes = std::fs::read(path).map_err(|error| LoadError::new(path, error))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| LoadError::new(path, "not JavaScript: the file is not UTF-8 text"))?;
    // Both words stand in every module with a default export, in whatever form.
    if ["export", "default"].iter().all(|word| text.contains(word)) {
        Ok(())
    } else {
        Err(LoadError::new(
            path,
            "no handler: a JavaScript function needs `export default { async fetch(request) { … } }`",
        ))
    }
}
