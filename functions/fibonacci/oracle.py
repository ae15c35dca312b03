"""The oracle of `fibonacci`. Run it with Python 3.11 or later: python3 functions/fibonacci/oracle.py

It adds upwards from 0 and 1, and so shares neither code nor method with the function.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import JSON, Cases, compact, query, response  # noqa: E402

OUT_OF_RANGE = response(400, JSON, '{"error":"n must be a whole number from 0 to 47"}')

NOT_NUMBERS = {
    "48": "48",
    "100": "100",
    "huge": "18446744073709551617",
    "negative": "-1",
    "plus": "+5",
    "fraction": "5.0",
    "exponent": "1e1",
    "three-digits": "005",
    "space": " 5",
    "empty": "",
    "word": "ten",
    "arabic-digit": "٣",
}


def fibonacci(n: int) -> dict:
    here, following = 0, 1
    for _ in range(n):
        here, following = following, here + following
    return response(200, JSON, compact({"n": n, "fibonacci": here}))


def one_case(oracle: str, n: int, published: int) -> None:
    """Writes one case, after comparing the number with the one in OEIS A000045."""
    found = fibonacci(n)
    assert found["body"] == compact({"n": n, "fibonacci": published}), found
    Cases(oracle).get(f"n-{n}", query("n", str(n)), found)


def main() -> None:
    cases = Cases(__file__)
    # Not up to 47: an interpreter would take seconds for each.
    for n in (0, 1, 2, 3, 10, 20, 25):
        cases.get(f"n-{n}", f"n={n}", fibonacci(n))
    cases.get("n-leading-zero", "n=07", fibonacci(7))
    cases.get("default", "", fibonacci(20))
    cases.get("first", "n=5&n=6", fibonacci(5))
    for name, text in NOT_NUMBERS.items():
        cases.get(f"bad-{name}", query("n", text), OUT_OF_RANGE)


if __name__ == "__main__":
    main()
