// Sets a timer whenever a timer is called, without end and without an answer. Answers `?calm=1`
// with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    return new Promise(() => {
      const again = () => setTimeout(again, 0);
      again();
    });
  },
};
