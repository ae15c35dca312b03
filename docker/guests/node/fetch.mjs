// `fetch` for a function in a container without a network: plain HTTP, to granted hosts.
//
// ISOLAB_OUTBOUND is the path of a socket of the host. The host takes requests with whole URLs, as a proxy
// does, and checks them. Without it the function is granted no host.

import { Agent, request as open } from "node:http";

import { drained, flowing } from "./bodies.mjs";

/** Tells why there is no answer, percent-encoded. */
const FAILURE = "x-isolab-outbound";

/** The host takes as many connections from one container. */
const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/**
 * Bytes of an answer that are read before the function asks for them. A small answer that nobody reads yet
 * holds no connection.
 */
const READ_AHEAD_BYTES = 64 * 1024;

/** Headers of a connection, which are not the function's to set. */
const OF_CONNECTION = new Set([
  "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
  "transfer-encoding", "upgrade",
]);

/** Statuses of answers without a body, as the class `Response` has them. */
const BODILESS = new Set([204, 205, 304]);

export async function fetchGranted(input, init) {
  const request = new Request(input, init);
  const url = new URL(request.url);
  url.hash = "";
  request.signal.throwIfAborted();
  if (!process.env.ISOLAB_OUTBOUND) {
    const host = `${url.hostname}:${url.port || 80}`;
    throw new TypeError(`the function is not granted the host \`${host}\`: name it under \`grants.hosts\` in function.toml`);
  }
  const source = init?.body ?? (input instanceof Request ? input.body : null);
  const isFlowing = source instanceof ReadableStream;
  const body = request.body === null || isFlowing ? request.body : Buffer.from(await request.arrayBuffer());
  return exchange(request, url, body, isFlowing);
}

function exchange(request, url, body, isFlowing) {
  return new Promise((resolve, reject) => {
    const outgoing = open({
      agent,
      socketPath: process.env.ISOLAB_OUTBOUND,
      method: request.method,
      path: url.href,
      headers: Object.fromEntries([...request.headers].filter(([name]) => !OF_CONNECTION.has(name))),
      signal: request.signal,
    });
    outgoing.on("error", (error) => {
      reject(request.signal.aborted ? request.signal.reason : new TypeError(error.message, { cause: error }));
    });
    outgoing.once("response", (incoming) => {
      try {
        resolve(responseFrom(incoming, request.method));
      } catch (error) {
        incoming.destroy();
        reject(error);
      }
    });
    if (isFlowing) pour(body, outgoing).catch((error) => outgoing.destroy(error));
    else if (body === null) outgoing.end();
    else outgoing.end(body);
  });
}

function responseFrom(incoming, method) {
  const failure = incoming.headers[FAILURE];
  if (failure !== undefined) throw new TypeError(decodeURIComponent(failure));
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    const name = incoming.rawHeaders[i];
    const isBodys = name.toLowerCase() === "content-length";
    if (isBodys || !OF_CONNECTION.has(name.toLowerCase())) headers.append(name, incoming.rawHeaders[i + 1]);
  }
  const { statusCode: status, statusMessage: statusText } = incoming;
  const isEmpty = method === "HEAD" || BODILESS.has(status);
  if (isEmpty) incoming.resume();
  const body = isEmpty ? null : flowing(incoming, READ_AHEAD_BYTES, () => void incoming.destroy());
  return new Response(body, { status, statusText, headers });
}

async function pour(body, outgoing) {
  for await (const piece of body) {
    if (!outgoing.write(piece)) await drained(outgoing);
    if (outgoing.destroyed) return;
  }
  outgoing.end();
}
