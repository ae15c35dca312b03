// Has the engine itself loop for ever. V8 does not check for interrupts in this built-in
// function, so nothing ends it but the end of its process. `?calm=1` is answered with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);
  },
};
