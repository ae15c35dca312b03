// `fetch` of a handler in workerd. Its service for outbound requests is a socket of the host, which takes requests
// as a proxy does, and sends them to granted hosts.

import { env } from "cloudflare:workers";

import { refuseHost } from "./answer.mjs";

/** Tells why there is no answer, percent-encoded. */
const FAILURE = "x-isolab-outbound";

const send = globalThis.fetch;
globalThis.fetch = env.ISOLAB_OUTBOUND ? fetchGranted : refuseHost;

async function fetchGranted(input, init) {
  const answer = await send(new Request(input, init), { redirect: "manual" });
  const failure = answer.headers.get(FAILURE);
  if (failure !== null) throw new TypeError(decodeURIComponent(failure));
  return answer;
}
