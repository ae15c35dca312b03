//! The values that instances of one snapshot share: those that the initialisation has made, and the state of generators
//! that it has used.

use std::path::Path;

use crate::support::{Serving, can_run};

/// Whether two instances have the same random number and the same time, of the initialisation, and the same random
/// number of a request.
type Shared = [bool; 3];

const NOTHING: Shared = [false, false, false];
const INITIAL: Shared = [true, true, false];
const EVERYTHING: Shared = [true, true, true];

fn shared(spec: &str, variant: &str) -> Shared {
    let function = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/instruments/initial");
    let function = function.to_str().unwrap();
    let server = Serving::start(&[
        "--executor",
        spec,
        "--functions",
        function,
        "--variant",
        variant,
        "--reuse",
        "fresh",
    ]);
    let mut client = server.connect();
    let mut values = |path: &'static str| -> Vec<String> {
        let answer = client.get(path).unwrap().response;
        assert_eq!(answer.status(), 200, "{spec} {variant}: {answer:?}");
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        text.split(' ').map(str::to_owned).collect()
    };
    let [one, other] = [values("/initial/initial"), values("/initial/initial")];
    let [new, other_new] = [values("/initial/new"), values("/initial/new")];
    [one[0] == other[0], one[1] == other[1], new[0] == other_new[0]]
}

/// A random number that seeds a secret must come from the host. The table in `ARCHITECTURE.md` says the same.
#[test]
fn instances_share_what_their_snapshot_holds() {
    for (spec, variant, expected) in [
        ("wasm", "rust", EVERYTHING),
        ("wasm", "js", INITIAL),
        ("wasm:snapshot=off", "rust", NOTHING),
        ("wasm:snapshot=off", "js", NOTHING),
        ("v8", "rust", NOTHING),
        ("v8", "js", INITIAL),
        ("v8:snapshot=off", "js", NOTHING),
        ("process", "rust", NOTHING),
        ("process:spawn=fork", "rust", EVERYTHING),
        ("process:javascript=v8", "js", INITIAL),
        ("docker", "rust", NOTHING),
        ("docker", "js", NOTHING),
        ("docker:javascript=v8", "js", INITIAL),
    ] {
        if can_run(spec.split(':').next().unwrap()) {
            assert_eq!(shared(spec, variant), expected, "{spec} {variant}");
        }
    }
}
