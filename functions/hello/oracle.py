"""The oracle of `hello`. Run it with Python 3.11 or later: python3 functions/hello/oracle.py"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import JSON, Cases, compact, query, response  # noqa: E402

NOT_UNDERSTOOD = response(
    400, JSON, '{"error":"the body must be a JSON object, with a string as myName if it has one"}'
)

ODD_NAMES = {
    "quotes": 'Ada "the first" \\ Lovelace/Byron',
    "controls": "".join(map(chr, range(32))) + "\x7f",
    "umlauts": "Jürgen Müller & Söhne",
    "astral": "𝄞 \U0001f600 \ufffd\u2028\u2029",
    "empty": "",
}

# A recursive parser would overflow the stack of a sandbox at this depth.
DEEP_OBJECT = '{"myName":' * 200 + "1" + "}" * 200
DEEP_ARRAY = "[" * 200 + "]" * 200

NOT_OBJECTS = {
    "bad-empty": "",
    "bad-truncated": '{"myName":"Wor',
    "bad-trailing": '{"myName":"World"} x',
    "bad-array": '["World"]',
    "bad-null": "null",
    "bad-number": '{"myName":5}',
    "bad-nested": '{"myName":{"myName":"Eve"}}',
    "bad-deep": DEEP_OBJECT,
    "bad-deep-array": f'{{"myName":{DEEP_ARRAY}}}',
    "bad-bool": "true",
    "bad-text": '"World"',
    "bad-control": '{"myName":"a\nb"}',
    "bad-surrogate": '{"myName":"\\ud83d"}',
}


def hello(name: str) -> dict:
    return response(200, JSON, compact({"message": f"Hello {name}"}))


def main() -> None:
    cases = Cases(__file__)
    cases.get("world", "", hello("World"))
    cases.get("query-other", "yourName=Eve", hello("World"))
    cases.get("query-first", "other=1&myName=Ada+Lovelace&myName=Eve", hello("Ada Lovelace"))
    cases.get("query-invalid-percent", "myName=100%25%zz%", hello("100%%zz%"))
    cases.get("query-invalid-utf8", "myName=a%ffb%f0%9f%98c", hello("a\ufffdb\ufffdc"))
    for name, text in ODD_NAMES.items():
        cases.get(f"query-{name}", query("myName", text), hello(text))
        cases.post(f"body-{name}", compact({"myName": text}), hello(text))
        cases.post(f"body-{name}-ascii", json.dumps({"myName": text}), hello(text))
    cases.post("body", compact({"myName": "World"}), hello("World"))
    cases.post("body-default", "{}", hello("World"))
    cases.post("body-null", '{"myName":null}', hello("World"))
    cases.post("body-other", ' {"a":[1,{"myName":"Eve"}],"\\u006dyName":"Ada","z":1e999} ', hello("Ada"))
    cases.post("body-twice", '{"myName":[5],"myName":{"myName":"Eve"},"myName":"Ada"}', hello("Ada"))
    cases.post("body-deep", f'{{"a":{DEEP_ARRAY},"myName":{DEEP_OBJECT},"myName":"Ada"}}', hello("Ada"))
    # Fetch reads text so: it drops a byte order mark and replaces malformed UTF-8.
    cases.post("body-bom", b'\xef\xbb\xbf{"myName":"Ada"}', hello("Ada"))
    cases.post("body-invalid-utf8", b'{"myName":"a\xffb\xf0\x9f\x98c"}', hello("a\ufffdb\ufffdc"))
    for name, body in NOT_OBJECTS.items():
        cases.post(name, body, NOT_UNDERSTOOD)


if __name__ == "__main__":
    main()
