"""The oracle of `markdown`: the examples of the CommonMark Spec, and the library cmark for a longer text.

Run it with Python 3.11 or later:

    python3 -m venv oracle && oracle/bin/pip install cmarkgfm==2025.10.22
    npm pack commonmark-spec@0.31.2 && tar -xf commonmark-spec-0.31.2.tgz package/spec.txt
    oracle/bin/python functions/markdown/oracle.py package/spec.txt

cmark is the reference implementation in C. The package `cmarkgfm` binds a fork of it, whose extensions are off
here. The examples are by John MacFarlane, under the licence CC BY-SA 4.0
(https://spec.commonmark.org/0.31.2/).
"""

import random
import re
import sys
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, response  # noqa: E402

HTML = "text/html; charset=utf-8"

EXAMPLE = re.compile(r"^`{32} example\n(.*?)^\.\n(.*?)^`{32}$|^#{1,2} +(.*?)$", re.MULTILINE | re.DOTALL)

# Examples that a library answers with another spelling of the same document: `pulldown-cmark` writes quotation marks
# in text as they are, `markdown-it` has no line end in an empty quotation.
OTHER_SPELLINGS = {
    12, 14, 27, 41, 91, 175, 209, 210, 211, 218, 239, 240, 343, 352, 359, 363, 380, 385, 395, 508, 590, 619, 620, 624,
    632,
}

WORDS = """
a an the of in on with without through under over beside guest host module memory page stack thread request answer
function sandbox instance pool engine compiler snapshot image kernel socket stream piece queue worker clock report
measures starts stops waits computes copies maps reads writes keeps drops shares grants refuses counts compares
small large quick slow fresh warm cold idle busy safe plain whole empty same other first last next every no
""".split()


def examples(spec: str) -> dict[str, list[tuple[int, str, str]]]:
    """Number, Markdown and HTML of the examples of each section."""
    sections: dict[str, list[tuple[int, str, str]]] = {}
    section, number = "", 0
    for markdown, html, heading in EXAMPLE.findall(spec):
        if heading:
            section = heading
            continue
        number += 1
        # The spec shows tabs as arrows.
        pair = (markdown.replace("→", "\t"), html.replace("→", "\t"))
        sections.setdefault(section, []).append((number, *pair))
    return sections


def phrase(chosen: random.Random, count: int) -> str:
    return " ".join(chosen.choice(WORDS) for _ in range(count))


FORMS = [
    "{}", "{}", "{}", "*{}*", "**{}**", "***{}***", "_{}_", "`{}`", "`` {} ` ``", "[{}](https://example.org/a)",
    "[{}](/b 'a title')", "[{}][one]", "![{}](image.png)", "{} &amp; {}", "{} \\*", "{} &copy;", "{} < {} > {}",
    "**{} *{}***", "<b>{}</b>", "[{}]", "{} é ü 漢字 \U0001f600", "<https://example.org/?a=1&b=2> {}",
]


def sentence(chosen: random.Random) -> str:
    parts = []
    for _ in range(chosen.randint(2, 5)):
        words = phrase(chosen, chosen.randint(1, 5))
        parts.append(chosen.choice(FORMS).format(*[words] * 3))
    return " ".join(parts)


def paragraph(chosen: random.Random) -> str:
    ends = ["\n", "\n", "  \n", "\\\n"]
    lines = [sentence(chosen) for _ in range(chosen.randint(1, 4))]
    return "".join(line + chosen.choice(ends) for line in lines[:-1]) + lines[-1] + ".\n"


def indented(text: str, first: str) -> str:
    """A block as the content of a list item or of a quotation."""
    rest = first if first == "> " else " " * len(first)
    lines = text.splitlines()
    return "".join(f"{(rest if i else first) if line else rest.rstrip()}{line}\n" for i, line in enumerate(lines))


def block(chosen: random.Random, depth: int) -> str:
    kind = chosen.choice(["heading", "code", "rule", "html", "quote", "list", "numbers", *["paragraph"] * 5])
    if kind == "heading":
        return f"{'#' * chosen.randint(2, 4)} {phrase(chosen, 4)}\n"
    if kind == "code":
        lines = [f"    let {chosen.choice(WORDS)} = {phrase(chosen, 2)}; // <{i}> & more" for i in range(4)]
        body = "\n".join(lines)
        return chosen.choice([f"```rust\n{body}\n```\n", f"~~~\n{body}\n~~~\n", f"{body}\n"])
    if kind == "rule":
        return chosen.choice(["---\n", "***\n", "_ _ _\n"])
    if kind == "html" and depth == 0:
        return f"<div class=\"note\">\n{phrase(chosen, 6)}\n</div>\n"
    if kind in ("quote", "list", "numbers") and depth < 3:
        if kind == "quote":
            return indented("\n".join(block(chosen, depth + 1) for _ in range(2)), "> ")
        mark = "- " if kind == "list" else "1. "
        between = chosen.choice(["", "\n"])
        items = [indented(paragraph(chosen), mark) for _ in range(chosen.randint(2, 4))]
        if chosen.random() < 0.5:
            items[-1] += "\n" + indented(block(chosen, depth + 1), " " * len(mark))
        return between.join(items)
    return paragraph(chosen)


def article(blocks: int) -> str:
    chosen = random.Random(blocks)
    parts = [f"# {phrase(chosen, 3)}\n", *[block(chosen, 0) for _ in range(blocks)]]
    # A comment ends a list: the next list would continue it, or code would belong to it.
    text = "\n<!-- -->\n\n".join(parts)
    return text + "\n[one]: https://example.org/one?a=1&b=2 'the first'\n"


def main(spec: str) -> None:
    cases = Cases(__file__)
    for section, found in examples(spec).items():
        usable = [example for example in found if example[0] not in OTHER_SPELLINGS]
        # The longest example of a section has the most of it.
        number, markdown, html = max(usable, key=lambda example: len(example[1]))
        name = re.sub(r"[^a-z]+", "-", section.lower()).strip("-")
        cases.post(f"spec-{name}-{number}", markdown.encode("utf-8"), response(200, HTML, html))

    text = article(60)
    html = cmarkgfm.cmark.markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    cases.post("article", cases.keep("article.md", text), response(200, HTML, cases.keep("article.html", html)))
    cases.post("empty", b"", response(200, HTML, ""))
    # Fetch reads text so: it drops a byte order mark and replaces malformed UTF-8.
    cases.post("bom", b"\xef\xbb\xbf# a", response(200, HTML, "<h1>a</h1>\n"))
    cases.post("invalid-utf8", b"a\xffb", response(200, HTML, "<p>a\ufffdb</p>\n"))
    cases.get("bad-method", "", response(400, TEXT, "POST a text in Markdown"))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"))
