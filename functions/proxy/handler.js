// Passes a request on to the host `origin`, and its answer back, while both flow.
//
// `GET ?ms=10&bytes=64` asks `/delay/10?bytes=64`; the defaults are 10 and 64. A body goes to `/echo`.

const MOST_MS = 10_000;
const MOST_BYTES = 1_048_576;

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const ms = numberFrom(searchParams.get("ms") ?? "10", MOST_MS);
    const bytes = numberFrom(searchParams.get("bytes") ?? "64", MOST_BYTES);
    if (ms === undefined) return text(400, `ms must be a whole number from 0 to ${MOST_MS}`);
    if (bytes === undefined) return text(400, `bytes must be a whole number from 0 to ${MOST_BYTES}`);
    const answer = await ask(request, ms, bytes);
    return new Response(answer.body, { status: answer.status, headers: { "content-type": "text/plain; charset=utf-8" } });
  },
};

function ask({ method, body }, ms, bytes) {
  if (body === null) return fetch(`http://origin/delay/${ms}?bytes=${bytes}`);
  return fetch("http://origin/echo", { method, body, duplex: "half" });
}

/** A whole number in decimal digits, undefined if it is something else or too large. */
function numberFrom(digits, most) {
  const number = /^(0|[1-9][0-9]{0,6})$/.test(digits) ? Number(digits) : Infinity;
  return number <= most ? number : undefined;
}

function text(status, body) {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
