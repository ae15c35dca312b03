"""The oracle of `proxy`. Run it with Python 3.11 or later: python3 functions/proxy/oracle.py

The answers of the host `origin` are those that runners/outbound/src/origin.rs promises.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, query, response  # noqa: E402

BAD_NUMBERS = {
    "empty": "",
    "negative": "-1",
    "sign": "+5",
    "fraction": "1.5",
    "exponent": "1e2",
    "leading-zero": "007",
    "word": "soon",
    "too-large": "1048577",
}


def answered(length: int) -> dict:
    return response(200, TEXT, "x" * length)


def main() -> None:
    cases = Cases(__file__)
    cases.get("default", "", answered(64))
    cases.get("delay-10", "ms=10&bytes=64", answered(64))
    cases.get("no-delay", "ms=0&bytes=1", answered(1))
    cases.get("no-bytes", "ms=0&bytes=0", answered(0))
    cases.get("several-pieces", "ms=0&bytes=70000", answered(70000))
    for name, body in {"short": "abc", "umlauts": "grüße", "long": "0123456789" * 7000}.items():
        cases.post(f"body-{name}", body, response(200, TEXT, body))
    for name, value in BAD_NUMBERS.items():
        ms = response(400, TEXT, "ms must be a whole number from 0 to 10000")
        cases.get(f"bad-ms-{name}", query("ms", value), ms)
        size = response(400, TEXT, "bytes must be a whole number from 0 to 1048576")
        cases.get(f"bad-bytes-{name}", query("bytes", value), size)


if __name__ == "__main__":
    main()
