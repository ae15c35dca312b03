// Serves one handler in a container: HTTP in, the handler's `Request` and `Response`, HTTP out.
//
// The environment says where requests come from: ISOLAB_SOCKET is the path of the host's Unix socket,
// to which the server connects; PORT is a TCP port, on which it listens. ISOLAB_CONNECTIONS is the number
// of requests that the host may send at the same time, each on a connection of its own. ISOLAB_ENV is a list of
// names: the environment variables that the handler is given. An error that is thrown outside of a request ends
// the process, as is Node's default.

import { createServer } from "node:http";
import { connect } from "node:net";

import { drained, flowing, joined, whole } from "./bodies.mjs";
import { fetchGranted } from "./fetch.mjs";

// Node 18 lacks these two of ES2024.
const LONE_SURROGATE = /\p{Surrogate}/u;
String.prototype.isWellFormed ??= function () { return !LONE_SURROGATE.test(this); };
String.prototype.toWellFormed ??= function () { return this.replace(/\p{Surrogate}/gu, "\ufffd"); };

/** Tells the executor why there is no response: `<cause>:<text>`, percent-encoded. */
const FAILURE = "x-isolab-failure";
const FAILURE_LENGTH = 1000;

/** A body up to this size goes out in one piece with its length, if it is made without a pause. */
const FLUSH_BYTES = 64 * 1024;

/** Headers that this server writes itself. */
const OWN_HEADERS = new Set(["connection", "content-length", "keep-alive", "transfer-encoding"]);

/** The environment variables that the function is granted. */
const granted = JSON.parse(process.env.ISOLAB_ENV ?? "[]");
const environment = Object.freeze(Object.fromEntries(granted.map((name) => [name, process.env[name]])));
const context = Object.freeze({
  waitUntil(_promise) {},
  passThroughOnException() {},
});

// On the bridge a container has a network, and Node's own `fetch`.
if (process.env.ISOLAB_SOCKET) globalThis.fetch = fetchGranted;

const { default: handler } = await import("./handler.js");
if (typeof handler?.fetch !== "function") {
  throw new TypeError("the module's default export has no function `fetch`");
}

// Node loads these classes when they are first used, which takes longer than all the rest of
// its start: an instance that listens can answer, so they belong before that.
await new Response(new Request("http://localhost/", { method: "POST", body: "" }).body).text();

/** Connections to the host: how many there are, may be, and have a request. */
const connections = { open: 0, busy: 0, most: Number(process.env.ISOLAB_CONNECTIONS ?? 1) };

const server = createServer(
  // The lab bounds time and connections; a kept connection stays.
  { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
  (incoming, outgoing) => void answer(incoming, outgoing),
);
server.on("error", (error) => { throw error; });
if (process.env.ISOLAB_SOCKET) serveHost(process.env.ISOLAB_SOCKET);
else server.listen(Number(process.env.PORT));

/**
 * Connects to the host whenever every connection has a request, up to the number that may be. Where the
 * host no longer listens, nobody can ask: the error of the connection has no handler, and so ends the
 * process.
 */
function serveHost(path) {
  if (connections.open > connections.busy || connections.open === connections.most) return;
  connections.open++;
  const socket = connect({ path, allowHalfOpen: true });
  socket.once("connect", () => server.emit("connection", socket));
  socket.once("close", () => {
    connections.open--;
    serveHost(path);
  });
}

/** Counts a request until its response is out or its connection is gone. */
function countBusy(outgoing, path) {
  connections.busy++;
  outgoing.once("close", () => {
    connections.busy--;
    serveHost(path);
  });
  serveHost(path);
}

async function answer(incoming, outgoing) {
  if (process.env.ISOLAB_SOCKET) countBusy(outgoing, process.env.ISOLAB_SOCKET);
  outgoing.sendDate = false;
  let response;
  try {
    response = await handler.fetch(await requestFrom(incoming), environment, context);
  } catch (thrown) {
    return fail(outgoing, "threw", describe(thrown));
  }
  if (!(response instanceof Response)) {
    return fail(outgoing, "invalid-response", "the handler returned no Response");
  }
  try {
    await send(response, outgoing);
  } catch (thrown) {
    fail(outgoing, "threw", describe(thrown));
  }
}

async function requestFrom(incoming) {
  const { method } = incoming;
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
  }
  let body = null;
  // Of the others `Request` takes no body.
  if (method !== "GET" && method !== "HEAD") {
    body = incoming.headers["transfer-encoding"] === undefined ? await whole(incoming) : flowing(incoming);
  }
  return new Request(`http://localhost${incoming.url}`, { method, headers, body, duplex: "half" });
}

/**
 * Sends a response. Its pieces go out together as long as the handler does not pause, and a small one goes
 * out in one write with its length. On a pause everything so far goes out, at least the head.
 */
async function send(response, outgoing) {
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (!OWN_HEADERS.has(name)) outgoing.appendHeader(name, value);
  }
  if (response.body === null) return outgoing.end();
  const reader = response.body.getReader();
  let [chunks, size] = [[], 0];
  const flush = () => {
    if (size > 0) outgoing.write(joined(chunks));
    else if (!outgoing.headersSent) outgoing.flushHeaders();
    [chunks, size] = [[], 0];
  };
  // The handler hears that nobody listens any more.
  const cancel = () => reader.cancel().catch(() => {});
  let pause, listening;
  const paused = () => {
    pause = undefined;
    if (outgoing.destroyed) return cancel();
    flush();
    listening ??= outgoing.once("close", cancel);
  };
  try {
    for (;;) {
      pause ??= setImmediate(paused);
      const { done, value } = await reader.read();
      if (outgoing.destroyed) return void cancel();
      if (done) break;
      if (!(value instanceof Uint8Array)) throw new TypeError("a piece of the body is not a Uint8Array");
      chunks.push(value);
      size += value.length;
      if (size > FLUSH_BYTES) flush();
      if (outgoing.writableNeedDrain) await drained(outgoing);
    }
  } finally {
    clearImmediate(pause);
  }
  outgoing.end(joined(chunks));
}

/** Where the head is out already, only a broken connection can tell. */
function fail(outgoing, cause, text) {
  if (outgoing.headersSent) return outgoing.destroy();
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
  const shown = encodeURIComponent(text.slice(0, FAILURE_LENGTH).toWellFormed());
  outgoing.writeHead(500, { [FAILURE]: `${cause}:${shown}` }).end();
}

function describe(thrown) {
  try {
    return thrown instanceof Error ? `${thrown.stack ?? thrown}` : `${String(thrown)} was thrown, which is not an Error`;
  } catch {
    return "something was thrown that cannot be shown";
  }
}
