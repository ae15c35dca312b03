"""The oracle of `stream`. Run it with Python 3.11 or later: python3 functions/stream/oracle.py"""

import sys
from pathlib import Path
from string import ascii_lowercase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, query, response  # noqa: E402

MOST = {"chunks": 1000000, "bytes": 1048576, "interval_ms": 10000}

BAD_VALUES = {"empty": "", "negative": "-1", "fraction": "1.5", "leading-zero": "07", "word": "many"}


def pieces(chunks: int, size: int) -> dict:
    return response(200, TEXT, "".join(ascii_lowercase[i % 26] * size for i in range(chunks)))


def main() -> None:
    cases = Cases(__file__)
    cases.get("default", "", pieces(3, 16))
    cases.get("none", "chunks=0", pieces(0, 16))
    cases.get("empty-pieces", "bytes=0&interval_ms=0", pieces(3, 0))
    cases.get("once-around", "chunks=28&bytes=3&interval_ms=1", pieces(28, 3))
    cases.get("at-once", "chunks=5&bytes=1000&interval_ms=0", pieces(5, 1000))
    cases.get("large-pieces", "chunks=2&bytes=70000&interval_ms=0", pieces(2, 70000))
    for name, most in MOST.items():
        reason = response(400, TEXT, f"{name} must be a whole number from 0 to {most}")
        for kind, value in BAD_VALUES.items():
            cases.get(f"bad-{name}-{kind}", query(name, value), reason)
        cases.get(f"bad-{name}-large", query(name, str(most + 1)), reason)
    cases.get(
        "bad-first",
        "chunks=x&bytes=x",
        response(400, TEXT, f"chunks must be a whole number from 0 to {MOST['chunks']}"),
    )


if __name__ == "__main__":
    main()
