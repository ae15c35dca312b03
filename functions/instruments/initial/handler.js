// Answers values that its evaluation made, and new ones: a random number and the time in milliseconds since 1970.

const values = () => `${Math.random()} ${Date.now()}`;
const initial = values();

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const text = { "/initial": () => initial, "/new": values }[pathname]?.() ?? "made";
    return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
  },
};
