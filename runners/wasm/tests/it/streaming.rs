//! The functions `upload` and `stream`, whose bodies flow.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use isolab_core::conformance::streamed;
use isolab_core::streams::{Broken, PIECE_BYTES, Pieces};
use isolab_core::{Cause, Function, Laps, Limits, Prepared, Variant, guest};

use crate::support::{get, open, prepare, ready};

/// SHA-256 of 64 MiB of zeros, by `head -c 64M /dev/zero | sha256sum`.
const ZEROS: &str = "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351";
const ZEROS_BYTES: usize = 64 << 20;

/// The memory of an instance.
const MEMORY_BYTES: u64 = 1 << 20;

fn prepared(name: &str) -> Arc<dyn Prepared> {
    let wasm = open("wasm", Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut function = Function::load(&guest::workspace().join("functions").join(name)).unwrap();
    function.set_default_limits(Limits { memory_bytes: MEMORY_BYTES, ..Limits::default() });
    assert_eq!(function.limits().memory_bytes, MEMORY_BYTES);
    prepare(&wasm, &function, Variant::Rust).unwrap()
}

fn zeros(bytes: usize) -> Pieces {
    let piece = Bytes::from(vec![0; PIECE_BYTES]);
    stream::iter(vec![piece; bytes / PIECE_BYTES]).map(Ok).boxed()
}

#[test]
fn a_body_of_64_mib_passes_through_a_memory_of_1_mib() {
    let upload = prepared("upload");
    assert_eq!(upload.artifact().kind, "compiled module that streams");
    ready(async {
        let instance = upload.start(&mut Laps::begin()).await.unwrap();
        let answer = streamed::ask_with(&*instance, get("/"), Some(zeros(ZEROS_BYTES))).await.unwrap();
        assert_eq!(*answer.body(), format!(r#"{{"sha256":"{ZEROS}","bytes":{ZEROS_BYTES}}}"#));
        assert!(instance.memory().model_bytes.unwrap() <= MEMORY_BYTES);
        // The same instance, with another body.
        let answer = streamed::ask_with(&*instance, get("/"), None).await.unwrap();
        assert!(answer.body().ends_with(b"\"bytes\":0}"));
    });
}

#[test]
fn every_case_is_answered_in_pieces() {
    for name in ["upload", "stream"] {
        let function = Function::load(&guest::workspace().join("functions").join(name)).unwrap();
        assert_eq!(ready(streamed::answers(&function, &*prepared(name))), Ok(()), "{name}");
    }
}

#[test]
fn a_body_that_breaks_off_fails_its_request_only() {
    let upload = prepared("upload");
    ready(async {
        let instance = upload.start(&mut Laps::begin()).await.unwrap();
        let broken = Err(Broken("the client has left".into()));
        let body = zeros(1 << 20).chain(stream::iter([broken])).boxed();
        let error = streamed::ask_with(&*instance, get("/"), Some(body)).await.unwrap_err();
        let Cause::Threw(reason) = &error.cause else { panic!("{error}") };
        assert!(reason.ends_with(": the client has left") && error.spares_instance, "{error}");
        let answer = streamed::ask_with(&*instance, get("/"), None).await.unwrap();
        assert_eq!(answer.status(), 200);
    });
}

#[test]
fn an_invocation_that_is_dropped_ends_its_guest() {
    let endless = prepared("stream");
    ready(async {
        let instance = endless.start(&mut Laps::begin()).await.unwrap();
        let query = "/?chunks=1000000&interval_ms=1000";
        {
            let asked = streamed::ask_with(&*instance, get(query), None);
            futures_util::pin_mut!(asked);
            assert!(futures_util::poll!(asked.as_mut()).is_pending());
        }
        assert_eq!(instance.memory().model_bytes, None);
        instance.stop(&mut Laps::begin()).await.unwrap();
    });
}
