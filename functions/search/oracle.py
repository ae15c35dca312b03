#!/usr/bin/env python3
"""Writes the cases of `search`: python3 functions/search/oracle.py

The titles are sets of words here, and a search looks at every title.
"""

import sys
from itertools import islice, product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from cases import JSON, Cases, compact, response  # noqa: E402

SYLLABLES = ["".join(pair) for pair in product("bdfgklmnprst", "aeiou")]
WORDS = ["".join(pair) for pair in product(SYLLABLES, repeat=2)]
ERROR = {"error": "words must be 1 to 8 words, with a space between them"}


def numbers():
    state = 1
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield state // 256 % len(WORDS)


def titles():
    source = numbers()
    words = (WORDS[min(pair)] for pair in zip(source, source))
    return [list(islice(words, 8)) for _ in range(150_000)]


def expected(all_titles, words):
    found = [number for number, title in enumerate(all_titles) if set(words) <= set(title)]
    first = [{"id": number, "title": " ".join(all_titles[number])} for number in found[:5]]
    return response(200, JSON, compact({"found": len(found), "first": first}))


def main() -> None:
    cases = Cases(__file__)
    all_titles = titles()
    last = all_titles[-1]
    searches = {
        "two-words": ["baba", "babe"],
        "one-word": ["bobu"],
        "rare-word": [WORDS[-1]],
        "last-title": last,
        "same-word-twice": ["babi", "babi"],
        "unknown-word": ["baba", "xylophone"],
        "other-letters": ["Baba"],
    }
    for name, words in searches.items():
        cases.get(name, "words=" + "+".join(words), expected(all_titles, words))
    cases.get("spaces", "words=++baba++babe+", expected(all_titles, ["baba", "babe"]))
    for name, query in {"no-words": "", "only-spaces": "words=++", "nine-words": "words=" + "+".join(["baba"] * 9)}.items():
        cases.get(name, query, response(400, JSON, compact(ERROR)))


main()
