"""The oracle of `fibonacci-32`. Run it with Python 3.11 or later: python3 functions/claims/fibonacci-32/oracle.py

It adds up from below, so that it shares neither code nor method with the function; what it
finds is held against the published list, OEIS A000045.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from cases import JSON, Cases, compact, query, response  # noqa: E402

N = 32
PUBLISHED = 2178309


def main() -> None:
    here, following = 0, 1
    for _ in range(N):
        here, following = following, here + following
    assert here == PUBLISHED, here
    Cases(__file__).get(f"n-{N}", query("n", str(N)), response(200, JSON, compact({"n": N, "fibonacci": here})))


if __name__ == "__main__":
    main()
