"""The oracle of `files`. Run it with Python 3.11 or later: python3 functions/files/oracle.py"""

import base64
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, query, response  # noqa: E402

DATA = Path(__file__).resolve().parent / "data"
BYTES = "application/octet-stream"

ABSENT = {
    "absent": "absent",
    "empty-name": "",
    "dot": ".",
    "above": "..",
    "above-file": "../function.toml",
    "above-nested": "inner/../../function.toml",
    "above-backslash": "..\\function.toml",
    "absolute": "/etc/passwd",
    "absolute-data": "/data/hello.txt",
    "slash-after": "hello.txt/",
    "slash-above": "hello.txt/../hello.txt",
    "nul": "hello.txt\0",
    "nul-inside": "hello\0.txt",
    "encoded-twice": "%2e%2e%2ffunction.toml",
    "link-out": "out",
    "link-above": "above",
    "link-inside": "link",
    "folder": "inner",
    "file-of-folder": "inner/file",
    "upper-case": "HELLO.TXT",
    "long": "x" * 300,
}


def answered(body: bytes) -> dict:
    """Bytes that are not text are in base64."""
    try:
        return response(200, BYTES, body.decode("utf-8"))
    except UnicodeDecodeError:
        answer = response(200, BYTES, "")
        del answer["body"]
        return answer | {"body_base64": base64.b64encode(body).decode("ascii")}


def main() -> None:
    cases = Cases(__file__)
    files = sorted(path for path in DATA.iterdir() if path.is_file() and not path.is_symlink())
    lines = sorted(f"{path.name} {path.stat().st_size}\n" for path in files)
    cases.get("list", "", response(200, TEXT, "".join(lines)))
    for path in files:
        cases.get(path.stem, query("file", path.name), answered(path.read_bytes()))
    for name, value in ABSENT.items():
        cases.get(f"no-{name}", query("file", value), response(404, TEXT, "there is no such file"))


if __name__ == "__main__":
    main()
