// Finds titles by their words, in an index that its evaluation builds.

const TITLES = 150_000;
const WORDS_OF_TITLE = 8;
const FIRST = 5;
const MOST_WORDS = 8;

const CONSONANTS = "bdfgklmnprst";
const VOWELS = "aeiou";
const SYLLABLES = [...CONSONANTS].flatMap((consonant) => [...VOWELS].map((vowel) => consonant + vowel));

const OUT_OF_RANGE = '{"error":"words must be 1 to 8 words, with a space between them"}';

const index = build();

export default {
  async fetch(request) {
    const words = (new URL(request.url).searchParams.get("words") ?? "").split(" ").filter(Boolean);
    if (words.length === 0 || words.length > MOST_WORDS) return json(400, OUT_OF_RANGE);
    const found = find(words);
    const first = found.slice(0, FIRST).map((id) => ({ id, title: index.titles[id] }));
    return json(200, JSON.stringify({ found: found.length, first }));
  },
};

function build() {
  const titles = [];
  const titlesOf = new Map();
  const word = generator();
  for (let id = 0; id < TITLES; id++) {
    const words = Array.from({ length: WORDS_OF_TITLE }, word);
    titles.push(words.join(" "));
    for (const word of words) {
      let ids = titlesOf.get(word);
      if (ids === undefined) titlesOf.set(word, (ids = []));
      // A word may stand in a title twice.
      if (ids.at(-1) !== id) ids.push(id);
    }
  }
  return { titles, titlesOf };
}

/** Titles that have all words, in ascending order. */
function find(words) {
  const [shortest, ...others] = words
    .map((word) => index.titlesOf.get(word) ?? [])
    .sort((one, other) => one.length - other.length);
  return shortest.filter((id) => others.every((list) => includes(list, id)));
}

/** Whether an ascending list has a number. */
function includes(list, number) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < number) low = middle + 1;
    else high = middle;
  }
  return list[low] === number;
}

/** Makes words. The random numbers are those of Numerical Recipes (2nd edition, §7.1), without their lowest bits. */
function generator() {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  const count = SYLLABLES.length;
  return () => {
    const number = Math.min(next() % count ** 2, next() % count ** 2);
    return SYLLABLES[Math.floor(number / count)] + SYLLABLES[number % count];
  };
}

function json(status, body) {
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
