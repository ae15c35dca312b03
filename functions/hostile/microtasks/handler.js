// Keeps the queue of microtasks full for ever, so that control never goes back to the event
// loop although no call takes long. `?calm=1` is answered with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    for (;;) await undefined;
  },
};
