// The patterns that isolab's texts avoid. The rule plain-words applies them to Markdown, scripts/lint-words to
// comments, strings and test names.
//
// A pattern that begins with START matches only where a sentence begins. `exact` regards upper and lower case;
// `notInStrings` leaves out string literals, which may hold data; `notInTitles` leaves out short ones, such as a
// table's title.
"use strict";

const START = String.raw`(?:^|(?<=[.!:;]["')]? ))`;

module.exports = [
  {
    id: "negated-noun",
    pattern: String.raw`(?<!\bthere (?:\w+ )?)\b(?:is|are|was|were|be|being|been) no\b(?! (?:longer|more|less|fewer|later|earlier|\w+er than)\b)`,
    advice: "negate the verb: `is not a …`, `does not …`, `has no …`",
  },
  {
    id: "none",
    pattern: String.raw`(?<!\bthere (?:\w+ )?)\b(?:is|are|was|were|be) (?:none|nothing)\b`,
    advice: "negate the verb and name the noun",
  },
  {
    id: "what-clause",
    pattern: START + String.raw`(?:What|Who|Whoever|Whatever)\b(?! [A-Z])(?![^.!]*\?)`,
    exact: true,
    notInTitles: true,
    advice: "begin with the subject: not `What the host pays for …` but `The host's cost of …`",
  },
  {
    id: "what-is-is",
    pattern: String.raw`\bwhat (?:is|was|are|were|it|they|one)(?: (?!what\b|that\b|which\b|where\b|who\b|and\b|or\b)\w+){1,4} (?:is|are|was|were)\b`,
    advice: "name the thing: not `what is called is measured` but `calls are measured`",
  },
  { id: "so-many", pattern: String.raw`\bso (?:many|much)\b`, advice: "give the number, or say `this many`, `this amount`" },
  { id: "how-manieth", pattern: String.raw`\bhow manieth\b`, advice: "say how often" },
  { id: "as-what", pattern: String.raw`\bas what\b`, advice: "name the thing" },
  { id: "as-many-as-may", pattern: String.raw`\bas (?:many|much) as (?:may|there)\b`, advice: "name the bound" },
  { id: "told-of", pattern: String.raw`\b(?:is|are|was|were) told of\b`, advice: "use the active voice: `the report names …`" },
  { id: "of-which", pattern: START + String.raw`Of (?!course\b)[^,.;]{1,40}\b(?:there (?:is|are)|is|are) `, exact: true, advice: "put the subject first" },
  { id: "doubled-word", pattern: String.raw`\b([a-z]{2,}) \1\b`, exact: true, notInStrings: true, advice: "delete one" },
];
