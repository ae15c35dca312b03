//! A user's own functions: what is taken without `function.toml`, under which limits, and how
//! one of them is asked from a shell.

use std::path::Path;
use std::process::Command;

use isolab::server::control;
use isolab_reports::{Status, folder};

use crate::support::{Serving, can_run, finish, isolab, one_run_at_a_time, run, write_function};

const RANDOM: &str = "export default { fetch() { return new Response(String(Math.random())) } }";

/// Writes a file below a folder and answers its path.
fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn handler(folder: &Path, name: &str, body: &str) -> String {
    write(folder, name, &format!("export default {{ async fetch(request) {{ {body} }} }}"))
}

#[test]
fn a_javascript_file_is_invoked_and_served_on_every_engine() {
    let folder = tempfile::tempdir().unwrap();
    let path = handler(folder.path(), "a folder/greet.js", "return new Response('hi')");
    for executor in ["v8", "wasm"].into_iter().filter(|executor| can_run(executor)) {
        let finished = run(["invoke", executor, &path]);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "hi"), "{finished:?}");
        for given in [path.as_str(), folder.path().join("a folder").to_str().unwrap()] {
            let server = Serving::start(&["--executor", executor, "--functions", given]);
            let answer = server.connect().get("/greet").unwrap().response;
            assert_eq!(answer.body().as_ref(), b"hi", "{executor} {given}: {answer:?}");
        }
    }
}

#[test]
fn a_function_without_cases_is_measured_and_the_report_says_that_nothing_was_compared() {
    if !can_run("v8") || !can_run("wasm") {
        return;
    }
    let _run = one_run_at_a_time();
    let parent = tempfile::tempdir().unwrap();
    let random = write(parent.path(), "random/handler.js", RANDOM);
    let module = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "\10\00\00\00")
        (data (i32.const 32) "content-type: text/plain\n\nok")
        (func (export "_start")
            (i32.store (i32.const 0) (i32.const 32))
            (i32.store (i32.const 4) (i32.const 28))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    let command = parent.path().join("command.wasm");
    std::fs::write(&command, wat::parse_str(module).unwrap()).unwrap();
    let dir = parent.path().join("run");
    let folder_of_random = Path::new(&random).parent().unwrap();
    let functions = format!("{},{}", folder_of_random.display(), command.display());
    let line =
        ["--executor", "wasm", "--function", &functions, "--only", "startup,memory,density,load,burst"];
    let finished = finish(isolab().args(line).args(["--quick", "--seed", "7", "--out"]).arg(&dir));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let run = folder::read(&dir).unwrap().run;
    let cells: Vec<_> = run
        .cells
        .iter()
        .filter(|cell| !cell.twin)
        .map(|cell| (cell.function.as_str(), cell.variant.as_str(), cell.reuse.as_str(), cell.status))
        .collect();
    let ok = |function, variant, reuse| (function, variant, reuse, Status::Ok);
    assert_eq!(
        cells,
        [ok("random", "js", "fresh"), ok("random", "js", "warm"), ok("command", "command", "fresh")]
    );
    let report = std::fs::read_to_string(dir.join("report.md")).unwrap();
    for note in ["`random` has no cases: nothing was compared", "An instance of `command` answers once"] {
        assert!(report.contains(note), "{note}: {:?}", run.notes);
    }
}

#[test]
fn a_path_without_a_function_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    write(folder.path(), "notes.txt", "notes");
    write(folder.path(), "page.js", "<html>");
    handler(folder.path(), "a function/handler.js", "return new Response()");
    std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
    std::fs::File::create(folder.path().join("huge.js")).and_then(|file| file.set_len(1 << 30)).unwrap();
    for (name, reason) in [
        ("nowhere.js", "there is no such file"),
        ("empty", "put a handler.js"),
        ("notes.txt", "neither"),
        ("page.js", "export default"),
        ("a function", "rename it"),
        ("loop", "symbolic links"),
        ("huge.js", "1024 MiB"),
        ("empty/..", "put a handler.js"),
    ] {
        let out = path("run");
        let asked = path(name);
        let lines: [&[&str]; 2] = [
            &["bench", "--executor", "direct", "--function", &asked, "--out", &out],
            &["invoke", "direct", &asked],
        ];
        for line in lines {
            let finished = run(line);
            assert_eq!(finished.code, Some(2), "{line:?}: {finished:?}");
            assert!(finished.stderr.contains(reason), "{line:?}: {}", finished.stderr);
            assert_eq!(finished.stderr.lines().count(), 1, "one sentence: {}", finished.stderr);
        }
        assert!(!folder.path().join("run").exists(), "{name} leaves nothing behind");
    }
    let served = run(["serve", "--executor", "direct", "--functions", &path("empty")]);
    assert_eq!((served.code, served.stderr.contains("put a handler.js")), (Some(2), true), "{served:?}");
}

