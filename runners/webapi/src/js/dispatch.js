"use strict";
// The host calls handlers through these functions. They stay reachable, as `__isolab`;
// everything else that the scripts share does not.
((internal) => {
  const { describeError, flatten, inspect, isObject, requestFrom } = internal;

  const environment = Object.freeze({});
  const context = Object.freeze({
    // Nothing to do: jobs run before the answer leaves, and the pool decides how long an instance lives.
    waitUntil(_promise) {},
    passThroughOnException() {},
  });

  const entrance = {
    /**
     * Answers `[status, [name, value, …], body]`, or a promise of it.
     *
     * `headers` is a flat array of names in lower case and values, `body` a
     * Uint8Array that is the handler's own from now on, or null.
     */
    dispatch(handler, method, url, headers, body) {
      if (!isObject(handler) || typeof handler.fetch !== "function") {
        throw new TypeError("the module's default export has no function `fetch`");
      }
      const answer = handler.fetch(requestFrom(method, url, headers, body), environment, context);
      if (answer instanceof Promise) return answer.then(flatten);
      return typeof answer?.then === "function" ? Promise.resolve(answer).then(flatten) : flatten(answer);
    },

    /** A thrown value as text for the host's error: `Name: message` and the stack. */
    describe(thrown) {
      try {
        return thrown instanceof Error ? describeError(thrown) : `${inspect(thrown)} was thrown, which is not an Error`;
      } catch {
        return "something was thrown that cannot be shown";
      }
    },
  };

  delete globalThis.__host;
  Object.defineProperty(globalThis, "__isolab", {
    configurable: true,
    writable: false,
    enumerable: false,
    value: Object.freeze(entrance),
  });
})(globalThis.__isolab);
