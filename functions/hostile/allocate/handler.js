// Fills the heap of the JavaScript engine until it is stopped; `buffers` fills memory outside of
// that heap. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    const hoard = [];
    for (;;) hoard.push(new Array(4096).fill(hoard.length));
  },
};
