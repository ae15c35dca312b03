"""The oracle of `blake3-hello`: copies a case of `blake3`, which BLAKE3's reference code made."""

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
