// Escape counts of the Mandelbrot set over a grid of `size` x `size` points, with `limit` steps at most.

const SIZE = { standard: 128, greatest: 1024 };
const LIMIT = { standard: 100, greatest: 10000 };
const OUT_OF_RANGE = '{"error":"size must be a whole number from 1 to 1024, and limit one from 1 to 10000"}';

/** The part of the plane that the grid covers. */
const SIDE = 3;
const LEFT = -2;
const LOWEST = -1.5;

/** https://datatracker.ietf.org/doc/html/draft-eastlake-fnv, with the parameters for 32 bits. */
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const size = parse(searchParams.get("size"), SIZE);
    const limit = parse(searchParams.get("limit"), LIMIT);
    if (size === undefined || limit === undefined) return json(400, OUT_OF_RANGE);
    return json(200, JSON.stringify({ size, limit, ...grid(size, limit) }));
  },
};

function grid(size, limit) {
  const step = SIDE / size;
  let inside = 0;
  let steps = 0;
  let hash = FNV_BASIS;
  for (let row = 0; row < size; row++) {
    const im = LOWEST + step * (row + 0.5);
    for (let column = 0; column < size; column++) {
      const count = escapeCount(LEFT + step * (column + 0.5), im, limit);
      if (count === limit) inside += 1;
      steps += count;
      hash = Math.imul(hash ^ (count & 0xff), FNV_PRIME);
      hash = Math.imul(hash ^ (count >> 8), FNV_PRIME);
    }
  }
  return { inside, steps, checksum: (hash >>> 0).toString(16).padStart(8, "0") };
}

/** The number of steps before the point escapes, `limit` at most. */
function escapeCount(cRe, cIm, limit) {
  let re = 0;
  let im = 0;
  for (let count = 0; count < limit; count++) {
    const reSquared = re * re;
    const imSquared = im * im;
    if (reSquared + imSquared > 4) return count;
    im = 2 * re * im + cIm;
    re = reSquared - imSquared + cRe;
  }
  return limit;
}

/** The number of a text, the standard if there is no text, undefined if the text is not in range. */
function parse(text, { standard, greatest }) {
  if (text === null) return standard;
  const number = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= greatest ? number : undefined;
}

function json(status, body) {
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
