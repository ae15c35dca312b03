// Finds the patterns in one piece of text. Code spans are not prose and do not match.
"use strict";

const patterns = require("./patterns.js").map((entry) => ({
  ...entry,
  regexp: new RegExp(entry.pattern, entry.exact ? "g" : "gi"),
}));

/** Replaces code spans by an `x` of the same length, and line breaks by spaces. */
const mask = (text) => text.replace(/(`+)[^`]+\1/g, (span) => "x".repeat(span.length)).replace(/\s/g, " ");

/** Returns an array of `{ index, length, id, message }`. */
module.exports = function find(text, { isString = false } = {}) {
  const masked = mask(text);
  return patterns
    .filter(({ notInStrings }) => !(isString && notInStrings))
    .flatMap(({ id, advice, regexp }) =>
      [...masked.matchAll(regexp)].map(({ index, 0: { length } }) => {
        const words = text.slice(index, index + length + 24).replace(/\s+/g, " ").trim();
        return { index, length, id, message: `${id}: "${words} …": ${advice}` };
      }),
    );
};
