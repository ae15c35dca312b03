//! Part of the build scripts of executors: passes the versions of an engine's packages to the crate.
//! They come from Cargo's lock file, because the engine's public interface does not have them.

use std::path::Path;

/// Passes the version of each package under the name of a variable.
pub(crate) fn pass_versions(packages: &[(&str, &str)]) {
    // Read at run time: several checkouts may share a target folder.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
    let lock = Path::new(&folder).join("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = std::fs::read_to_string(&lock).expect("the workspace has a Cargo.lock when it is built");
    for (package, variable) in packages {
        let version = version(&text, package).unwrap_or_else(|| panic!("{package} is not locked"));
        println!("cargo::rustc-env={variable}={version}");
    }
}

fn version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let entry = lock.split("[[package]]").find(|entry| quoted(entry, "name") == Some(package))?;
    quoted(entry, "version")
}

fn quoted<'a>(entry: &'a str, key: &str) -> Option<&'a str> {
    entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
}
