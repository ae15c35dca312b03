// Answers with a promise that rejects after a microtask. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    await undefined;
    return Promise.reject(new Error("reject was asked to fail"));
  },
};
