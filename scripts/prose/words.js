// Reports the patterns of patterns.js in comments, string literals and test names: `node words.js FILE…`.
// Exits with 1 if there are any.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const find = require("./find.js");

const COMMENTS = {
  ".rs": { line: ["//"], block: ["/*", "*/"], quotes: ['"'] },
  ".js": { line: ["//"], block: ["/*", "*/"], quotes: ['"', "'", "`"] },
  ".mjs": { line: ["//"], block: ["/*", "*/"], quotes: ['"', "'", "`"] },
  ".toml": { line: ["#"], quotes: ['"', "'"] },
  ".yaml": { line: ["#"], quotes: [] },
  ".py": { line: ["#"], quotes: ['"', "'"] },
  "": { line: ["#"], quotes: ['"', "'"] },
};

/**
 * Splits a source file into pieces of prose: `{ text, isString, lines }`, where `lines` holds pairs of an offset in
 * the text and the line of the file. Comments on neighbouring lines are one piece.
 */
function pieces(source, { line: marks, block, quotes }, isShell) {
  const found = [];
  let at = 0, line = 1, comment = null;
  const isWordBefore = (index) => index > 0 && !/\s/.test(source[index - 1]);
  const flush = () => {
    if (comment) found.push(comment);
    comment = null;
  };
  while (at < source.length) {
    const rest = (mark) => source.startsWith(mark, at);
    const mark = marks.find(rest);
    if (mark && !(mark === "#" && isWordBefore(at))) {
      const end = source.indexOf("\n", at) === -1 ? source.length : source.indexOf("\n", at);
      const text = source.slice(at, end).replace(/^(?:\/\/[/!]?|#+!?) ?/, "");
      // A blank comment line, a heading and a list item each begin a new piece.
      if (comment && comment.end === line - 1 && !/^\s*(?:$|[-*#|] )/.test(text)) {
        comment.lines.push([comment.text.length + 1, line]);
        comment.text += ` ${text.trim()}`;
        comment.end = line;
      } else {
        flush();
        comment = { text: text.replace(/^\s*[-*#|]? ?/, ""), end: line, lines: [[0, line]] };
      }
      at = end;
    } else if (block && rest(block[0])) {
      const end = source.indexOf(block[1], at);
      const text = source.slice(at, end).replace(/^\/\*+/, "").replace(/\n\s*\* ?/g, "\n").trim();
      found.push({ text, lines: [[0, line]] });
      line += source.slice(at, end).split("\n").length - 1;
      at = end + 2;
    } else if (block && source[at] === "'" && quotes[0] === '"' && quotes.length === 1) {
      // A Rust character literal or a lifetime.
      const literal = /^'(?:\\.[^']*|[^'\\])'/.exec(source.slice(at, at + 12));
      at += literal ? literal[0].length : 1;
    } else if (block && /^r#*"/.test(source.slice(at, at + 6)) && !/\w/.test(source[at - 1] ?? "")) {
      const hashes = /^r(#*)"/.exec(source.slice(at, at + 6))[1];
      const begin = at + 2 + hashes.length;
      const end = source.indexOf(`"${hashes}`, begin);
      line += source.slice(at, end).split("\n").length - 1;
      at = end + 1 + hashes.length;
    } else if (quotes.includes(source[at])) {
      const quote = source[at];
      const isTriple = !isShell && source.startsWith(quote.repeat(3), at);
      const close = isTriple ? quote.repeat(3) : quote;
      const begin = at + close.length;
      let end = begin;
      while (end < source.length && !source.startsWith(close, end)) {
        end += source[end] === "\\" && !(isShell && quote === "'") ? 2 : 1;
      }
      const text = source.slice(begin, end).replace(/\\\n\s*/g, "").replace(/\\(.)/g, "$1");
      if (/\s/.test(text)) found.push({ text, isString: true, lines: [[0, line]] });
      line += source.slice(at, end).split("\n").length - 1;
      at = end + close.length;
    } else {
      if (source[at] === "\n") line += 1;
      at += 1;
    }
  }
  flush();
  return found;
}

/** The names of Rust's test functions, as text. */
function testNames(source) {
  return source.split("\n").flatMap((text, index) => {
    const name = /^\s*(?:async )?fn (\w+)\(/.exec(text);
    if (!name) return [];
    const words = name[1].replaceAll("_", " ");
    return [{ text: words[0].toUpperCase() + words.slice(1), lines: [[0, index + 1]] }];
  });
}

let count = 0;
for (const file of process.argv.slice(2)) {
  const source = fs.readFileSync(file, "utf8");
  const extension = path.extname(file);
  const form = COMMENTS[extension] ?? COMMENTS[""];
  const all = pieces(source, form, !COMMENTS[extension] || extension === "");
  if (extension === ".rs") all.push(...testNames(source));
  for (const { text, isString, lines } of all) {
    for (const { index, message } of find(text, { isString })) {
      const [, line] = lines.findLast(([from]) => from <= index);
      console.log(`${file}:${line}: ${message}`);
      count += 1;
    }
  }
}
if (count > 0) {
  console.log(`${count} places do not use plain words (CONTRIBUTING.md, "Words")`);
  process.exitCode = 1;
}
