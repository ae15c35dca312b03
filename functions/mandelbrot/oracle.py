"""The oracle of `mandelbrot`. Run it with Python 3.11 or later: python3 functions/mandelbrot/oracle.py

Python's numbers are the same 64-bit numbers, and its sums and products are rounded one by one. Exact fractions
check the counts of few steps, and the known area of the set checks those of many.
"""

import sys
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import JSON, Cases, compact, query, response  # noqa: E402

OUT_OF_RANGE = response(
    400, JSON, '{"error":"size must be a whole number from 1 to 1024, and limit one from 1 to 10000"}'
)

NOT_NUMBERS = {
    "zero": "0",
    "huge": "18446744073709551617",
    "negative": "-1",
    "plus": "+5",
    "fraction": "5.0",
    "exponent": "1e1",
    "six-digits": "000005",
    "empty": "",
    "word": "ten",
}

# Thorsten Förstemann, "Numerical estimation of the area of the Mandelbrot set" (2012): 1.5065918849 +- 28e-10.
AREA = 1.50659


def count(re: float, im: float, limit: int) -> int:
    z_re = z_im = 0.0
    for steps in range(limit):
        if z_re * z_re + z_im * z_im > 4.0:
            return steps
        z_re, z_im = z_re * z_re - z_im * z_im + re, 2.0 * z_re * z_im + im
    return limit


def exact_count(re: Fraction, im: Fraction, limit: int) -> int:
    """The same without rounding. The fractions double in length with each step, so `limit` must be small."""
    z_re = z_im = Fraction(0)
    for steps in range(limit):
        if z_re * z_re + z_im * z_im > 4:
            return steps
        z_re, z_im = z_re * z_re - z_im * z_im + re, 2 * z_re * z_im + im
    return limit


def counts(size: int, limit: int) -> list[int]:
    step = 3.0 / size
    middles = [step * (index + 0.5) for index in range(size)]
    return [count(-2.0 + x, -1.5 + y, limit) for y in middles for x in middles]


def exact_counts(size: int, limit: int) -> list[int]:
    middles = [Fraction(3, size) * (index + Fraction(1, 2)) for index in range(size)]
    return [exact_count(-2 + x, -Fraction(3, 2) + y, limit) for y in middles for x in middles]


def fnv_1a(content: bytes) -> int:
    value = 2166136261
    for byte in content:
        value = (value ^ byte) * 16777619 % 2**32
    return value


def summary(size: int, limit: int) -> dict:
    found = counts(size, limit)
    content = b"".join(number.to_bytes(2, "little") for number in found)
    return {
        "size": size,
        "limit": limit,
        "inside": found.count(limit),
        "steps": sum(found),
        "checksum": f"{fnv_1a(content):08x}",
    }


def main() -> None:
    # A test vector of the draft that the function's constants come from.
    assert fnv_1a(b"foobar") == 0xBF9CF968
    # In few steps no error of rounding grows large enough to matter.
    assert counts(32, 12) == exact_counts(32, 12)
    large = summary(512, 2_000)
    assert abs(large["inside"] * 9 / 512**2 - AREA) < 0.01, large

    def answer(size: int, limit: int) -> dict:
        return response(200, JSON, compact(summary(size, limit)))

    cases = Cases(__file__)
    for size in (1, 2, 3, 100, 128):
        cases.get(f"size-{size}", query("size", str(size)), answer(size, 100))
    cases.get("default", "", answer(128, 100))
    cases.get("limit-1", "size=16&limit=1", answer(16, 1))
    # More steps than a byte counts, and points whose last bits decide.
    cases.get("limit-1000", "size=40&limit=1000", answer(40, 1000))
    cases.get("leading-zeros", "size=00007&limit=00050", answer(7, 50))
    cases.get("first", "size=5&size=6", answer(5, 100))
    for name, text in NOT_NUMBERS.items():
        cases.get(f"bad-size-{name}", query("size", text), OUT_OF_RANGE)
    cases.get("bad-size-1025", "size=1025", OUT_OF_RANGE)
    cases.get("bad-limit-zero", "limit=0", OUT_OF_RANGE)
    cases.get("bad-limit-10001", "limit=10001", OUT_OF_RANGE)


if __name__ == "__main__":
    main()
