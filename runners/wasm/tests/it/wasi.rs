//! The full host of WASI: the subjects of the public wasi-testsuite, each as a command with granted folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use http::{HeaderMap, Method};
use isolab_core::{Cause, Error, Function, Laps, Request, Response, Variant};
use isolab_wasm::Wasm;
use nix::sys::stat::Mode;

use crate::support::{ask, get, open, prepare};

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Exit code 0, with this on standard output.
    Output(&'static str),
    /// This exit code.
    Code(u32),
    /// The invocation ends with the cause of this name, and its text contains this.
    Cause(&'static str, &'static str),
}

use End::{Code, Output};

/// Folders that a command is granted.
const DATA: &str = "{ path = 'data', at = '/data' }";
const BOTH: &str = "{ path = 'data', at = '/data' }, { path = 'work', at = '/work', writable = true }";

/// Subject, further query, granted folders, body of the request, and end.
const TABLE: &[(&str, &str, &str, &str, End)] = &[
    ("args", "", "", "", Output("[\"subjects\", \"--fast\", \"\"]\n")),
    ("environ", "&sent=S&GRANTED=other", "", "", Output("Ok(\"yes\") Ok(\"S\")\n")),
    ("stdio", "", "", "in", Output("IN")),
    ("exit", "&code=0", "", "", Output("")),
    ("exit", "&code=1", "", "", Code(1)),
    ("exit", "&code=125", "", "", Code(125)),
    ("exit", "&code=200", "", "", Code(200)),
    ("clocks", "", "", "", Output("")),
    ("poll", "", "", "", Output("")),
    ("poll_forever", "", "", "", End::Cause("deadline", "")),
    ("files", "", BOTH, "", Output("hello there\nwritten\nSome(NotFound)\nSome(AlreadyExists)\n")),
    ("files", "", "", "", Code(1)),
    ("seek", "", DATA, "", Output("there\n 12 10 Some(InvalidInput)\n")),
    ("truncate", "", BOTH, "", Output("[48, 49, 50, 51, 0, 0]\n")),
    ("append", "", BOTH, "", Output("one two\n")),
    ("directories", "", BOTH, "", Output("Some(AlreadyExists) true\nSome(NotFound) Some(NotFound)\n")),
    // With the pipe.
    ("readdir", "", BOTH, "", Output("501 \"000\" \"499\"\n")),
    ("rename", "", BOTH, "", Output("moved Some(NotFound)\nSome(NotADirectory)\n")),
    ("unlink", "", BOTH, "", Output("Some(NotFound)\n")),
    ("symlinks", "", BOTH, "", Output("through a link \"target\"\ntrue\nthrough a link\n")),
    ("dangling_symlink", "", BOTH, "", Output("Some(NotFound) \"absent\"\n")),
    // `ELOOP` is 32.
    ("symlink_loop", "", BOTH, "", Output("Some(32)\n")),
    ("hard_links", "", BOTH, "", Output("linked\n")),
    ("stat", "", DATA, "", Output("12 true true true\n")),
    ("read_only", "", BOTH, "", Output("")),
    ("escape", "", BOTH, "", Output("")),
    ("many_files", "", DATA, "", End::Cause("trap", "table")),
    ("large_buffer", "", BOTH, "", Output("12 8388608\n")),
    ("flood", "", "", "", End::Cause("response", "")),
    ("named_pipe", "", BOTH, "", Output("Some(Unsupported) Some(Unsupported)\nhello there\n")),
    ("trap", "", "", "", End::Cause("trap", "it went wrong")),
];

/// The program, compiled once for all tests of the process.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wasi/subjects.rs");
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("subjects.wasm");
        let mut compiler = Command::new("rustc");
        compiler.args(["--edition=2024", "--target=wasm32-wasip1", "-O", "-o"]).arg(&module).arg(source);
        assert!(compiler.status().unwrap().success());
        fs::read(module).unwrap()
    })
}

/// A folder with a secret, and in it the function with its folders.
struct Place {
    folder: tempfile::TempDir,
    function: PathBuf,
}

