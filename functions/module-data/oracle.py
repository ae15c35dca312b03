"""The module and the case of `module-data`: python3 functions/module-data/oracle.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from module import write  # noqa: E402

# Without zeros, so that no tool leaves a part of it out.
SEGMENT = bytes(1 + at % 255 for at in range(256 << 10))

if __name__ == "__main__":
    write(__file__, pages=5, data=SEGMENT)
