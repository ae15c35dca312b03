"""The oracle of `blake3-hello`: a case of `blake3`, which BLAKE3's reference code made, with many hashes."""

import json
from pathlib import Path

HERE = Path(__file__).resolve()
CASE = "hello-world.json"

# About a millisecond of native code: a thousand times the way into a sandbox.
TIMES = 10_000


def main() -> None:
    folder = HERE.parent / "cases"
    folder.mkdir(exist_ok=True)
    case = json.loads((HERE.parents[2] / "blake3" / "cases" / CASE).read_text(encoding="utf-8"))
    case["request"] = {"method": "POST", "query": f"times={TIMES}"} | case["request"]
    text = json.dumps(case, ensure_ascii=False, indent=2) + "\n"
    (folder / CASE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
