// The main module of `deno serve`. DENO_SERVE_ADDRESS is the Unix socket at which it listens.

import { answer, granted, handlerOf, refuseHost } from "./answer.mjs";

const LOCAL = "http://localhost";

showLocalUrls(Request.prototype);
// Deno's own keeps the mark of UTF-8 at the beginning of a body, against the standard, and then fails.
Request.prototype.json = async function json() {
  return JSON.parse(await this.text());
};
// The module loads Node's HTTP client, which takes milliseconds.
globalThis.fetch = Deno.env.get("ISOLAB_OUTBOUND") ? (await import("./fetch.mjs")).fetchGranted : refuseHost;

const environment = granted(Deno.env.get("ISOLAB_GRANTED"));
const context = Object.freeze({
  waitUntil(_promise) {},
  passThroughOnException() {},
});
const handler = handlerOf(await import("./handler.js"));

export default {
  fetch: (request) => answer(handler, request, environment, context),
};

/** Requests from a Unix socket have its path in place of a host. Handlers see the same URL on every executor. */
function showLocalUrls(prototype) {
  const { get, ...rest } = Object.getOwnPropertyDescriptor(prototype, "url");
  const scheme = "http+unix://";
  Object.defineProperty(prototype, "url", {
    ...rest,
    get() {
      const url = get.call(this);
      return url.startsWith(scheme) ? LOCAL + url.slice(url.indexOf("/", scheme.length)) : url;
    },
  });
}
