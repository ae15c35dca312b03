// Answers with the number of requests that its instance has had. The count must survive in this
// instance, and no other instance may see it.

let requests = 0;

export default {
  async fetch() {
    requests += 1;
    return new Response(String(requests), { headers: { "content-type": "text/plain; charset=utf-8" } });
  },
};
