"use strict";
// Shared by the other scripts: the conversions of Web IDL, and helpers. `dispatch.js`, the last
// script, removes all of it from the global.
Object.defineProperty(globalThis, "__isolab", {
  configurable: true,
  writable: true,
  value: { host: globalThis.__host },
});

((internal) => {
  // QuickJS has these interfaces of the web, V8 does not. A handler that uses them would run in
  // one engine only.
  for (const name of ["DOMException", "atob", "btoa", "performance"]) delete globalThis[name];

  const IteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

  /** A DOMString whose lone surrogates have become U+FFFD. */
  internal.usvString = (value) => `${value}`.toWellFormed();

  internal.isObject = (value) =>
    (typeof value === "object" && value !== null) || typeof value === "function";

  /** The bytes behind a BufferSource, not copied; undefined for any other value. */
  internal.bytesOf = (value) => {
    if (value instanceof Uint8Array) return value;
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return undefined;
  };

  /** Throws the error of Web IDL if a call lacks required arguments. */
  internal.need = (given, count, operation) => {
    if (given.length < count) {
      throw new TypeError(`${operation} needs ${count} argument${count === 1 ? "" : "s"}, not ${given.length}`);
    }
  };

  /** The two items of a pair in a sequence of pairs. */
  internal.pairOf = (value, what) => {
    const items = internal.isObject(value) ? [...value] : [];
    if (items.length !== 2) throw new TypeError(`${what}: every item of a list must be a pair`);
    return items;
  };

  /** Puts a class on the global the way Web IDL does. */
  internal.expose = (Class) => {
    const properties = Object.getOwnPropertyDescriptors(Class.prototype);
    for (const [name, property] of Object.entries(properties)) {
      if (name !== "constructor") Object.defineProperty(Class.prototype, name, { ...property, enumerable: true });
    }
    Object.defineProperty(Class.prototype, Symbol.toStringTag, { configurable: true, value: Class.name });
    Object.defineProperty(globalThis, Class.name, { configurable: true, writable: true, value: Class });
  };

  /**
   * Makes a class iterable over pairs. `entryAt(target, index)` returns the pair at an index, or
   * undefined after the last one. As in the standard, an iteration sees changes made during it.
   */
  internal.makeIterable = (Class, entryAt) => {
    const iterator = iteratorOver(Class, entryAt);
    const methods = {
      keys() {
        return iterator(this, ([name]) => name);
      },
      values() {
        return iterator(this, ([, value]) => value);
      },
      entries() {
        return iterator(this, (entry) => entry);
      },
      forEach(callback, thisArgument = undefined) {
        if (typeof callback !== "function") throw new TypeError(`${Class.name}.forEach needs a function`);
        let entry;
        for (let index = 0; (entry = entryAt(this, index)) !== undefined; index++) {
          callback.call(thisArgument, entry[1], entry[0], this);
        }
      },
    };
    for (const [name, value] of Object.entries(methods)) {
      Object.defineProperty(Class.prototype, name, { configurable: true, writable: true, value });
    }
    Object.defineProperty(Class.prototype, Symbol.iterator, {
      configurable: true,
      writable: true,
      value: methods.entries,
    });
  };

  function iteratorOver(Class, entryAt) {
    class PairIterator {
      #target;
      #pick;
      #index = 0;

      constructor(target, pick) {
        this.#target = target;
        this.#pick = pick;
      }

      next() {
        const entry = entryAt(this.#target, this.#index);
        if (entry === undefined) return { value: undefined, done: true };
        this.#index += 1;
        return { value: this.#pick(entry), done: false };
      }
    }
    delete PairIterator.prototype.constructor;
    Object.setPrototypeOf(PairIterator.prototype, IteratorPrototype);
    Object.defineProperty(PairIterator.prototype, Symbol.toStringTag, {
      configurable: true,
      value: `${Class.name} Iterator`,
    });
    return (target, pick) => {
      entryAt(target, 0); // Refuses a `this` of another class before an iterator exists.
      return new PairIterator(target, pick);
    };
  }
})(globalThis.__isolab);
