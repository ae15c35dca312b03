//! The work of a function between its instantiation and its first request.

use bytes::Bytes;
use isolab_core::{Cause, Error, Laps, Phase};
use isolab_sdk::INITIALIZE;
use wasmparser::{Parser, Payload};
use wasmtime::Module;

use crate::exports::FunctionExport;
use crate::rules::Rules;
use crate::sandbox::Sandbox;

/// Whether a module exports an initialisation of its own.
pub(crate) fn is_exported(wasm: &[u8]) -> bool {
    let mut exports = Parser::new(0).parse_all(wasm).filter_map(|section| match section {
        Ok(Payload::ExportSection(exports)) => Some(exports),
        _ => None,
    });
    exports.any(|exports| exports.into_iter().flatten().any(|export| export.name == INITIALIZE))
}

/// The initialisation of a module's instances. A snapshot has nothing left to do.
pub(crate) struct Initialization {
    /// The constructors of a reactor.
    constructors: Option<FunctionExport<(), ()>>,
    /// The function's own work.
    own: Option<FunctionExport<(), ()>>,
    /// Standard input of `own`.
    input: Bytes,
}

impl Initialization {
    /// # Errors
    /// If the export has another form than `() -> ()`.
    pub(crate) fn of(module: &Module, input: Bytes) -> Result<Self, Cause> {
        let own = FunctionExport::of(module, INITIALIZE);
        if own.is_none() && module.get_export(INITIALIZE).is_some() {
            return Err(Cause::Artifact(format!(
                "the module's export `{INITIALIZE}` has not the form () -> (); use `isolab_sdk::export!`"
            )));
        }
        Ok(Self { constructors: FunctionExport::of(module, "_initialize"), own, input })
    }

    /// Whether the function has work of its own.
    pub(crate) fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// Initialises a new instance, under the limits of the function.
    pub(crate) async fn run(
        &self,
        sandbox: &mut Sandbox,
        rules: &Rules,
        phase: Phase,
        laps: &mut Laps,
    ) -> Result<(), Error> {
        if let Some(constructors) = &self.constructors {
            call(constructors, sandbox, rules, phase, laps).await?;
        }
        if let Some(own) = &self.own {
            sandbox.store.data_mut().set_stdin(self.input.clone());
            call(own, sandbox, rules, phase, laps).await?;
            laps.mark("initialize");
        }
        Ok(())
    }
}

async fn call(
    export: &FunctionExport<(), ()>,
    sandbox: &mut Sandbox,
    rules: &Rules,
    phase: Phase,
    laps: &mut Laps,
) -> Result<(), Error> {
    let function = sandbox.function(export).map_err(|failure| sandbox.error(rules, phase, failure))?;
    sandbox.run(rules, phase, laps, async |store, _| Ok(function.call(store, ()).await?)).await
}

/// The error of an initialisation that trapped in `prepare`: the function is at fault.
pub(crate) fn refused(mut error: Error) -> Error {
    if let Cause::Trapped(reason) = error.cause {
        error.cause = Cause::Artifact(format!("the function cannot be initialised: {reason}"));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initialisation_is_found_among_the_exports() {
        let exports = |text: &str| is_exported(&wat::parse_str(text).unwrap());
        assert!(exports(r#"(module (func (export "a")) (func (export "wizer-initialize")))"#));
        assert!(!exports(r#"(module (func (export "_initialize")))"#));
        assert!(!exports("(module)"));
        assert!(!is_exported(b"wizer-initialize"));
    }
}
