"""The oracle of `regex`. Run it with Python 3.11 or later: python3 functions/claims/regex/oracle.py"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from cases import TEXT, Cases, query, response  # noqa: E402

TEXTS = {
    "hello": "hello",
    "number": "1234567890",
    "one": "1",
    "two": "2",
    "empty": "",
    "letter": "12a",
    "sign": "-1",
    "second-line": "2\n1",
    "line-break": "1\n",
    "arabic-digits": "1\u0662\u0663",
    "superscript": "1\u00b2",
    "astral-digits": "1\U0001d7ce",
}


def main() -> None:
    cases = Cases(__file__)
    for name, text in TEXTS.items():
        # Python's `$` would also match before a line break at the end.
        matches = re.fullmatch(r"1\d*", text) is not None
        cases.get(name, query("text", text), response(200, TEXT, str(matches).lower()))
    cases.get("bad-no-text", "", response(400, TEXT, "the query needs `text`"))


if __name__ == "__main__":
    main()
