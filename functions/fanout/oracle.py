"""The oracle of `fanout`. Run it with Python 3.11 or later: python3 functions/fanout/oracle.py

The answers of the host `origin` are those that runners/outbound/src/origin.rs promises.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import JSON, TEXT, Cases, compact, query, response  # noqa: E402

BAD_NUMBERS = {
    "empty": "",
    "negative": "-1",
    "sign": "+5",
    "fraction": "1.5",
    "leading-zero": "007",
    "word": "many",
    "too-large": "10001",
}


def merged(count: int) -> dict:
    lengths = list(range(count))
    return response(200, JSON, compact({"lengths": lengths, "sum": sum(lengths)}))


def main() -> None:
    cases = Cases(__file__)
    cases.get("default", "", merged(10))
    cases.get("ten", "count=10&ms=10", merged(10))
    cases.get("none", "count=0", merged(0))
    cases.get("one", "count=1&ms=0", merged(1))
    cases.get("hundred", "count=100&ms=1", merged(100))
    for name, value in BAD_NUMBERS.items():
        count = response(400, TEXT, "count must be a whole number from 0 to 100")
        cases.get(f"bad-count-{name}", query("count", value), count)
        ms = response(400, TEXT, "ms must be a whole number from 0 to 10000")
        cases.get(f"bad-ms-{name}", query("ms", value), ms)


if __name__ == "__main__":
    main()
