//! workerd, the runtime of Cloudflare Workers: a compiled configuration with one worker.

use std::path::Path;
use std::process::{Command, Stdio};

use isolab_core::Cause;
use isolab_core::function::Grant;
use isolab_guest::{bounds, files};

use crate::runtime::{CODE_RANGE_BYTES, CommandLine, Place, Runtime, Source, argument, heap_mib};

/// The executor `workerd`.
pub const WORKERD: Runtime = Runtime {
    name: "workerd",
    granted: &[Grant::Hosts, Grant::Env],
    extra_bytes: CODE_RANGE_BYTES + (96 << 20),
    listens_early: true,
    kind: "compiled configuration",
    lay_out,
    command_line,
};

const CONFIG: &str = include_str!("js/config.capnp");
const TEXT: &str = "config.capnp";
const COMPILED: &str = "config.bin";

/// Modules beside the handler.
const MODULES: [(&str, &[u8]); 3] = [
    ("main.mjs", include_bytes!("js/workerd.mjs")),
    ("outbound.mjs", include_bytes!("js/outbound.mjs")),
    ("answer.mjs", include_bytes!("js/answer.mjs")),
];

fn lay_out(source: &Source<'_>) -> Result<usize, Cause> {
    let config = CONFIG.replace("HEAP_MIB", &heap_mib(source.limits).to_string());
    let own = [("handler.js", source.handler), (TEXT, config.as_bytes())];
    let files: Vec<_> = MODULES.into_iter().chain(own).map(|(name, bytes)| (name, bytes, 0o644)).collect();
    files::lay_out(source.folder, &files)?;
    let compiled = compile(source)?;
    files::write(source.folder, &[(COMPILED, &compiled, 0o644)])
        .map_err(|error| failed(&error.to_string()))?;
    Ok(compiled.len())
}

/// The configuration with all modules in it, in the form that workerd reads fastest.
fn compile(source: &Source<'_>) -> Result<Vec<u8>, Cause> {
    let mut command = Command::new(source.program);
    command.args(["compile", "--config-only"]).arg(source.folder.join(TEXT)).env_clear();
    command.current_dir(source.folder).stdin(Stdio::null());
    bounds::set(&mut command, None, None);
    let output = command.output().map_err(|error| failed(&error.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim()))
}

fn failed(reason: &str) -> Cause {
    Cause::Artifact(format!("workerd cannot compile its configuration: {reason}"))
}

fn command_line(place: &Place<'_>) -> CommandLine {
    let address = |name: &str, path: &Path| argument(&format!("{name}=unix:"), path);
    let mut arguments = vec!["serve".into(), "--binary".into()];
    arguments.extend(["--socket-addr".into(), address("requests", &place.socket)]);
    if let Some(outbound) = &place.outbound {
        arguments.extend(["--external-addr".into(), address("outbound", outbound)]);
    }
    arguments.push(place.function.join(COMPILED).into());
    CommandLine { arguments, environment: Vec::new() }
}
