// The n-th Fibonacci number by naive recursion. `n` comes from the query; its default is 20.

const GREATEST = 47;
const OUT_OF_RANGE = '{"error":"n must be a whole number from 0 to 47"}';

export default {
  async fetch(request) {
    const text = new URL(request.url).searchParams.get("n") ?? "20";
    const n = /^[0-9]{1,2}$/.test(text) ? Number(text) : Infinity;
    return n <= GREATEST
      ? json(200, JSON.stringify({ n, fibonacci: fibonacci(n) }))
      : json(400, OUT_OF_RANGE);
  },
};

function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

function json(status, body) {
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
