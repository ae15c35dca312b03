// Sends `count` requests to the host `origin` at once, and merges the answers in order.
//
// Request number I asks `/delay/MS?bytes=I`. The answer is JSON: the lengths of all answers and their
// sum. The defaults are `?count=10&ms=10`.

const MOST_COUNT = 100;
const MOST_MS = 10_000;

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const count = numberFrom(searchParams.get("count") ?? "10", MOST_COUNT);
    const ms = numberFrom(searchParams.get("ms") ?? "10", MOST_MS);
    if (count === undefined) return text(400, `count must be a whole number from 0 to ${MOST_COUNT}`);
    if (ms === undefined) return text(400, `ms must be a whole number from 0 to ${MOST_MS}`);
    const lengths = await Promise.all(Array.from({ length: count }, (_, index) => lengthOf(ms, index)));
    const sum = lengths.reduce((sum, length) => sum + length, 0);
    return new Response(JSON.stringify({ lengths, sum }), { headers: { "content-type": "application/json" } });
  },
};

async function lengthOf(ms, bytes) {
  const answer = await fetch(`http://origin/delay/${ms}?bytes=${bytes}`);
  if (answer.status !== 200) throw new Error(`origin answered ${answer.status}`);
  return (await answer.text()).length;
}

/** A whole number in decimal digits, undefined if it is something else or too large. */
function numberFrom(digits, most) {
  const number = /^(0|[1-9][0-9]{0,4})$/.test(digits) ? Number(digits) : Infinity;
  return number <= most ? number : undefined;
}

function text(status, body) {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
