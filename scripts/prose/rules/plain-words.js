// A textlint rule: reports the patterns of patterns.js in paragraphs, headings and table cells.
"use strict";

const find = require("../find.js");

module.exports = function plainWords({ Syntax, RuleError, getSource, report, locator }) {
  const check = (node) => {
    for (const { index, length, message } of find(getSource(node))) {
      report(node, new RuleError(message, { padding: locator.range([index, index + length]) }));
    }
  };
  return { [Syntax.Paragraph]: check, [Syntax.Header]: check, [Syntax.TableCell]: check };
};
