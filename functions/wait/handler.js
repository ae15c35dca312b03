// Answers after `ms` milliseconds, 100 if the query has none, and uses no CPU time meanwhile.

const MOST_MS = 10_000;
const NOT_UNDERSTOOD = `ms must be a whole number from 0 to ${MOST_MS}`;

export default {
  async fetch(request) {
    const ms = delayFrom(new URL(request.url).searchParams.get("ms") ?? "100");
    if (ms === undefined) return text(400, NOT_UNDERSTOOD);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return text(200, `waited ${ms} ms`);
  },
};

/** The delay, undefined if it is not a number in decimal digits or too long. */
function delayFrom(digits) {
  const ms = /^(0|[1-9][0-9]{0,4})$/.test(digits) ? Number(digits) : Infinity;
  return ms <= MOST_MS ? ms : undefined;
}

function text(status, body) {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
