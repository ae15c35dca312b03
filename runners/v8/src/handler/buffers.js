// Resizable buffers come from no allocator, so the memory limit would not see them grow.
{
  const { construct } = Reflect;
  const { defineProperty } = Object;
  const Refusal = RangeError;
  // Without a prototype: a trap that a handler adds to `Object.prototype` would be given the original.
  const traps = {
    __proto__: null,
    construct(original, [length, options], newTarget) {
      if (options?.maxByteLength !== undefined) {
        throw new Refusal("Resizable buffers are not available");
      }
      return construct(original, [length], newTarget);
    },
  };
  const Limited = new Proxy(ArrayBuffer, traps);
  defineProperty(ArrayBuffer.prototype, "constructor", { __proto__: null, value: Limited });
  defineProperty(globalThis, "ArrayBuffer", { __proto__: null, value: Limited });
}
