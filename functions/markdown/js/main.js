// Renders the Markdown in the body of a POST as HTML.

import MarkdownIt from "markdown-it";

const markdown = new MarkdownIt("commonmark");

export default {
  async fetch(request) {
    return request.method === "POST"
      ? answer(200, "text/html", markdown.render(await request.text()))
      : answer(400, "text/plain", "POST a text in Markdown");
  },
};

function answer(status, type, body) {
  return new Response(body, { status, headers: { "content-type": `${type}; charset=utf-8` } });
}
