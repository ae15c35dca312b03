// Answers with 64 MiB. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };
const BODY_BYTES = 64 * 2 ** 20;

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    return new Response(new Uint8Array(BODY_BYTES).fill(0x78), {
      headers: { "content-type": "application/octet-stream" },
    });
  },
};
