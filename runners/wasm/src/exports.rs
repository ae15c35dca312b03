//! Exports that are found and checked when a module is linked, so that starting an instance
//! compares neither names nor types.

use std::marker::PhantomData;

use isolab_core::Cause;
use wasmtime::{AsContextMut, Extern, Func, Instance, Memory, Module, ModuleExport, Val, ValRaw};

/// Parameters or results: at most one, a 32-bit integer.
pub(crate) trait Integers {
    const COUNT: usize;

    fn into_raw(self) -> ValRaw;

    fn of_raw(raw: ValRaw) -> Self;
}

impl Integers for () {
    const COUNT: usize = 0;

    fn into_raw(self) -> ValRaw {
        ValRaw::u32(0)
    }

    fn of_raw(_: ValRaw) -> Self {}
}

impl Integers for u32 {
    const COUNT: usize = 1;

    fn into_raw(self) -> ValRaw {
        ValRaw::u32(self)
    }

    fn of_raw(raw: ValRaw) -> Self {
        raw.get_u32()
    }
}

/// An exported function from `P` to `R`.
pub(crate) struct FunctionExport<P, R> {
    export: ModuleExport,
    form: PhantomData<fn(P) -> R>,
}

impl<P: Integers, R: Integers> FunctionExport<P, R> {
    /// `None` if the module has no function of that name and type.
    pub(crate) fn of(module: &Module, name: &str) -> Option<Self> {
        let kind = module.get_export(name)?;
        let kind = kind.func()?;
        let integers = kind.params().chain(kind.results()).all(|value| value.is_i32());
        let fits = integers && kind.params().len() == P::COUNT && kind.results().len() == R::COUNT;
        let export = fits.then(|| module.get_export_index(name)).flatten()?;
        Some(Self { export, form: PhantomData })
    }

    /// The function in an instance of that module, whose calls may be suspended or not.
    pub(crate) fn find(
        &self,
        store: impl AsContextMut,
        instance: Instance,
        is_suspendable: bool,
    ) -> Result<Function<P, R>, Cause> {
        // An instance of another module has no such export.
        let found = instance.get_module_export(store, &self.export).and_then(Extern::into_func);
        let function = found.ok_or_else(other_module)?;
        Ok(Function { inner: function, is_suspendable, form: PhantomData })
    }
}

/// A function from `P` to `R` in an instance. Wasmtime's `TypedFunc` would look up its type in
/// the engine, under a lock, for each instance.
pub(crate) struct Function<P, R> {
    inner: Func,
    is_suspendable: bool,
    form: PhantomData<fn(P) -> R>,
}

impl<P: Integers, R: Integers> Function<P, R> {
    /// Calls it. A call that is not suspendable ends at the first poll.
    ///
    /// # Errors
    /// If it traps.
    ///
    /// # Panics
    /// If it lives in another store.
    pub(crate) async fn call(
        &self,
        store: impl AsContextMut<Data: Send>,
        parameters: P,
    ) -> wasmtime::Result<R> {
        if self.is_suspendable {
            // In a box of its own, so that the straight way has a small future.
            return Box::pin(self.call_suspendable(store, parameters)).await;
        }
        let mut values = [parameters.into_raw()];
        // SAFETY: `FunctionExport::of` compared the type, and there is room for one parameter
        // and, in its place, for one result.
        unsafe { self.inner.call_unchecked(store, &raw mut values)? };
        let [result] = values;
        Ok(R::of_raw(result))
    }

    /// Calls it on a stack of its own, which is suspended while the guest waits.
    async fn call_suspendable(
        &self,
        store: impl AsContextMut<Data: Send>,
        parameters: P,
    ) -> wasmtime::Result<R> {
        let parameters = [Val::I32(parameters.into_raw().get_i32())];
        let mut results = [Val::I32(0)];
        self.inner.call_async(store, &parameters[..P::COUNT], &mut results[..R::COUNT]).await?;
        Ok(R::of_raw(ValRaw::i32(results[0].unwrap_i32())))
    }
}

/// The exported memory, through which host and guest exchange requests and responses.
pub(crate) struct MemoryExport(ModuleExport);

impl MemoryExport {
    /// # Errors
    /// If the module exports no 32-bit `memory`.
    pub(crate) fn of(module: &Module) -> Result<Self, Cause> {
        let found = module
            .get_export("memory")
            .filter(|kind| kind.memory().is_some_and(|memory| !memory.is_64() && !memory.is_shared()));
        let export = found.and_then(|_| module.get_export_index("memory"));
        export.map(Self).ok_or_else(|| Cause::Artifact("the module exports no 32-bit `memory`".into()))
    }

    /// The memory of an instance of that module.
    pub(crate) fn find(&self, store: impl AsContextMut, instance: Instance) -> Result<Memory, Cause> {
        let found = instance.get_module_export(store, &self.0).and_then(Extern::into_memory);
        found.ok_or_else(other_module)
    }
}

fn other_module() -> Cause {
    Cause::Internal("an export was looked up in an instance of another module".into())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use wasmtime::{Engine, Store};

    use super::*;

    const MODULE: &str = r#"(module
        (memory (export "memory") 1)
        (func (export "one") (param i32) (result i32) local.get 0)
        (func (export "wide") (param i64) (result i32) i32.const 0)
        (func (export "none")))"#;

    #[test]
    fn a_function_is_found_only_by_its_own_type() {
        let module = Module::new(&Engine::default(), MODULE).unwrap();
        assert!(FunctionExport::<u32, u32>::of(&module, "one").is_some());
        assert!(FunctionExport::<(), ()>::of(&module, "none").is_some());
        assert!(FunctionExport::<(), u32>::of(&module, "one").is_none());
        assert!(FunctionExport::<u32, ()>::of(&module, "one").is_none());
        assert!(FunctionExport::<u32, u32>::of(&module, "wide").is_none());
        assert!(FunctionExport::<u32, u32>::of(&module, "memory").is_none());
        assert!(FunctionExport::<(), ()>::of(&module, "nowhere").is_none());
    }

    #[test]
    fn nothing_is_found_in_an_instance_of_another_module() {
        let engine = Engine::default();
        let module = Module::new(&engine, MODULE).unwrap();
        // The same places hold functions of other types.
        let other = r#"(module (memory (export "a") 1) (func (export "one") (result i64) i64.const 1))"#;
        let mut store = Store::new(&engine, ());
        let own = Instance::new(&mut store, &module, &[]).unwrap();
        let other = Instance::new(&mut store, &Module::new(&engine, other).unwrap(), &[]).unwrap();

        let one = FunctionExport::<u32, u32>::of(&module, "one").unwrap();
        let found = one.find(&mut store, own, false).unwrap();
        assert_eq!(found.call(&mut store, 7).now_or_never().unwrap().unwrap(), 7);
        let none = FunctionExport::<(), ()>::of(&module, "none").unwrap();
        let found = none.find(&mut store, own, false).unwrap();
        found.call(&mut store, ()).now_or_never().unwrap().unwrap();
        assert!(one.find(&mut store, other, false).is_err());
        let memory = MemoryExport::of(&module).unwrap();
        assert!(memory.find(&mut store, own).is_ok());
        assert!(memory.find(&mut store, other).is_err());
    }
}
