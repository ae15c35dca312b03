//! Runs the conformance tests against Node's own web API, to check the tests themselves.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use isolab_webapi::conformance;

/// The first version of Node with everything that the tests use.
const OLDEST_NODE: u32 = 20;

/// Tests in which Node departs from the standard, at least in version 20.
const NODE_DEPARTS: [&str; 3] = [
    // Web IDL: a record has enumerable properties only.
    "headers ignore the hidden properties of a record",
    // URL: percent-decoding applies to the UTF-8 of the whole string.
    "parameters that mix characters and bytes are decoded",
    // Encoding: "UTF-8 decode" drops one byte order mark.
    "text drops one byte order mark only",
];

const RUN: &str = r#"
    for (const name of Object.keys(console)) console[name] = () => {};
    const request = new Request("http://localhost/", { headers: { "x-test": "1" } });
    const response = await handler.fetch(request, {}, { waitUntil() {} });
    process.stdout.write(await response.text());
"#;

#[test]
fn node_passes_the_conformance_tests() {
    if let Err(reason) = node_is_recent() {
        let required = std::env::var("ISOLAB_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "docker"), "{reason}");
        eprintln!("skipped: {reason}");
        return;
    }
    let handlers = conformance::handlers().chain(conformance::timer_handlers());
    for (name, source) in handlers.chain(conformance::stream_handlers()) {
        let source = source.replace("export default", "const handler =") + RUN;
        let output = node(&["--input-type=module", "-"], &source).unwrap();
        let (answer, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {error}");
        let failures = conformance::check(&answer).err().unwrap_or_default();
        let unknown: Vec<_> = failures
            .lines()
            .filter(|failure| !NODE_DEPARTS.iter().any(|name| failure.contains(name)))
            .collect();
        assert!(unknown.is_empty(), "{name}:\n{}", unknown.join("\n"));
    }
}

fn node_is_recent() -> Result<(), String> {
    let output = node(&["--version"], "").map_err(|error| format!("node cannot be run: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(OLDEST_NODE..) => Ok(()),
        _ => Err(format!("node {} is older than {OLDEST_NODE}", version.trim())),
    }
}

fn node(arguments: &[&str], input: &str) -> std::io::Result<Output> {
    let mut child = Command::new("node")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("standard input is piped").write_all(input.as_bytes())?;
    child.wait_with_output()
}
