// Keeps the microtask queue full without end: no call takes long, but control never returns to
// the event loop. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    for (;;) await undefined;
  },
};
