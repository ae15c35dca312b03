// Answers with `chunks` pieces of `bytes` bytes, one each `interval_ms` milliseconds. The pieces consist of
// the letters from a to z in turn.

/** Default and largest value of each number in the query. */
const NUMBERS = { chunks: ["3", 1_000_000], bytes: ["16", 1_048_576], interval_ms: ["10", 10_000] };
const FIRST_LETTER = "a".charCodeAt(0);
const LETTERS = 26;

export default {
  fetch(request) {
    if (typeof ReadableStream !== "function") return text(501, "this engine has no streams");
    const { searchParams } = new URL(request.url);
    const numbers = {};
    for (const [name, [standard, most]] of Object.entries(NUMBERS)) {
      numbers[name] = numberFrom(searchParams.get(name) ?? standard, most);
      if (numbers[name] === undefined) return text(400, `${name} must be a whole number from 0 to ${most}`);
    }
    return text(200, piecesOf(numbers));
  },
};

function piecesOf({ chunks, bytes, interval_ms }) {
  let index = 0;
  const pull = async (controller) => {
    if (index > 0 && interval_ms > 0) await new Promise((resolve) => setTimeout(resolve, interval_ms));
    controller.enqueue(new Uint8Array(bytes).fill(FIRST_LETTER + (index % LETTERS)));
    index += 1;
    if (index === chunks) controller.close();
  };
  const start = (controller) => {
    if (chunks === 0) controller.close();
  };
  return new ReadableStream({ start, pull }, { highWaterMark: 0 });
}

/** A whole number in decimal digits, undefined if it is something else or too large. */
function numberFrom(digits, most) {
  const number = /^(0|[1-9][0-9]{0,6})$/.test(digits) ? Number(digits) : Infinity;
  return number <= most ? number : undefined;
}

function text(status, body) {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
