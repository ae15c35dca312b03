// Answers how often its instance was asked: what it keeps must be seen by no other instance, and
// survive in its own.

let timesAsked = 0;

export default {
  async fetch() {
    timesAsked += 1;
    return new Response(String(timesAsked), { headers: { "content-type": "text/plain; charset=utf-8" } });
  },
};
