// Recurses without end. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    return new Response(String(descend(0)), { headers: TEXT });
  },
};

function descend(depth) {
  return descend(depth + 1) + depth;
}
