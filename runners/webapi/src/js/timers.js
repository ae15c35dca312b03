"use strict";
// Timers and microtasks: https://html.spec.whatwg.org/multipage/timers-and-user-prompts.html
((internal) => {
  const { describeThrown, host, need } = internal;
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const resolved = Promise.resolve();

  const functionFrom = (operation, callback, given) => {
    need(given, 1, operation);
    if (typeof callback !== "function") throw new TypeError(`${operation} needs a function`);
    return callback;
  };

  // Web IDL's `long`, which wraps around. A negative delay counts as 0.
  const delayFrom = (value) => Math.max(0, value | 0);

  const bound = (callback, values) =>
    values.length === 0 ? callback : () => apply(callback, globalThis, values);

  const functions = {
    queueMicrotask(callback) {
      functionFrom("queueMicrotask", callback, arguments);
      apply(then, resolved, [() => {
        try {
          callback();
        } catch (error) {
          host.fail(describeThrown(error));
        }
      }]);
    },
  };

  // An engine without timers has no such functions, so that a handler can tell.
  const timers = {
    setTimeout(callback, delay = 0, ...values) {
      const task = bound(functionFrom("setTimeout", callback, arguments), values);
      return host.setTimer(task, delayFrom(delay), false);
    },
    setInterval(callback, delay = 0, ...values) {
      const task = bound(functionFrom("setInterval", callback, arguments), values);
      return host.setTimer(task, delayFrom(delay), true);
    },
    clearTimeout(id = 0) {
      host.clearTimer(id | 0);
    },
    clearInterval(id = 0) {
      host.clearTimer(id | 0);
    },
  };

  if (host.setTimer !== undefined) Object.assign(functions, timers);
  for (const [name, value] of Object.entries(functions)) {
    Object.defineProperty(globalThis, name, { configurable: true, enumerable: true, writable: true, value });
  }
})(globalThis.__isolab);
