// Fills the heap of the JavaScript engine until it is stopped; `buffers` fills what lies outside
// of that heap. `?calm=1` is answered with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    const hoard = [];
    for (;;) hoard.push(new Array(4096).fill(hoard.length));
  },
};
