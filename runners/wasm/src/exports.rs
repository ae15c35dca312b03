//! Exports that were found and checked when a module was linked, so that starting an
//! instance compares neither names nor types.

use std::marker::PhantomData;

use isolab_core::Cause;
use wasmtime::{
    AsContextMut, Extern, Instance, Memory, Module, ModuleExport, TypedFunc, WasmParams, WasmResults,
};

/// Parameters or results that are 32-bit integers.
pub(crate) trait Integers {
    const COUNT: usize;
}

impl Integers for () {
    const COUNT: usize = 0;
}

impl Integers for u32 {
    const COUNT: usize = 1;
}

/// An exported function from `P` to `R`.
pub(crate) struct FunctionExport<P, R> {
    export: ModuleExport,
    form: PhantomData<fn(P) -> R>,
}

impl<P, R> FunctionExport<P, R>
where
    P: Integers + WasmParams,
    R: Integers + WasmResults,
{
    /// `None` if the module has no function of that name and type.
    pub(crate) fn of(module: &Module, name: &str) -> Option<Self> {
        let kind = module.get_export(name)?;
        let kind = kind.func()?;
        let integers = kind.params().chain(kind.results()).all(|value| value.is_i32());
        let fits = integers && kind.params().len() == P::COUNT && kind.results().len() == R::COUNT;
        let export = fits.then(|| module.get_export_index(name)).flatten()?;
        Some(Self { export, form: PhantomData })
    }

    /// The function in an instance of that module.
    pub(crate) fn find(
        &self,
        mut store: impl AsContextMut,
        instance: Instance,
    ) -> Result<TypedFunc<P, R>, Cause> {
        let found = instance.get_module_export(&mut store, &self.export).and_then(Extern::into_func);
        // SAFETY: `of` compared the type. In an instance of another module nothing is found.
        found.map(|function| unsafe { TypedFunc::new_unchecked(&store, function) }).ok_or_else(other_module)
    }
}

/// The exported memory, through which host and guest speak.
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
    use wasmtime::{Engine, Store};

    use super::*;

    const MODULE: &str = r#"(module
        (memory (export "memory") 1)
        (func (export "one") (param i32) (result i32) local.get 0)
        (func (export "wide") (param i64) (result i32) i32.const 0)
        (func (export "none")))"#;

    #[test]
    fn a_function_is_found_under_its_own_type_only() {
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
        assert_eq!(one.find(&mut store, own).unwrap().call(&mut store, 7).unwrap(), 7);
        assert!(one.find(&mut store, other).is_err());
        let memory = MemoryExport::of(&module).unwrap();
        assert!(memory.find(&mut store, own).is_ok());
        assert!(memory.find(&mut store, other).is_err());
    }
}
