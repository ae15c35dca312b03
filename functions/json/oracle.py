"""The oracle of `json`. Run it with Python 3.11 or later: python3 functions/json/oracle.py"""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import JSON, Cases, compact, response  # noqa: E402

NOT_UNDERSTOOD = response(
    400,
    JSON,
    '{"error":"POST an object with records of id, category, quantity, price_cents; '
    'numbers whole and below 2^32"}',
)
TOO_LARGE = response(400, JSON, '{"error":"a total exceeds 2^53 - 1"}')

CATEGORIES = [
    "audio", "books", "cameras", "garden", "games", "kitchen",
    "lighting", "music", "office", "outdoor", "tools", "toys",
]
LARGEST = 2**32 - 1


def record(number: int, category: str, quantity: int, price_cents: int) -> dict:
    return {"id": number, "category": category, "quantity": quantity, "price_cents": price_cents}


def random_records(count: int) -> list[dict]:
    chosen = random.Random(count)
    return [
        record(i + 1, chosen.choice(CATEGORIES), chosen.randint(1, 40), chosen.randint(99, 99_999))
        for i in range(count)
    ]


def summed(records: list[dict]) -> dict:
    categories = []
    # Python orders strings by code points, as the function must.
    for category in sorted({r["category"] for r in records}):
        members = [r for r in records if r["category"] == category]
        prices = [r["price_cents"] for r in members]
        categories.append({
            "category": category,
            "count": len(members),
            "quantity": sum(r["quantity"] for r in members),
            "total_cents": sum(r["quantity"] * r["price_cents"] for r in members),
            "min_cents": min(prices),
            "max_cents": max(prices),
        })
    return response(200, JSON, compact({"records": len(records), "categories": categories}))


def document(records: list[dict]) -> str:
    return compact({"records": records})


def good(cases: Cases) -> None:
    for count in (0, 1, 160, 500):
        records = random_records(count)
        cases.post(f"records-{count}", document(records), summed(records))

    # U+10000 and above come after U+FFFD as code points, and before it as UTF-16 units.
    names = ["\U0001f600", "\ufffd", "z", "Z", "", "é", "a\"\\\n", "a", "aa", "__proto__"]
    records = [record(i, name, i, 100 * i) for i, name in enumerate(names)]
    cases.post("odd-categories", document(records), summed(records))

    largest = [record(LARGEST, "most", LARGEST, 2**21)]
    cases.post("largest-total", document(largest), summed(largest))

    text = ' {"x":[null],"records":[{"price_cents":1.5e2,"y":1e999,"quantity":-0.0,"category":"a","id":10.0}]}'
    cases.post("spellings", text, summed([record(10, "a", 0, 150)]))


def bad(cases: Cases) -> None:
    cases.get("bad-method", "", NOT_UNDERSTOOD)
    whole = record(1, "a", 2, 3)
    bodies = {
        "empty": "",
        "truncated": document([whole])[:-2],
        "no-object": "[]",
        "positional": '[[[1,"a",2,3]]]',
        "null": "null",
        "no-records": "{}",
        "records-object": '{"records":{}}',
        "record-null": '{"records":[null]}',
        "record-array": '{"records":[[1,"a",2,3]]}',
        "number-text": document([whole | {"id": "1"}]),
        "number-negative": document([whole | {"quantity": -1}]),
        "number-fraction": document([whole | {"price_cents": 1.5}]),
        "number-2-32": document([whole | {"price_cents": 2**32}]),
        "number-huge": '{"records":[{"id":1e999,"category":"a","quantity":1,"price_cents":1}]}',
        "category-number": document([whole | {"category": 1}]),
        "category-surrogate": '{"records":[{"id":1,"category":"\\udc00","quantity":1,"price_cents":1}]}',
    }
    for key in whole:
        bodies[f"no-{key}"] = document([{k: v for k, v in whole.items() if k != key}])
    for name, body in bodies.items():
        cases.post(f"bad-{name}", body, NOT_UNDERSTOOD)

    cases.post("bad-total", document([record(1, "a", LARGEST, LARGEST)]), TOO_LARGE)
    sums = [record(1, "a", LARGEST, 2**21), record(2, "a", 1, 2**21)]
    cases.post("bad-total-sum", document(sums), TOO_LARGE)


if __name__ == "__main__":
    cases = Cases(__file__)
    good(cases)
    bad(cases)
