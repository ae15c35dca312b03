"""The oracle of `wait`. Run it with Python 3.11 or later: python3 functions/wait/oracle.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, query, response  # noqa: E402

NOT_UNDERSTOOD = response(400, TEXT, "ms must be a whole number from 0 to 10000")

BAD_VALUES = {
    "bad-empty": "",
    "bad-negative": "-1",
    "bad-sign": "+5",
    "bad-fraction": "1.5",
    "bad-exponent": "1e2",
    "bad-hexadecimal": "0x10",
    "bad-leading-zero": "007",
    "bad-space": " 5",
    "bad-line": "5\n",
    "bad-word": "soon",
    "bad-arabic-digits": "\u0665",
    "bad-too-long": "10001",
    "bad-much-too-long": "99999999999999999999",
}


def waited(ms: int) -> dict:
    return response(200, TEXT, f"waited {ms} ms")


def main() -> None:
    cases = Cases(__file__)
    cases.get("wait-100", "ms=100", waited(100))
    cases.get("default", "", waited(100))
    cases.get("other", "other=5", waited(100))
    cases.get("zero", "ms=0", waited(0))
    cases.get("one", "ms=1", waited(1))
    cases.get("first", "ms=2&ms=9", waited(2))
    cases.get("encoded", "%6ds=%33", waited(3))
    for name, value in BAD_VALUES.items():
        cases.get(name, query("ms", value), NOT_UNDERSTOOD)


if __name__ == "__main__":
    main()
