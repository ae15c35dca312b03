"""The oracle of `blake3`: the PyPI package `blake3` (1.0.11), a binding of BLAKE3's reference code.

Run it with Python 3.11 or later:

    python3 -m venv oracle && oracle/bin/pip install blake3==1.0.11
    oracle/bin/python functions/blake3/oracle.py

The inputs are those of BLAKE3's test vectors: the bytes 0, 1, ... 250, repeated.
"""

import sys
from pathlib import Path

from blake3 import blake3

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, query, response  # noqa: E402

OUT_OF_RANGE = response(400, TEXT, "times must be a whole number from 1 to 1000000")

# Around the size of a block (64) and of a chunk (1024), and trees: balanced, unbalanced, deep.
LENGTHS = (0, 1, 64, 65, 1023, 1024, 1025, 3072, 8192, 31744)


def hashed(body: bytes) -> dict:
    return response(200, TEXT, blake3(body).hexdigest())


def main() -> None:
    cases = Cases(__file__)
    for length in LENGTHS:
        body = bytes(i % 251 for i in range(length))
        cases.post(f"bytes-{length}", body, hashed(body))
    cases.post("hello-world", "Hello World", hashed(b"Hello World"))
    cases.post("times-3", "Hello World", hashed(b"Hello World"), query="times=3")
    for name, text in {"none": "", "zero": "0", "word": "many", "negative": "-1", "huge": "1000001"}.items():
        cases.post(f"bad-times-{name}", "Hello World", OUT_OF_RANGE, query=query("times", text))
    cases.get("get", "", hashed(b""))


if __name__ == "__main__":
    main()
