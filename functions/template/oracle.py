"""The oracle of `template`. Run it with Python 3.11 or later: python3 functions/template/oracle.py

It joins lines, without a template. Python's parser of HTML then reads the page, and must find the texts of the data
again.
"""

import random
import sys
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import JSON, Cases, compact, response  # noqa: E402

HTML = "text/html; charset=utf-8"
NOT_UNDERSTOOD = response(
    400,
    JSON,
    '{"error":"POST an object with a title and orders, as the documentation of the function has it"}',
)

# The characters that the OWASP Cross Site Scripting Prevention rules name, with the slash.
ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "/": "&#x2f;"}
)

FIRST = "Ada Grace Edsger Barbara Donald Frances Alan Radia Dennis Shafi Niklaus Adele Kurt Mary O'Hara Jürgen".split()
LAST = "Lovelace Hopper Dijkstra Liskov Knuth Allen Turing Perlman Ritchie Goldwasser Wirth Goldberg Gödel".split()
GOODS = [
    "Tea & biscuits", "Cable 3/4\"", "Lamp <E27>", "Desk", "Chair", "Pencil \"HB\"", "Paper A4/A3", "Ink", "Stapler",
    "Mug 'Best of 2026'", "Notebook", "Façade paint", "Salt & pepper", "Screws < 5 mm", "Plant pot", "Umbrella",
]
NOTES = [
    "please ring twice", "leave it with the neighbour <2nd floor>", "gift: \"happy birthday\"", "", None,
    "invoice to accounts & controlling", "it's urgent", "deliver between 9/10 and 12/10",
]


def line(chosen: random.Random) -> dict:
    cents = chosen.randint(99, 99_999)
    return {
        "name": chosen.choice(GOODS),
        "quantity": str(chosen.randint(1, 40)),
        "price": f"{cents // 100}.{cents % 100:02}",
    }


def order(chosen: random.Random, number: int) -> dict:
    first, last = chosen.choice(FIRST), chosen.choice(LAST)
    made = {
        "id": f"order-{number:05}",
        "customer": f"{first} {last}",
        "email": f"{last.lower()}.{number}@example.org",
        "note": chosen.choice(NOTES),
        "paid": chosen.random() < 0.7,
        "lines": [line(chosen) for _ in range(chosen.randint(1, 8))],
    }
    if made["note"] is None and chosen.random() < 0.5:
        del made["note"]
    return made


def random_page(count: int) -> dict:
    chosen = random.Random(count)
    return {"title": f"{count} orders of today", "orders": [order(chosen, i + 1) for i in range(count)]}


def escaped(text: str) -> str:
    return text.translate(ESCAPES)


def lines_of(page: dict):
    yield from ("<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">')
    yield from (f"<title>{escaped(page['title'])}</title>", "</head>", "<body>")
    yield f"<h1>{escaped(page['title'])}</h1>"
    for index, entry in enumerate(page["orders"], 1):
        email = escaped(entry["email"])
        state = "paid" if entry["paid"] else "open"
        yield f'<section id="{escaped(entry["id"])}">'
        yield f"<h2>{index}. {escaped(entry['customer'])}</h2>"
        yield f'<p class="{state}"><a href="mailto:{email}">{email}</a></p>'
        if entry.get("note"):
            yield f"<blockquote>{escaped(entry['note'])}</blockquote>"
        yield "<table>"
        for item in entry["lines"]:
            cells = "".join(f"<td>{escaped(item[key])}</td>" for key in ("name", "quantity", "price"))
            yield f"<tr>{cells}</tr>"
        yield from ("</table>", "</section>")
    yield from ("</body>", "</html>")


class Texts(HTMLParser):
    """The texts of a page, and the addresses of its links, in their order."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("id", "href")]

    def handle_data(self, data):
        self.found += [data] if data.strip() else []


def texts_of(page: dict):
    yield from (page["title"], page["title"])
    for index, entry in enumerate(page["orders"], 1):
        yield from (entry["id"], f"{index}. {entry['customer']}", f"mailto:{entry['email']}", entry["email"])
        yield from [entry["note"]] if entry.get("note") else []
        for item in entry["lines"]:
            yield from (item["name"], item["quantity"], item["price"])


def rendered(page: dict) -> str:
    text = "".join(f"{line}\n" for line in lines_of(page))
    parser = Texts()
    parser.feed(text)
    parser.close()
    assert parser.found == [text for text in texts_of(page) if text.strip()], page["title"]
    return text


def good(cases: Cases) -> None:
    for count in (0, 1, 40):
        page = random_page(count)
        cases.post(f"orders-{count}", compact(page), response(200, HTML, rendered(page)))
    page = random_page(2500)
    body = cases.keep("orders-2500.body", compact(page).encode("utf-8"))
    cases.post("orders-2500", body, response(200, HTML, cases.keep("orders-2500.html", rendered(page))))

    odd = "<script>alert('1')</script> & \"2\" \\ / \U0001f600 \ufffd é {{ title }} {% if %} $& ${1} `"
    line = {"name": odd, "quantity": "", "price": "</td>"}
    entry = {"id": odd, "customer": odd, "email": odd, "note": odd, "paid": False, "lines": [line]}
    page = {"title": odd, "orders": [entry]}
    cases.post("odd-text", compact(page), response(200, HTML, rendered(page)))
    extended = {"x": [None], "title": odd, "orders": [entry | {"lines": [line | {"y": 1e99}]}]}
    cases.post("more-fields", compact(extended), response(200, HTML, rendered(page)))


def bad(cases: Cases) -> None:
    cases.get("bad-method", "", NOT_UNDERSTOOD)
    page = random_page(1)
    entry = page["orders"][0]
    item = entry["lines"][0]

    def with_order(**changes) -> str:
        return compact({"title": "", "orders": [entry | changes]})

    bodies = {
        "empty": "",
        "truncated": compact(page)[:-2],
        "array": "[]",
        "null": "null",
        "positional": compact(["title", []]),
        "title-number": compact(page | {"title": 1}),
        "title-surrogate": '{"title":"\\udc00","orders":[]}',
        "orders-object": compact(page | {"orders": {}}),
        "order-null": compact(page | {"orders": [None]}),
        "order-positional": compact(page | {"orders": [list(entry.values())]}),
        "note-number": with_order(note=1),
        "paid-text": with_order(paid="true"),
        "paid-null": with_order(paid=None),
        "lines-null": with_order(lines=None),
        "line-number": with_order(lines=[item | {"quantity": 1}]),
        "line-missing": with_order(lines=[{"name": "", "price": ""}]),
        "deep": '{"title":' + "[" * 200 + "]" * 200 + "}",
    }
    for key in ("id", "customer", "email", "paid", "lines"):
        bodies[f"no-{key}"] = compact({"title": "", "orders": [{k: v for k, v in entry.items() if k != key}]})
    for name, body in bodies.items():
        cases.post(f"bad-{name}", body, NOT_UNDERSTOOD)


if __name__ == "__main__":
    cases = Cases(__file__)
    good(cases)
    bad(cases)
