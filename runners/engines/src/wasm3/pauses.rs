//! Looks at the clock while a guest computes.
//!
//! The interpreter asks the host before each call (`m3_Yield`), and nowhere else. So a module gets one more function,
//! which does nothing, and each round of a loop calls it. Nothing else in the module's code changes.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::ptr;
use std::time::Instant;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{CodeSection, FunctionSection, Instruction, TypeSection};
use wasmparser::{CodeSectionReader, CustomSectionReader, FunctionBody, Parser, Payload, TypeRef};

/// The calls between two looks at the clock. They take less than a millisecond, unless each fills much memory.
const CALLS: u32 = 10_000;

/// The message with which the interpreter ends at a deadline.
const LATE: &CStr = c"the deadline has passed";

thread_local! {
    static CALLS_LEFT: Cell<u32> = const { Cell::new(0) };
    /// The deadline of the guest that runs on this thread.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static IS_LATE: Cell<bool> = const { Cell::new(false) };
}

/// From now on, the guest that runs on this thread ends soon after the deadline.
pub(super) fn begin(deadline: Instant) {
    CALLS_LEFT.set(CALLS);
    DEADLINE.set(Some(deadline));
    IS_LATE.set(false);
}

/// The guest does not run any more. Returns whether it was stopped at its deadline.
pub(super) fn end() -> bool {
    DEADLINE.set(None);
    IS_LATE.replace(false)
}

/// Whether the guest that runs on this thread was stopped at its deadline.
pub(super) fn is_late() -> bool {
    IS_LATE.get()
}

/// Wasm3 calls this before each call, in place of its own function of this name, which does nothing and is weak.
/// Returns null, or the reason why the guest ends.
// SAFETY: the name is that of a function which Wasm3 leaves to its host, with this type.
#[unsafe(no_mangle)]
extern "C" fn m3_Yield() -> *const c_char {
    match CALLS_LEFT.get().checked_sub(1) {
        Some(left) => {
            CALLS_LEFT.set(left);
            ptr::null()
        }
        None => look(),
    }
}

#[cold]
fn look() -> *const c_char {
    CALLS_LEFT.set(CALLS);
    if DEADLINE.get().is_none_or(|deadline| Instant::now() < deadline) {
        return ptr::null();
    }
    // The next call ends the guest as well.
    CALLS_LEFT.set(0);
    IS_LATE.set(true);
    LATE.as_ptr()
}

/// The module with a call at the beginning of each round of its loops.
///
/// # Errors
/// If the module cannot be read.
pub(super) fn add(wasm: &[u8]) -> Result<Vec<u8>, reencode::Error> {
    let mut module = wasm_encoder::Module::new();
    Pauses::of(wasm)?.parse_core_module(&mut module, Parser::new(0), wasm)?;
    Ok(module.finish())
}

/// Adds the function that does nothing, and the calls.
struct Pauses {
    /// The number of the new function, behind all others, and of its type.
    function: u32,
    kind: u32,
}

impl Pauses {
    fn of(wasm: &[u8]) -> Result<Self, reencode::Error> {
        let (mut function, mut kind) = (0, 0);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => kind += types.into_iter_err_on_gc_types().count() as u32,
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        function += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(functions) => function += functions.count(),
                _ => {}
            }
        }
        Ok(Self { function, kind })
    }
}

impl Reencode for Pauses {
    type Error = std::convert::Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.kind);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_code_section(self, code, section)?;
        let mut nothing = wasm_encoder::Function::new([]);
        nothing.instruction(&Instruction::End);
        code.function(&nothing);
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let instruction = self.parse_instruction(&mut operators)?;
            function.instruction(&instruction);
            if matches!(instruction, Instruction::Loop(_)) {
                function.instruction(&Instruction::Call(self.function));
            }
        }
        code.function(&function);
        Ok(())
    }

    /// Names of functions are left out: the interpreter would find functions by them, as it does by exports.
    fn parse_custom_section(
        &mut self,
        _module: &mut wasm_encoder::Module,
        _section: CustomSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The instructions of each function.
    fn bodies(wasm: &[u8]) -> Vec<Vec<String>> {
        let bodies = Parser::new(0).parse_all(wasm).filter_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
        let text = |body: FunctionBody<'_>| {
            let operators = body.get_operators_reader().unwrap();
            operators.into_iter().map(|operator| format!("{:?}", operator.unwrap())).collect()
        };
        bodies.map(text).collect()
    }

    #[test]
    fn each_round_of_a_loop_calls_the_last_function_and_nothing_else_changes() {
        let imports = r#"(import "a" "b" (func (param f64))) (import "a" "c" (global i32))
            (import "a" "d" (func))"#;
        for (imports, last) in [("", 2), (imports, 4)] {
            let text = format!(
                r#"(module {imports} (memory 1)
                    (func (export "work") (param i32) (result i32)
                        (local i64)
                        (block (loop (br_if 1 (local.get 0)) (loop (br 1))))
                        local.get 0
                        (loop (param i32) (result i32)))
                    (func (export "straight") (drop (i32.load (i32.const 8)))))"#
            );
            let module = wat::parse_str(text).unwrap();
            let paused = add(&module).unwrap();
            wasmparser::validate(&paused).unwrap();
            let (before, mut after) = (bodies(&module), bodies(&paused));
            assert_eq!(after.pop().unwrap(), ["End"]);
            let call = format!("Call {{ function_index: {last} }}");
            let mut calls = 0;
            for body in &mut after {
                let loops: Vec<_> = (0..body.len()).filter(|at| body[*at].starts_with("Loop")).collect();
                for at in loops.into_iter().rev() {
                    assert_eq!(body.remove(at + 1), call);
                    calls += 1;
                }
            }
            assert_eq!((calls, before), (3, after));
        }
    }

    #[test]
    fn the_clock_is_looked_at_after_many_calls() {
        let calls = || (0..2 * CALLS).filter(|_| !m3_Yield().is_null()).count();
        assert_eq!(calls(), 0, "no guest runs");
        begin(Instant::now() + std::time::Duration::from_mins(1));
        assert_eq!((calls(), end()), (0, false));
        begin(Instant::now());
        assert!(calls() > 0 && end());
        assert_eq!((calls(), end()), (0, false));
    }
}
