// Finds the patterns in one piece of text. Code spans are not prose and do not match.
"use strict";

const patterns = require("./patterns.js").map((entry) => ({
  ...entry,
  regexp: new RegExp(entry.pattern, entry.exact ? "g" : "gi"),
}));

// A string of at most this many words is a title.
const TITLE_WORDS = 7;

/** Replaces code spans by an `x` of the same length, and line breaks by spaces. */
const mask = (text) => text.replace(/(`+)[^`]+\1/g, (span) => "x".repeat(span.length)).replace(/\s/g, " ");

/** Returns an array of `{ index, length, id, message }`. */
module.exports = function find(text, { isString = false } = {}) {
  const masked = mask(text);
  const isTitle = isString && masked.trim().split(/\s+/).length <= TITLE_WORDS;
  return patterns
    .filter(({ notInStrings, notInTitles }) => !(isString && notInStrings) && !(isTitle && notInTitles))
    .flatMap(({ id, advice, regexp }) =>
      [...masked.matchAll(regexp)].map(({ index, 0: { length } }) => {
        const words = text.slice(index, index + length + 24).replace(/\s+/g, " ").trim();
        return { index, length, id, message: `${id}: "${words} …": ${advice}` };
      }),
    );
};
