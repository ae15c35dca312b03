"""Writes a WASI command by hand, byte by byte: shared by the oracles of the functions `module-*`.

They are the least that can be started: no page of memory, one page, a data segment. The modules of the published
measurement were only instantiated. To answer a request, a module needs what every WASI command exports: a
memory, which may have no page, and the function `_start`, which is empty. The answer is empty then.

The sections are those of the WebAssembly core specification, chapter 5 (binary format).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cases import TEXT, Cases, response  # noqa: E402


def write(oracle: str, pages: int, data: bytes) -> None:
    """`(module (memory (export "memory") PAGES) (data (i32.const 0) DATA) (func (export "_start")))`

    Without data there is no segment.
    """
    folder = Path(oracle).resolve().parent
    sections = [
        section(1, vector([b"\x60\x00\x00"])),  # a type: no parameters, no results
        section(3, vector([b"\x00"])),  # a function of that type
        section(5, vector([b"\x00" + number(pages)])),  # a memory without a maximum
        section(7, vector([name("memory") + b"\x02\x00", name("_start") + b"\x00\x00"])),
        section(10, vector([sized(b"\x00\x0b")])),  # no locals, `end`
    ]
    if data:
        sections.append(section(11, vector([b"\x00\x41\x00\x0b" + sized(data)])))
    (folder / f"{folder.name}.wasm").write_bytes(b"\x00asm\x01\x00\x00\x00" + b"".join(sections))
    # It writes nothing to its standard output.
    Cases(oracle).get("empty", "", response(200, TEXT, ""))


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + sized(content)


def vector(items: list[bytes]) -> bytes:
    return number(len(items)) + b"".join(items)


def name(text: str) -> bytes:
    return sized(text.encode("ascii"))


def sized(content: bytes) -> bytes:
    return number(len(content)) + content


def number(value: int) -> bytes:
    """Unsigned LEB128: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
