"use strict";
// Formats values for the console and for reports of exceptions. The standard leaves the form to
// each implementation.
((internal) => {
  const MOST_DEPTH = 3;
  const MOST_ITEMS = 100;
  const NAME = /^[A-Za-z_$][\w$]*$/;

  /** `value` as text, with quoted strings. Never calls getters, so they cannot make it throw. */
  internal.inspect = (value) => show(value, []);

  /** A thrown value as text for the host's error: `Name: message` and the stack. */
  internal.describeThrown = (thrown) => {
    try {
      return thrown instanceof Error
        ? internal.describeError(thrown)
        : `${internal.inspect(thrown)} was thrown, which is not an Error`;
    } catch {
      return "something was thrown that cannot be shown";
    }
  };

  function show(value, around) {
    switch (typeof value) {
      case "string":
        return JSON.stringify(value);
      case "bigint":
        return `${value}n`;
      case "function":
        return `[${isClass(value) ? "class" : "function"} ${value.name || "(anonymous)"}]`;
      case "object":
        return value === null ? "null" : showObject(value, around);
      default:
        return Object.is(value, -0) ? "-0" : String(value);
    }
  }

  function isClass(value) {
    return Function.prototype.toString.call(value).startsWith("class");
  }

  function showObject(object, around) {
    if (around.includes(object)) return "[circular]";
    if (object instanceof Error) return internal.describeError(object);
    if (object instanceof Date) return Number.isNaN(object.getTime()) ? "Invalid Date" : object.toISOString();
    if (object instanceof RegExp) return String(object);
    const name = nameOf(object);
    if (around.length >= MOST_DEPTH) return `[${name || "Object"}]`;
    const inside = [...around, object];
    if (Array.isArray(object)) return bracket("", "[", itemsOf(object, inside), "]");
    if (object instanceof Map) return bracket(`Map(${object.size})`, "{", entriesOf(object, inside), "}");
    if (object instanceof Set) return bracket(`Set(${object.size})`, "{", itemsOf(object, inside), "}");
    if (ArrayBuffer.isView(object) && !(object instanceof DataView)) {
      return bracket(`${name}(${object.length})`, "[", itemsOf(object, inside), "]");
    }
    return bracket(name === "Object" ? "" : name, "{", propertiesOf(object, inside), "}");
  }

  function nameOf(object) {
    const prototype = Object.getPrototypeOf(object);
    if (prototype === null) return "[null prototype]";
    const constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
    return typeof constructor === "function" ? constructor.name : "";
  }

  function bracket(name, open, parts, close) {
    const prefix = name === "" ? "" : `${name} `;
    return parts.length === 0 ? `${prefix}${open}${close}` : `${prefix}${open} ${parts.join(", ")} ${close}`;
  }

  function limited(values, showOne) {
    const parts = [];
    for (const value of values) {
      if (parts.length === MOST_ITEMS) return [...parts, "…"];
      parts.push(showOne(value));
    }
    return parts;
  }

  const itemsOf = (items, around) => limited(items, (item) => show(item, around));

  const entriesOf = (map, around) =>
    limited(map, ([key, value]) => `${show(key, around)} => ${show(value, around)}`);

  function propertiesOf(object, around) {
    const keys = Reflect.ownKeys(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key));
    return limited(keys, (key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(object, key);
      const shown = get || set ? `[${[get && "getter", set && "setter"].filter(Boolean).join("/")}]` : show(value, around);
      const name = typeof key === "symbol" ? `[${String(key)}]` : NAME.test(key) ? key : JSON.stringify(key);
      return `${name}: ${shown}`;
    });
  }

  /** `Name: message` and the stack, in the same form from every engine. */
  internal.describeError = (error) => {
    const title = error.message === "" ? `${error.name}` : `${error.name}: ${error.message}`;
    const { stack } = error;
    if (typeof stack !== "string" || stack.trim() === "") return title;
    // V8's stack begins with the title, that of QuickJS does not.
    return stack.startsWith(title) ? stack.trimEnd() : `${title}\n${stack.trimEnd()}`;
  };
})(globalThis.__isolab);
