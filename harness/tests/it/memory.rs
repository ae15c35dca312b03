//! The memory that a handler can make a server hold, beside the limit of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use http::StatusCode;

use crate::support::{Serving, can_run};

const MIB: u64 = 1 << 20;

/// The memory limit of the handlers.
const LIMIT_BYTES: u64 = 64 * MIB;

/// Target, the handler's code, the answer's body or the cause of its failure, and how many times the limit the server's
/// memory may have grown by at most.
const TABLE: &[(&str, &str, &str, u64)] = &[
    (
        "/decode",
        "try { new TextDecoder().decode(new Uint8Array(50 << 20).fill(255)) } catch (e) { return e.name }",
        "RangeError",
        2,
    ),
    (
        "/decode_garbage",
        "for (let i = 0; i < 40; i++) new TextDecoder().decode(new Uint8Array(9 << 20).fill(255)); return 'all'",
        "all",
        3,
    ),
    (
        "/url",
        r"try { new URL('http://h/' + '\u20ac'.repeat(20e6)) } catch (e) { return e.name }",
        "TypeError",
        3,
    ),
    (
        "/url_part",
        r"const u = new URL('http://h/'); try { u.hash = '\u20ac'.repeat(20e6) } catch (e) { return e.name }",
        "TypeError",
        3,
    ),
    (
        "/url_parameter",
        "const u = new URL('http://h/'); try { u.searchParams.append('q', 'x'.repeat(9e6)) } catch (e) { return e.name }",
        "TypeError",
        3,
    ),
    (
        "/function",
        "try { Function('return [' + '{},'.repeat(5e6) + ']') } catch (e) { return e.name }",
        "EvalError",
        2,
    ),
    ("/eval", "try { (0, eval)('[' + '{},'.repeat(5e6) + ']') } catch (e) { return e.name }", "EvalError", 2),
    ("/constructor", "try { (async () => {}).constructor('x') } catch (e) { return e.name }", "EvalError", 1),
    (
        "/normalise",
        r"try { '\ufdfa'.repeat(10e6).normalize('NFKC') } catch (e) { return e.name }",
        "RangeError",
        2,
    ),
    (
        "/dates",
        "const k = []; for (;;) k.push(new Intl.DateTimeFormat('ja-u-ca-japanese', FULL))",
        "out-of-memory",
        3,
    ),
    (
        "/past_dates",
        "for (let i = 0; i < 3000; i++) new (new Intl.DateTimeFormat().constructor)('ja', FULL); return 'all'",
        "all",
        3,
    ),
    (
        "/local_dates",
        "for (let i = 0; i < 3000; i++) new Date(i).toLocaleString('ja-u-ca-japanese', FULL); return 'all'",
        "all",
        3,
    ),
    (
        "/segments",
        "return `${typeof Intl.Segmenter} ${typeof Intl.v8BreakIterator}`",
        "undefined undefined",
        1,
    ),
    ("/plurals", "const k = []; for (;;) k.push(new Intl.PluralRules('en'))", "out-of-memory", 3),
    // One object is larger than the limit, and V8 itself does not notice.
    (
        "/large_text",
        "globalThis.kept = 'ab'.repeat(80e6); kept.indexOf('x'); return 'kept'",
        "out-of-memory",
        4,
    ),
    (
        "/upload",
        "try { await fetch('http://origin/', { method: 'POST', body: 'x'.repeat(60e6) }) } catch (e) { return e.name }",
        "out-of-memory",
        3,
    ),
    (
        "/address",
        "try { await fetch('http://origin/' + 'x'.repeat(1e6)) } catch (e) { return e.message }",
        "method and URL of a request have at most 65536 bytes",
        2,
    ),
    // Arrays in one expression: no call and no loop in which V8 looks for a termination.
    ("/swell", "return [SWELL].length", "deadline", 40),
];

/// Writes a function for each row.
fn write(folder: &Path) {
    for (target, code, ..) in TABLE {
        let function = folder.join(&target[1..]);
        fs::create_dir(&function).unwrap();
        let deadline_ms = if code.contains("SWELL") { 1000 } else { 20_000 };
        let manifest = format!(
            "description = 'of a test'\n[limits]\nmemory_bytes = {LIMIT_BYTES}\ndeadline_ms = {deadline_ms}\n\
             [grants]\nhosts = ['origin']\n"
        );
        fs::write(function.join("function.toml"), manifest).unwrap();
        let code = code.replace("FULL", "{ dateStyle: 'full', timeStyle: 'full' }");
        let code = code.replace("SWELL", &"Array(3e7).fill(1),".repeat(20));
        let handler = format!(
            "const answer = async () => {{ {code} }};\n\
             export default {{ async fetch() {{ return new Response(await answer()) }} }}"
        );
        fs::write(function.join("handler.js"), handler).unwrap();
    }
}

/// The most memory that a process has held until now, in bytes.
fn peak_bytes(server: &Serving) -> u64 {
    let status = procfs::process::Process::new(server.pid().as_raw()).unwrap().status().unwrap();
    status.vmhwm.unwrap() << 10
}

#[test]
fn a_handler_makes_the_server_hold_little_beyond_its_limit() {
    if !can_run("v8") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let functions = folder.path().to_str().unwrap();
    let mut wrong = BTreeMap::new();
    for &(target, _, expected, most) in TABLE {
        // A server of its own: the memory of an earlier handler would hide that of a later one.
        let server = Serving::start(&[
            "--executor",
            "v8",
            "--variant",
            "js",
            "--workers",
            "1",
            "--functions",
            functions,
        ]);
        assert_eq!(server.connect().get("/hello").unwrap().response.status(), StatusCode::OK);
        let before = peak_bytes(&server);
        let answer = server.connect().get(target).unwrap().response;
        let grown = peak_bytes(&server) - before;
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        let is_expected =
            if answer.status() == StatusCode::OK { body == expected } else { body.contains(expected) };
        if !is_expected || grown > most * LIMIT_BYTES {
            wrong.insert(target, format!("{} MiB: {} {body}", grown / MIB, answer.status()));
        }
        // The server goes on in any case.
        assert_eq!(server.connect().get("/hello").unwrap().response.status(), StatusCode::OK, "{target}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
