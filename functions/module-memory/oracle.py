"""The module and the case of `module-memory`: python3 functions/module-memory/oracle.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from module import write  # noqa: E402

if __name__ == "__main__":
    write(__file__, pages=1, data=b"")
