// Allocates array buffers until it is stopped. Engines keep them outside of the heap whose size
// they limit. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };
const BLOCK_BYTES = 2 ** 20;

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    const hoard = [];
    for (;;) hoard.push(new Uint8Array(BLOCK_BYTES).fill(1));
  },
};
