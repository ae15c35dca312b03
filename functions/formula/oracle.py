"""The oracle of `formula`. Run it with Python 3.11 or later: python3 functions/formula/oracle.py

Python's fractions are exact, too. Each formula stands here in both languages.
"""

import math
import sys
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, response  # noqa: E402


def det(rows: list[list[Fraction]]) -> Fraction:
    """The determinant by the formula of Leibniz, along the first row."""
    if len(rows) == 1:
        return rows[0][0]
    minors = ([row[:column] + row[column + 1 :] for row in rows[1:]] for column in range(len(rows)))
    return sum((-1) ** column * rows[0][column] * det(minor) for column, minor in enumerate(minors))


def ratio(value: Fraction | int) -> str:
    value = Fraction(value)
    return f"{value.numerator}/{value.denominator}"


def hilbert(size: int) -> list[list[Fraction]]:
    return [[Fraction(1, row + column + 1) for column in range(size)] for row in range(size)]


def matrix(rows: list[list[Fraction]]) -> str:
    return "[" + ", ".join("[" + ", ".join(map(str, row)) + "]" for row in rows) + "]"


SUMS = {
    "1/3 + 1/6": Fraction(1, 3) + Fraction(1, 6),
    "(2/7 - 5/3) * 21/4": (Fraction(2, 7) - Fraction(5, 3)) * Fraction(21, 4),
    "(3/4)^5 / 9": Fraction(3, 4) ** 5 / 9,
    "0.1 + 0.2": Fraction(3, 10),
    "2^64 + 1": 2**64 + 1,
    "-7/2 + 7/2": Fraction(0),
}
FUNCTIONS = {
    "gcd(1071, 462)": math.gcd(1071, 462),
    "lcm(84, 90)": math.lcm(84, 90),
    "abs(-22/7)": Fraction(22, 7),
    "sum(1/2, 1/3, 1/4, 1/5)": sum(Fraction(1, number) for number in range(2, 6)),
    "max(3/7, 4/9, 5/12)": max(Fraction(3, 7), Fraction(4, 9), Fraction(5, 12)),
    "ceil(10/3) - floor(10/3)": 1,
}
MATRICES = {f"det({matrix(hilbert(size))})": det(hilbert(size)) for size in range(2, 6)}


def main() -> None:
    cases = Cases(__file__)
    for name, formulas in {"sums": SUMS, "functions": FUNCTIONS, "matrices": MATRICES, "mixed": SUMS | FUNCTIONS | MATRICES}.items():
        values = "\n".join(ratio(value) for value in formulas.values())
        cases.post(name, "\n".join(formulas), response(200, TEXT, values))
    cases.post("not-a-formula", "1 +* 2", response(400, TEXT, "a line is not a formula"))
    cases.post("unknown-name", "import(1)", response(400, TEXT, "a line is not a formula"))
    cases.get("no-body", "", response(400, TEXT, "POST formulas, one a line"))


main()
