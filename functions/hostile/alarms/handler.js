// Sets a million timers of a day each, and answers after the first. Answers `?calm=1` with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };
const A_DAY_MS = 24 * 60 * 60 * 1000;

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    return new Promise((resolve) => {
      for (let count = 0; count < 1e6; count++) setTimeout(() => resolve(new Response("late")), A_DAY_MS);
    });
  },
};
