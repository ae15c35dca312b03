// Throws synchronously, so that there is no promise. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    throw new Error("trap was asked to fail");
  },
};
