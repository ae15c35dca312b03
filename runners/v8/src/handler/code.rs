//! Compiled code of a handler and of the web API, for `codecache=on`: each start reads it, and compiles nothing.
//!
//! V8 trusts what it reads from such code: forged code would run in the host, and only its seal in the cache tells it
//! from honest code.

use std::slice;

use isolab_core::{Cache, Cause};

use super::boot::{self, Source};
use super::snapshot;
use crate::isolate::{Failure, Isolate};
use crate::rules::Rules;

/// The kind of these entries in the cache.
const KIND: &str = "v8-code";

/// The compiled code of all scripts that a context runs, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CodeCache(Vec<Vec<u8>>);

impl CodeCache {
    /// The code of a handler, and whether the cache had it.
    pub(crate) fn load_or_make(cache: &Cache, source: &Source, rules: &Rules) -> Result<(Self, bool), Cause> {
        let key = snapshot::key(source)?;
        if let Some(code) = cache.load(KIND, &key).and_then(|bytes| Self::split(&bytes)) {
            return Ok((code, true));
        }
        let code = Self::make(source, rules).map_err(snapshot::as_artifact)?;
        cache.store(KIND, &key, &code.joined()).map_err(|error| Cause::Internal(error.to_string()))?;
        Ok((code, false))
    }

    fn make(source: &Source, rules: &Rules) -> Result<Self, Cause> {
        let mut isolate = Isolate::new(None, rules.limits, &rules.watchdog);
        let mut code = Code::Kept(Vec::new());
        isolate.begin(|scope| {
            boot::remove_late_globals(scope)?;
            boot::limit(scope, &mut code)?;
            boot::boot(scope, source, &mut code).map(|_| ())
        })?;
        match code {
            Code::Kept(scripts) => Ok(Self(scripts)),
            Code::Compiled | Code::Cached(_) => Err(Cause::Internal("the code was not kept".into())),
        }
    }

    /// Its size, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|code| code.len() as u64).sum()
    }

    /// The code for one context.
    pub(super) fn code(&self) -> Code<'_> {
        Code::Cached(self.0.iter())
    }

    /// All scripts, each behind its length.
    fn joined(&self) -> Vec<u8> {
        let parts = self.0.iter().flat_map(|code| [(code.len() as u64).to_le_bytes().to_vec(), code.clone()]);
        parts.collect::<Vec<_>>().concat()
    }

    fn split(mut bytes: &[u8]) -> Option<Self> {
        let mut scripts = Vec::new();
        while let Some((len, rest)) = bytes.split_first_chunk() {
            let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
            let (code, rest) = rest.split_at_checked(len)?;
            scripts.push(code.to_vec());
            bytes = rest;
        }
        bytes.is_empty().then_some(Self(scripts))
    }
}

/// Where the code of the scripts of one context comes from.
pub(crate) enum Code<'a> {
    /// From the compiler.
    Compiled,
    /// The same, and it is kept for a [`CodeCache`].
    Kept(Vec<Vec<u8>>),
    /// From a [`CodeCache`].
    Cached(slice::Iter<'a, Vec<u8>>),
}

impl Code<'_> {
    /// A script that has not run yet.
    pub(super) fn script<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        name: &str,
        source: &str,
    ) -> Result<v8::Local<'s, v8::Script>, Failure> {
        let (mut source, options) = self.source(scope, (name, source), false)?;
        let script = v8::script_compiler::compile(scope, &mut source, options, NO_REASON);
        let script = script.ok_or(Failure::Thrown)?;
        check(name, &source)?;
        self.keep(name, || script.get_unbound_script(scope).create_code_cache())?;
        Ok(script)
    }

    /// A module that has not run yet.
    pub(super) fn module<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        name: &str,
        source: &str,
    ) -> Result<v8::Local<'s, v8::Module>, Failure> {
        let (mut source, options) = self.source(scope, (name, source), true)?;
        let module = v8::script_compiler::compile_module2(scope, &mut source, options, NO_REASON);
        let module = module.ok_or(Failure::Thrown)?;
        check(name, &source)?;
        self.keep(name, || module.get_unbound_module_script(scope).create_code_cache())?;
        Ok(module)
    }

    /// A source with its code, if there is one already.
    fn source(
        &mut self,
        scope: &mut v8::PinScope<'_, '_>,
        (name, source): (&str, &str),
        is_module: bool,
    ) -> Result<(v8::script_compiler::Source, v8::script_compiler::CompileOptions), Failure> {
        let (text, source) = (boot::text(scope, name)?, boot::text(scope, source)?);
        let origin =
            v8::ScriptOrigin::new(scope, text.into(), 0, 0, false, 0, None, false, false, is_module, None);
        let Self::Cached(scripts) = self else {
            let source = v8::script_compiler::Source::new(source, Some(&origin));
            return Ok((source, v8::script_compiler::CompileOptions::EagerCompile));
        };
        let code = scripts.next().ok_or_else(|| refused(name))?;
        let code = v8::CachedData::new(code);
        let source = v8::script_compiler::Source::new_with_cached_data(source, Some(&origin), code);
        Ok((source, v8::script_compiler::CompileOptions::ConsumeCodeCache))
    }

    fn keep(
        &mut self,
        name: &str,
        code: impl FnOnce() -> Option<v8::UniqueRef<v8::CachedData<'static>>>,
    ) -> Result<(), Failure> {
        if let Self::Kept(scripts) = self {
            let code = code().ok_or_else(|| Cause::Internal(format!("V8 gives no code of {name}")))?;
            scripts.push(code.to_vec());
        }
        Ok(())
    }
}

const NO_REASON: v8::script_compiler::NoCacheReason = v8::script_compiler::NoCacheReason::NoReason;

/// V8 compiles a script without a word if it refuses its code.
fn check(name: &str, source: &v8::script_compiler::Source) -> Result<(), Failure> {
    let is_refused = source.get_cached_data().is_some_and(v8::CachedData::rejected);
    if is_refused { Err(refused(name).into()) } else { Ok(()) }
}

fn refused(name: &str) -> Cause {
    Cause::Internal(format!("V8 refuses the cached code of {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_again_in_its_order() {
        for scripts in [vec![], vec![vec![]], vec![vec![1, 2, 3], vec![], vec![4]]] {
            let code = CodeCache(scripts);
            assert_eq!(CodeCache::split(&code.joined()), Some(code));
        }
        let joined = CodeCache(vec![vec![1, 2, 3]]).joined();
        for cut in 1..joined.len() {
            assert_eq!(CodeCache::split(&joined[..cut]), None, "{cut}");
        }
    }
}