impl Place {
    fn new(folders: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        let function = folder.path().join("subjects");
        let (data, work) = (function.join("data"), function.join("work"));
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(&work).unwrap();
        fs::write(function.join("secret"), "secret").unwrap();
        fs::write(data.join("hello.txt"), "hello there\n").unwrap();
        symlink("/etc", data.join("out")).unwrap();
        symlink("..", data.join("above")).unwrap();
        for folder in [&data, &work] {
            nix::unistd::mkfifo(&folder.join("pipe"), Mode::S_IRWXU).unwrap();
        }
        let manifest = format!(
            "description = 'a test'\n[limits]\ndeadline_ms = 500\n[grants]\nargs = ['--fast', '']\n\
             env = {{ GRANTED = 'yes' }}\nfolders = [{folders}]"
        );
        fs::write(function.join("function.toml"), manifest).unwrap();
        fs::write(function.join("subjects.wasm"), program()).unwrap();
        Self { folder, function }
    }

    fn ask(&self, wasm: &Wasm, query: &str, body: &'static str) -> Result<Response, Error> {
        let prepared = prepare(wasm, &Function::load(&self.function).unwrap(), Variant::Command).unwrap();
        assert_eq!(prepared.artifact().kind, "compiled module that can wait, with all of WASI");
        let uri = format!("/?{query}").parse().unwrap();
        let request = Request::new(Method::POST, uri, HeaderMap::new(), body.into());
        // One thread may block, so that a call that holds it for ever is noticed by the next one.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let asked = runtime.block_on(async {
            let instance = prepared.start(&mut Laps::begin()).await?;
            let asked = instance.invoke(request, &mut Laps::begin()).await;
            instance.stop(&mut Laps::begin()).await?;
            asked
        });
        runtime.shutdown_background();
        self.check();
        asked
    }

    /// Nothing outside of the granted folders has changed, and nothing in the folder that may be read.
    fn check(&self) {
        for secret in [self.folder.path().join("secret"), self.function.join("secret")] {
            assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
        }
        assert_eq!(fs::read_to_string(self.function.join("data/hello.txt")).unwrap(), "hello there\n");
        let mut names: Vec<_> = fs::read_dir(self.function.join("data")).unwrap().collect();
        names.sort_by_key(|entry| entry.as_ref().unwrap().file_name());
        let names: Vec<_> = names.into_iter().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["above", "hello.txt", "out", "pipe"]);
        assert!(!self.function.join("moved").exists() && !self.folder.path().join("moved").exists());
    }
}

/// Whether an invocation ended as the table says.
fn is(expected: End, asked: &Result<Response, Error>) -> bool {
    match (expected, asked) {
        (Output(text), Ok(response)) => response.body() == text,
        (Code(code), Err(Error { cause: Cause::Crashed(reason), .. })) => {
            reason == &format!("exit code {code}") || reason.starts_with(&format!("exit code {code}: "))
        }
        (End::Cause(name, text), Err(error)) => {
            let found = match &error.cause {
                Cause::DeadlineExceeded(_) => "deadline",
                Cause::Trapped(_) => "trap",
                Cause::ResponseTooLarge(_) => "response",
                _ => return false,
            };
            found == name && error.to_string().contains(text)
        }
        _ => false,
    }
}

#[test]
fn every_subject_ends_as_it_should() {
    let wasm = open("wasm", Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut wrong = Vec::new();
    for &(subject, query, folders, body, expected) in TABLE {
        let asked = Place::new(folders).ask(&wasm, &format!("subject={subject}{query}"), body);
        if !is(expected, &asked) {
            let asked = asked.map(Response::into_body).map_err(|error| error.to_string());
            wrong.push(format!("{subject}{query}, granted [{folders}]: {asked:?} is not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A function that may write in a folder above could put a link in the place of a granted one.
#[test]
fn a_folder_stays_the_one_that_was_granted() {
    let place = Place::new(DATA);
    let function = Function::load(&place.function).unwrap();
    let wasm = open("wasm", Path::new(env!("CARGO_TARGET_TMPDIR")));
    let prepared = prepare(&wasm, &function, Variant::Command).unwrap();
    let data = place.function.join("data");
    fs::rename(&data, place.function.join("moved-away")).unwrap();
    symlink("/etc", &data).unwrap();
    let answer = ask(&*prepared, get("/?subject=stat")).unwrap();
    assert_eq!(answer.body(), "12 true true true\n");
    // A link is not followed when the folder is granted either.
    let Err(error) = prepare(&wasm, &function, Variant::Command) else { panic!("a link was followed") };
    assert!(matches!(&error.cause, Cause::Artifact(reason) if reason.contains("/data")), "{error}");
}
