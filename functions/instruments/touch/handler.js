// Writes to exactly 16 MiB at its first request and keeps them.

const TOUCHED_BYTES = 16 * 2 ** 20;

let kept;

export default {
  async fetch() {
    kept ??= new Uint8Array(TOUCHED_BYTES).fill(1);
    return new Response(kept.at(-1) === 1 ? "touched" : "lost", {
      headers: { "content-type": "text/plain; charset=utf-8" },
    });
  },
};
