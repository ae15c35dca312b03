//! Functions as they are read from a disk.

use std::time::Duration;

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
    assert_eq!(function.load_case().name, "b");
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
    assert_eq!(function.load_case().name, "b");
    assert_eq!(function.limits().deadline, Limits::default().deadline);
    let library = Library::open(&[path]).unwrap();
    let names: Vec<_> = library.iter().map(|function| (function.name(), function.code_name())).collect();
    assert_eq!(names, [("f", "f")], "folders of functions are not searched for more");
}

#[test]
fn a_function_may_have_the_cases_of_another() {
    let with = |path: &str, more: &[(&str, &str)]| {
        let toml = format!("cases = \"{path}\"\nload = \"b\"");
        let base: &[(&str, &str)] = &[
            ("f/handler.js", ""),
            ("f/cases/a.json", CASE),
            ("f/cases/b.json", CASE),
            ("more/g/function.toml", &toml),
            ("more/g/guest.wasm", ""),
        ];
        let folder = folder(&[base, more].concat());
        Function::load(&folder.path().join("more/g")).map_err(|error| error.to_string())
    };
    let function = with("../../f", &[]).unwrap();
    assert_eq!((function.name(), function.code_name(), function.load_case().name.as_str()), ("g", "g", "b"));
    assert_eq!(function.cases().len(), 2);
    assert!(function.cases_folder().unwrap().ends_with("f/cases"));
    assert!(with("../../none", &[]).unwrap_err().contains("no function with cases"));
    assert!(with("../../f", &[("more/g/cases/b.json", CASE)]).unwrap_err().contains("cases of its own"));
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
        std::fs::write(path.join("function.toml"), format!("description = \"\"\nlike = \"{like}\"")).unwrap();
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

const HANDLER: &str = "export default { async fetch() { return new Response('ok') } }";

#[test]
fn a_function_needs_no_function_toml() {
    let folder = folder(&[
        ("js/handler.js", HANDLER),
        ("rust/Cargo.toml", "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]"),
        ("command/module.wasm", ""),
        ("module/guest.wasm", ""),
        ("files/plain.js", HANDLER),
        ("files/new.mjs", HANDLER),
        ("files/with spaces/inner.js", HANDLER),
        ("bare/function.toml", ""),
        ("bare/handler.js", ""),
    ]);
    let load = |path: &str| Function::load(&folder.path().join(path)).unwrap();
    let facts = |path: &str| {
        let function = load(path);
        (function.name().to_owned(), function.variants().collect::<Vec<_>>())
    };
    assert_eq!(facts("js"), ("js".into(), vec![Variant::Js]));
    assert_eq!(facts("js/handler.js"), ("handler".into(), vec![Variant::Js]));
    assert_eq!(facts("js/../js"), ("js".into(), vec![Variant::Js]));
    assert_eq!(facts("rust"), ("rust".into(), vec![Variant::Rust]));
    assert_eq!(facts("command"), ("module".into(), vec![Variant::Command]));
    assert_eq!(facts("module"), ("module".into(), vec![Variant::Module]));
    assert_eq!(facts("files/plain.js"), ("plain".into(), vec![Variant::Js]));
    assert_eq!(facts("files/new.mjs"), ("new".into(), vec![Variant::Js]));
    assert_eq!(facts("files/with spaces/inner.js"), ("inner".into(), vec![Variant::Js]));
    assert_eq!(facts("bare"), ("bare".into(), vec![Variant::Js]));
    let function = load("js");
    assert!(function.cases().is_empty());
    assert_eq!(function.load_case().expected_body(), None);
    assert_eq!(function.limits(), Limits::default());
}

#[test]
fn a_path_without_a_function_is_refused_with_the_reason() {
    let folder = folder(&[
        ("empty/notes.txt", ""),
        ("page/handler.js", "<html>"),
        ("two/a.wasm", ""),
        ("two/b.wasm", ""),
        ("my function/handler.js", HANDLER),
        ("huge.wasm", ""),
    ]);
    let refused = |path: &str, reason: &str| {
        let error = Function::load(&folder.path().join(path)).unwrap_err().to_string();
        assert!(error.contains(reason), "{path}: {error}");
    };
    std::fs::write(folder.path().join("binary.js"), [0xff, 0xfe]).unwrap();
    std::fs::File::options()
        .write(true)
        .open(folder.path().join("huge.wasm"))
        .and_then(|file| file.set_len(1 << 30))
        .unwrap();
    std::os::unix::fs::symlink("loop.js", folder.path().join("loop.js")).unwrap();
    std::fs::create_dir(folder.path().join("circle")).unwrap();
    std::os::unix::fs::symlink("handler.js", folder.path().join("circle/handler.js")).unwrap();
    refused("nowhere", "there is no such file or folder");
    refused("empty", "put a handler.js");
    refused("empty/notes.txt", "neither");
    refused("page", "export default");
    refused("page/handler.js", "export default");
    refused("binary.js", "not UTF-8");
    refused("two", "2 .wasm files");
    refused("my function", "rename it");
    refused("huge.wasm", "1024 MiB");
    refused("loop.js", "symbolic links");
    refused("circle", "symbolic links");
}

#[test]
fn a_folder_of_functions_is_searched_and_other_files_are_passed_over() {
    let folder = folder(&[
        ("all/Cargo.toml", "[workspace]"),
        ("all/js/handler.js", HANDLER),
        ("all/one.js", HANDLER),
        ("all/settings.js", "module.exports = {}"),
        ("all/module.wasm", ""),
        ("all/notes.txt", ""),
        ("all/crate/Cargo.toml", "[lib]\ncrate-type = [\"cdylib\"]"),
        ("all/library/Cargo.toml", "[package]\nname = \"library\""),
        ("none/notes.txt", ""),
    ]);
    let mut library = Library::default();
    library.add(&folder.path().join("all")).unwrap();
    let names: Vec<_> = library.iter().map(Function::name).collect();
    assert_eq!(names, ["crate", "js", "module", "one"]);
    let mut one = Library::default();
    one.add(&folder.path().join("all/js")).unwrap();
    assert_eq!(one.iter().count(), 1);
    let error = library.add(&folder.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("put a handler.js"), "{error}");
}

#[test]
fn a_functions_own_limits_win_over_the_defaults() {
    let folder = folder(&[
        ("own/function.toml", "[limits]\ndeadline_ms = 50"),
        ("own/handler.js", HANDLER),
        ("plain/handler.js", HANDLER),
    ]);
    let mut library = Library::default();
    library.add(folder.path()).unwrap();
    let limits = Limits { memory_bytes: 64 << 20, deadline: Duration::from_mins(1), ..Limits::default() };
    library.set_default_limits(limits);
    assert_eq!(library.get("plain").unwrap().limits(), limits);
    let own = Limits { deadline: Duration::from_millis(50), ..limits };
    assert_eq!(library.get("own").unwrap().limits(), own);
}
