// Sums up the records in the JSON body of a POST by category.

const NOT_UNDERSTOOD =
  '{"error":"POST an object with records of id, category, quantity, price_cents; numbers whole and below 2^32"}';
const TOO_LARGE = '{"error":"a total exceeds 2^53 - 1"}';

export default {
  async fetch(request) {
    const records = request.method === "POST" ? await readRecords(request) : undefined;
    if (records === undefined) return json(400, NOT_UNDERSTOOD);
    const categories = summarise(records);
    if (!categories.every((sums) => Number.isSafeInteger(sums.total_cents))) return json(400, TOO_LARGE);
    return json(200, JSON.stringify({ records: records.length, categories }));
  },
};

/** The records of the body, undefined if the body is not valid. */
async function readRecords(request) {
  const document = await request.json().catch(() => undefined);
  const records = document?.records;
  return Array.isArray(records) && records.every(isRecord) ? records : undefined;
}

function isRecord(record) {
  return isNatural(record?.id)
    && typeof record.category === "string"
    // JSON can escape half of a surrogate pair, which UTF-8 cannot represent.
    && record.category.isWellFormed()
    && isNatural(record.quantity)
    && isNatural(record.price_cents);
}

function isNatural(value) {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

/** One object of sums for each category, ordered by code points. */
function summarise(records) {
  const byCategory = new Map();
  for (const { category, quantity, price_cents } of records) {
    let sums = byCategory.get(category);
    if (sums === undefined) {
      sums = { category, count: 0, quantity: 0, total_cents: 0, min_cents: price_cents, max_cents: price_cents };
      byCategory.set(category, sums);
    }
    sums.count += 1;
    sums.quantity += quantity;
    // Beyond 2^53 - 1 the sum is no longer exact, but it only grows, so the check still finds it.
    sums.total_cents += quantity * price_cents;
    sums.min_cents = Math.min(sums.min_cents, price_cents);
    sums.max_cents = Math.max(sums.max_cents, price_cents);
  }
  return [...byCategory.values()].sort((a, b) => compareCodePoints(a.category, b.category));
}

/** JavaScript compares UTF-16 units, which puts U+10000 before U+FFFD; code points do not. */
function compareCodePoints(left, right) {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const difference = rank(left.charCodeAt(i)) - rank(right.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function rank(unit) {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function json(status, body) {
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
