"use strict";
// The host calls handlers through these functions. They stay reachable, as `__isolab`;
// everything else that the scripts share does not.
((internal) => {
  const { describeThrown, flatten, isObject, requestFrom } = internal;

  const environment = Object.freeze({});
  const context = Object.freeze({
    // Nothing to do: jobs run before the answer leaves, and a request's timers end with its answer.
    waitUntil(_promise) {},
    passThroughOnException() {},
  });

  const entrance = {
    /**
     * Answers `[status, [name, value, …], body]`, or a promise of it.
     *
     * `headers` is a flat array of names in lower case and values, `body` a
     * Uint8Array that is the handler's own from now on, or null. `env` may be left out.
     * `number` is the host's number of the pieces that follow the body, if there are any. If the
     * answer's body is a stream, it is a function that answers a promise: the host calls it and
     * gets the pieces until the promise has settled.
     */
    dispatch(handler, method, url, headers, body, env = environment, number = undefined) {
      if (!isObject(handler) || typeof handler.fetch !== "function") {
        throw new TypeError("the module's default export has no function `fetch`");
      }
      if (number !== undefined) body = internal.flows.fromHost(number, body);
      const answer = handler.fetch(requestFrom(method, url, headers, body), env, context);
      if (answer instanceof Promise) return answer.then(flatten);
      return typeof answer?.then === "function" ? Promise.resolve(answer).then(flatten) : flatten(answer);
    },

    describe: describeThrown,
  };

  delete globalThis.__host;
  Object.defineProperty(globalThis, "__isolab", {
    configurable: true,
    writable: false,
    enumerable: false,
    value: Object.freeze(entrance),
  });
})(globalThis.__isolab);
