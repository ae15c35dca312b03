"""The module and the case of `module-empty`: python3 functions/module-empty/oracle.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from module import write  # noqa: E402

if __name__ == "__main__":
    write(__file__, pages=0, data=b"")