#[test]
fn a_file_in_the_current_folder_needs_no_slash() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "page.js", "<html>");
    std::fs::create_dir(folder.path().join("own")).unwrap();
    let invoke = |name: &str| finish(isolab().current_dir(folder.path()).args(["invoke", "direct", name]));
    let refused = invoke("page.js");
    assert!(refused.stderr.contains("export default"), "{refused:?}");
    let unknown = invoke("own");
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.stderr.contains("no function `own`") && unknown.stderr.contains("`./own`"),
        "{unknown:?}"
    );
}

#[test]
fn a_body_of_any_bytes_goes_to_stdout_as_it_is() {
    if !can_run("v8") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let body = "return new Response(Uint8Array.from({ length: 256 }, (_, at) => at), \
                { status: 404, headers: { 'x-own': 'yes' } })";
    let path = handler(folder.path(), "bytes.js", &format!("console.log('said'); {body}"));
    let output = isolab().args(["invoke", "v8", &path]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "a status of the function is an answer: {said}");
    assert_eq!(output.stdout, (0..=255).collect::<Vec<u8>>());
    for part in ["404", "x-own: yes", "prepare", "start", "invoke", "stop"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The reader of a pipe may stop at any time.
    let script = format!("{} invoke v8 {path} | true", env!("CARGO_BIN_EXE_isolab"));
    let piped = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(!String::from_utf8_lossy(&piped.stderr).contains("error"), "{piped:?}");
}

#[test]
fn invoke_tells_a_failed_function_from_a_bad_one() {
    if !can_run("v8") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let spin = handler(folder.path(), "spin.js", "while (true);");
    let exhaust =
        handler(folder.path(), "exhaust.js", "return new Response(new Uint8Array(200 << 20).fill(1))");
    let broken = write(folder.path(), "broken.js", "export default { fetch( }");
    for (line, code, reason) in [
        ([&spin, "--deadline", "100ms"], 1, "deadline of 100ms"),
        ([&exhaust, "--memory", "64MiB"], 1, "67108864 bytes"),
        ([&broken, "--deadline", "1s"], 2, "SyntaxError"),
    ] {
        let finished = finish(isolab().args(["invoke", "v8"]).args(line));
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(code), ""), "{finished:?}");
        assert!(finished.stderr.contains(reason), "{reason}: {}", finished.stderr);
    }
}

#[test]
fn invoke_ends_with_a_function_that_nothing_interrupts() {
    if !can_run("v8") {
        return;
    }
    let function = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/hostile/uninterruptible");
    let finished = finish(isolab().args(["invoke", "v8", function]));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    assert!(finished.stderr.contains("deadline of 1s (it could not be interrupted"), "{finished:?}");
}

#[test]
fn serve_limits_functions_that_set_no_limits_of_their_own() {
    if !can_run("v8") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let spin = handler(folder.path(), "spin.js", "while (true);");
    let fill = "return new Response(String(new Uint8Array(80 << 20).fill(1).length))";
    let fill = handler(folder.path(), "fill.js", fill);
    let own = folder.path().join("own");
    write_function(&own, "export default { fetch() { while (true); } }");
    let functions = ["--functions", &spin, "--functions", &fill, "--functions", own.to_str().unwrap()];
    let serve =
        |limits: &[&str]| Serving::start(&[&["--executor", "v8", "--control"], limits, &functions].concat());

    let server = serve(&["--deadline", "100ms", "--memory", "64MiB", "--instances", "2"]);
    let mut client = server.connect();
    let mut get = |path: &'static str| client.get(path).unwrap().response;
    let (spin, own, fill) = (get("/spin"), get("/own"), get("/fill"));
    let text = |response: &isolab_core::Response| String::from_utf8_lossy(response.body()).into_owned();
    assert!(spin.status() == 504 && text(&spin).contains("100ms"), "{spin:?}");
    assert!(own.status() == 504 && text(&own).contains("300ms"), "function.toml wins: {own:?}");
    assert_eq!(fill.status(), 507, "{fill:?}");
    assert_eq!(control::instances(&mut client, "hello", 2, 0).unwrap().live, 2);
    let refused = control::instances(&mut client, "hello", 3, 0).unwrap_err().to_string();
    assert!(refused.contains("over capacity"), "{refused}");

    let server = serve(&[]);
    let filled = server.connect().get("/fill").unwrap().response;
    assert_eq!(text(&filled), (80 << 20).to_string(), "the default is 128 MiB: {filled:?}");
}
