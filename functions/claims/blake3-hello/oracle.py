"""The oracle of `blake3-hello`: the case of `blake3`, which the reference code wrote (functions/blake3/oracle.py)."""

import shutil
from pathlib import Path

HERE = Path(__file__).resolve()
CASE = "hello-world.json"


def main() -> None:
    folder = HERE.parent / "cases"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(HERE.parents[2] / "blake3" / "cases" / CASE, folder / CASE)


if __name__ == "__main__":
    main()
