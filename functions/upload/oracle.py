"""The oracle of `upload`. Run it with Python 3.11 or later: python3 functions/upload/oracle.py"""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import JSON, Cases, compact, response  # noqa: E402

# Around the size of a block (64) and of a piece (65536).
LENGTHS = (0, 1, 55, 56, 64, 65, 65535, 65536, 65537, 200000)


def hashed(body: bytes) -> dict:
    answer = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
    return response(200, JSON, compact(answer))


def main() -> None:
    cases = Cases(__file__)
    for length in LENGTHS:
        body = bytes(i % 251 for i in range(length))
        cases.post(f"bytes-{length}", body, hashed(body))
    cases.get("get", "", hashed(b""))


if __name__ == "__main__":
    main()
