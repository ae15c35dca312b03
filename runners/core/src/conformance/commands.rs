//! Foreign commands that every executor with commands must run in the same way. They need no files.
//!
//! The sources are text. A check that fails in a command is its exit code.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use super::{Outcome, Report};
use crate::{Cause, Executor, Function, Laps, Request, Variant};

/// The end that a command must have.
enum End {
    /// It answers this.
    Answers(&'static str),
    /// It fails with this cause.
    Fails(fn(&Cause) -> bool),
}

/// A command, and how it must end.
struct Command {
    name: &'static str,
    source: &'static str,
    /// Lines of its `function.toml`.
    manifest: &'static str,
    query: &'static str,
    body: &'static str,
    end: End,
}

const PRELUDE: &str = include_str!("commands/prelude.wat");

macro_rules! command {
    ($name:literal, $manifest:literal, $query:literal, $body:literal, $end:expr) => {
        Command {
            name: $name,
            source: include_str!(concat!("commands/", $name, ".wat")),
            manifest: $manifest,
            query: $query,
            body: $body,
            end: $end,
        }
    };
}

const COMMANDS: &[Command] = &[
    command!("arguments_and_environment", "", "", "", End::Answers("")),
    command!("arguments_and_environment", "", "?a=1&b=%C3%BC+2", "", End::Answers("a=1\0b=ü 2\0")),
    command!(
        "arguments_and_environment",
        "[grants]\nargs = ['--fast', '']",
        "?a=1",
        "",
        End::Answers("arguments_and_environment\0--fast\0\0a=1\0")
    ),
    command!(
        "arguments_and_environment",
        "[grants]\nenv = { A = 'granted', Z = '' }",
        "?A=sent&b=2",
        "",
        End::Answers("A=granted\0Z=\0b=2\0")
    ),
    command!("stdio", "", "", "from the body", End::Answers("from the body")),
    command!("stdio", "", "", "", End::Answers("")),
    command!("no_folder", "", "", "", End::Answers("")),
    command!("exit_with_success", "", "", "", End::Answers("done\n")),
    command!(
        "exit_code",
        "",
        "",
        "",
        End::Fails(|cause| *cause == Cause::Crashed("exit code 3: went wrong".into()))
    ),
    command!(
        "trap",
        "",
        "",
        "",
        End::Fails(|cause| matches!(cause, Cause::Trapped(reason)
            if reason.contains("unreachable") && reason.ends_with(": went wrong")))
    ),
    command!("clocks", "", "", "", End::Answers("")),
    command!("random", "", "", "", End::Answers("")),
    command!("poll", "", "", "", End::Answers("")),
    command!(
        "sleep_for_ever",
        "[limits]\ndeadline_ms = 500",
        "",
        "",
        End::Fails(|cause| matches!(cause, Cause::DeadlineExceeded(_)))
    ),
    command!(
        "compute_for_ever",
        "[limits]\ndeadline_ms = 500",
        "",
        "",
        End::Fails(|cause| matches!(cause, Cause::DeadlineExceeded(_)))
    ),
    command!("flood", "", "", "", End::Fails(|cause| matches!(cause, Cause::ResponseTooLarge(_)))),
];

impl Command {
    /// Writes the command to a folder, and loads it as a function.
    fn function(&self, folder: &Path, assemble: Assemble) -> Result<Function, String> {
        let folder = folder.join(self.name);
        let manifest = format!("description = 'a command'\n{}", self.manifest);
        let wasm = assemble(&self.source.replace("PRELUDE", PRELUDE))?;
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("function.toml"), manifest))
            .and_then(|()| std::fs::write(folder.join("command.wasm"), wasm));
        written.map_err(|error| error.to_string())?;
        Function::load(&folder).map_err(|error| error.to_string())
    }

    async fn check(&self, executor: &dyn Executor, folder: &Path, assemble: Assemble) -> Result<(), String> {
        let function = self.function(folder, assemble)?;
        executor.supports(&function, Variant::Command)?;
        let prepared = executor.prepare(&function, Variant::Command, &mut Laps::begin()).await;
        let prepared = prepared.map_err(|error| error.to_string())?;
        if prepared.max_uses() != Some(1) {
            return Err("an instance may run more than once".into());
        }
        let uri = format!("/{}", self.query).parse::<Uri>().map_err(|error| error.to_string())?;
        let body = Bytes::from_static(self.body.as_bytes());
        let request = Request::new(Method::POST, uri, HeaderMap::new(), body);
        let instance = prepared.start(&mut Laps::begin()).await.map_err(|error| error.to_string())?;
        let answer = instance.invoke(request, &mut Laps::begin()).await;
        instance.stop(&mut Laps::begin()).await.map_err(|error| error.to_string())?;
        match (answer, &self.end) {
            (Ok(response), End::Answers(expected)) if response.body() == *expected => Ok(()),
            (Ok(response), _) => Err(format!("it answered {:?}", response.body())),
            (Err(error), End::Fails(is_expected)) if is_expected(&error.cause) => Ok(()),
            (Err(error), _) => Err(error.to_string()),
        }
    }
}

/// Makes a module of its text.
pub type Assemble = fn(&str) -> Result<Vec<u8>, String>;

/// Runs every command. `assemble` makes their modules.
///
/// # Panics
/// If no temporary folder can be made.
pub async fn run(executor: &dyn Executor, assemble: Assemble) -> Report {
    let mut report = Report::default();
    for command in COMMANDS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checked = command.check(executor, folder.path(), assemble).await;
        let name = format!("{}/command: {:?} {}", command.name, command.query, command.manifest);
        let outcome = checked.map_or_else(Outcome::Failed, |()| Outcome::Passed);
        report.checks.push(super::Check { name, outcome });
    }
    report
}
