// Evaluates the formulas in the body of a POST, one a line, with exact fractions.

import { all, create } from "mathjs";

const { evaluate, format } = create(all, { number: "Fraction" });

export default {
  async fetch(request) {
    if (request.method !== "POST") return answer(400, "POST formulas, one a line");
    const formulas = (await request.text()).split("\n");
    try {
      return answer(200, formulas.map((formula) => format(evaluate(formula), { fraction: "ratio" })).join("\n"));
    } catch {
      return answer(400, "a line is not a formula");
    }
  },
};

function answer(status, body) {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
