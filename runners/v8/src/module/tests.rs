//! Modules that are refused.

use std::time::Duration;

use isolab_core::Limits;

use super::*;
use crate::isolate::watchdog::Watchdog;

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const ONE_PAGE: &[u8] = &[5, 3, 1, 0, 1];
const EXPORT_MEMORY: &[u8] = b"\x07\x0a\x01\x06memory\x02\0";

fn refused(sections: &[&[u8]]) -> String {
    let module = [HEADER, &sections.concat()].concat();
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
    let rules = Rules::new("v8", "test", limits, &Watchdog::start().unwrap());
    match PreparedModule::new(rules, &module, String::new(), &mut Laps::begin()).err() {
        Some(Cause::Artifact(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_without_the_exports_of_a_function_is_refused() {
    assert!(refused(&[ONE_PAGE]).contains("does not export `memory`"));
    assert!(refused(&[ONE_PAGE, EXPORT_MEMORY]).contains("does not export `isolab_request`"));
}

#[test]
fn a_module_that_imports_from_elsewhere_is_refused_with_the_import() {
    let (types, imports) = (b"\x01\x04\x01\x60\0\0", b"\x02\x09\x01\x03env\x01f\0\0");
    let reason = refused(&[types, imports, ONE_PAGE]);
    assert!(reason.contains("env"), "{reason}");
}

#[test]
fn bytes_that_are_not_a_valid_module_are_refused() {
    assert!(refused(&[&[5, 3, 1, 0, 1, 99, 0]]).contains("CompileError"));
    assert!(refused(&[&[1, 0xff]]).contains("ends in the middle"));
}
