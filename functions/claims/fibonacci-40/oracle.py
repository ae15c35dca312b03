"""The oracle of `fibonacci-40`. Run it with Python 3.11 or later: python3 functions/claims/fibonacci-40/oracle.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from fibonacci.oracle import one_case  # noqa: E402

if __name__ == "__main__":
    one_case(__file__, n=40, published=102334155)
