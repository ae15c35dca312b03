"""Writes the cases of a function; shared by the oracles, functions/*/oracle.py.

An oracle computes the expected responses without the code under test.
A second run writes the same bytes and removes cases that the oracle no longer makes.
"""

import base64
import json
from pathlib import Path
from urllib.parse import quote_plus

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Cases:
    """The folder `cases` beside the oracle. The constructor empties it.

    A body is text, bytes, or what `keep` returns.
    """

    def __init__(self, oracle: str):
        self.folder = Path(oracle).resolve().parent / "cases"
        self.folder.mkdir(exist_ok=True)
        for old in self.folder.iterdir():
            old.unlink()

    def keep(self, name: str, content: str | bytes) -> dict:
        """Writes a large body to a file of its own, which lies beside the case."""
        (self.folder / name).write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return {"body_file": name}

    def get(self, name: str, query: str, response: dict) -> None:
        self._write(name, {"method": "GET", "query": query}, response)

    def post(self, name: str, body: str | bytes | dict, response: dict, query: str = "") -> None:
        request = {"method": "POST"} | ({"query": query} if query else {})
        if isinstance(body, str):
            request["headers"] = {"content-type": JSON}
        self._write(name, request | in_case(body), response)

    def _write(self, name: str, request: dict, response: dict) -> None:
        case = {"request": request, "response": response}
        text = json.dumps(case, ensure_ascii=False, indent=2) + "\n"
        (self.folder / f"{name}.json").write_text(text, encoding="utf-8")


def response(status: int, content_type: str, body: str | bytes | dict) -> dict:
    return {"status": status, "headers": {"content-type": content_type}} | in_case(body)


def in_case(body: str | bytes | dict) -> dict:
    if isinstance(body, bytes):
        return {"body_base64": base64.b64encode(body).decode("ascii")}
    return {"body": body} if isinstance(body, str) else body


def compact(value) -> str:
    """JSON without white space, with only the escapes that JSON requires."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def query(name: str, value: str) -> str:
    return f"{name}={quote_plus(value)}"
