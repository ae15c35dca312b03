"use strict";
// console: https://console.spec.whatwg.org/; the host writes finished lines.
((internal) => {
  const { host, inspect } = internal;

  const counts = new Map();
  const timers = new Map();
  let indent = "";

  function print(level, values) {
    const text = format(values);
    host.log(level, indent === "" ? text : text.replace(/^/gm, indent));
  }

  const plain = (value) => (typeof value === "string" ? value : inspect(value));

  /** https://console.spec.whatwg.org/#formatter */
  function format(values) {
    const [first, ...rest] = values;
    if (typeof first !== "string" || rest.length === 0) return values.map(plain).join(" ");
    const text = first.replace(/%([sdifoOc%])/g, (directive, letter) => {
      if (letter === "%") return "%";
      return rest.length === 0 ? directive : substitute(letter, rest.shift());
    });
    return [text, ...rest.map(plain)].join(" ");
  }

  function substitute(letter, value) {
    switch (letter) {
      case "s":
        return plain(value);
      case "d":
      case "i":
        return typeof value === "symbol" ? "NaN" : String(Number.parseInt(value, 10));
      case "f":
        return typeof value === "symbol" ? "NaN" : String(Number.parseFloat(value));
      case "c":
        return ""; // A style, which a line of text cannot show.
      default:
        return inspect(value);
    }
  }

  const elapsed = (label) => `${label}: ${Date.now() - timers.get(label)} ms`;

  const console = {
    assert(condition = false, ...values) {
      if (condition) return;
      const [first, ...rest] = values;
      print("error", typeof first === "string" ? [`Assertion failed: ${first}`, ...rest] : ["Assertion failed", ...values]);
    },
    count(label = "default") {
      const count = (counts.get(`${label}`) ?? 0) + 1;
      counts.set(`${label}`, count);
      print("info", [`${label}: ${count}`]);
    },
    countReset(label = "default") {
      counts.delete(`${label}`);
    },
    dir(value) {
      print("log", [inspect(value)]);
    },
    group(...values) {
      if (values.length > 0) print("log", values);
      indent += "  ";
    },
    groupEnd() {
      indent = indent.slice(2);
    },
    time(label = "default") {
      timers.set(`${label}`, Date.now());
    },
    timeLog(label = "default", ...values) {
      if (timers.has(`${label}`)) print("log", [elapsed(`${label}`), ...values]);
    },
    timeEnd(label = "default") {
      if (timers.has(`${label}`)) print("info", [elapsed(`${label}`)]);
      timers.delete(`${label}`);
    },
    trace(...values) {
      const stack = new Error().stack.split("\n").filter((line) => /^\s*at /.test(line));
      const title = values.length === 0 ? "Trace" : `Trace: ${format(values)}`;
      print("debug", [[title, ...stack.slice(1)].join("\n")]);
    },
  };
  for (const level of ["debug", "error", "info", "log", "warn"]) {
    console[level] = { [level]: (...values) => print(level, values) }[level];
  }

  Object.defineProperty(console, Symbol.toStringTag, { configurable: true, value: "console" });
  Object.defineProperty(globalThis, "console", { configurable: true, writable: true, value: console });
})(globalThis.__isolab);
