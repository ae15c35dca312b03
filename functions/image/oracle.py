"""The oracle of `image`: fractions for the means, and Pillow for the files.

Run it with Python 3.11 or later:

    python3 -m venv oracle && oracle/bin/pip install pillow==13.0.0 numpy==2.4.6
    oracle/bin/python functions/image/oracle.py

The means are exact fractions here, pixel by pixel. Where the new size divides the old one, Pillow's own reduction must
give the same pixels, to within its rounding.
"""

import io
import math
import random
import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import TEXT, Cases, response  # noqa: E402

PNG = "image/png"
BAD_SIZE = response(400, TEXT, "the query needs width and height, whole numbers from 1 to 2048")
BAD_IMAGE = response(
    400, TEXT, "POST a PNG image with 8 bits a channel, RGB or RGBA, not interlaced, of 4194304 pixels at most"
)

STORED_BLOCK_MAX = 65535


def photo(width: int, height: int, mode: str) -> Image.Image:
    """A sky, hills and a sun, with the noise that makes photographs hard to compress."""
    chosen = random.Random(width * height)
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        light = y * 255 // height
        draw.line([(0, y), (width, y)], fill=(light // 3, light // 2, 255 - light // 2, 255 - light // 4))
    draw.ellipse([width // 2, height // 8, width // 2 + height // 4, height * 3 // 8], fill=(255, 230, 120, 255))
    for hill in range(6):
        left = width * (hill - 1) // 5
        box = [left, height * (10 + hill % 3) // 16, left + width // 2, height * 2]
        draw.ellipse(box, fill=(30 + 20 * hill, 110 - 10 * hill, 40, 255 - 30 * hill))
    pixels = numpy.asarray(image).astype(int)
    noise = [[chosen.randint(-6, 6) for _ in range(width)] for _ in range(height)]
    pixels[:, :, :3] += numpy.array(noise)[:, :, None]
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8), "RGBA").convert(mode)


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def coverage(count: int, new_count: int) -> list[list[tuple[int, Fraction]]]:
    """For each new pixel of a side, the old ones that it covers, and how much of each."""
    size = Fraction(count, new_count)
    covered = []
    for index in range(new_count):
        start, end = index * size, (index + 1) * size
        old = range(math.floor(start), math.ceil(end))
        covered.append([(i, min(end, Fraction(i + 1)) - max(start, Fraction(i))) for i in old])
    return covered


def whole(value: Fraction) -> int:
    """To the nearest whole number, halves upwards."""
    return math.floor(value + Fraction(1, 2))


def resized(image: Image.Image, width: int, height: int) -> numpy.ndarray:
    pixels = numpy.asarray(image.convert("RGBA")).astype(int).tolist()
    columns, rows = coverage(image.width, width), coverage(image.height, height)
    # Whole weights: the same fractions, all multiplied by the new sides.
    columns = [[(x, int(part * width)) for x, part in column] for column in columns]
    rows = [[(y, int(part * height)) for y, part in row] for row in rows]
    result = numpy.zeros((height, width, 4), numpy.uint8)
    for to_y, row in enumerate(rows):
        for to_x, column in enumerate(columns):
            parts = [(pixels[y][x], across * down) for y, down in row for x, across in column]
            area = sum(weight for _, weight in parts)
            opacity = sum(pixel[3] * weight for pixel, weight in parts)
            for channel in range(3):
                colour = sum(pixel[channel] * pixel[3] * weight for pixel, weight in parts)
                result[to_y, to_x, channel] = whole(Fraction(colour, opacity)) if opacity else 0
            result[to_y, to_x, 3] = whole(Fraction(opacity, area))
    check_with_pillow(image, result)
    return result


def check_with_pillow(image: Image.Image, result: numpy.ndarray) -> None:
    """Only for opaque images: Pillow rounds twice where it weights by opacity."""
    height, width, _ = result.shape
    if image.mode == "RGB" and image.width % width == 0 and image.height % height == 0:
        reduced = numpy.asarray(image.reduce((image.width // width, image.height // height))).astype(int)
        assert abs(reduced - result[:, :, :3]).max() <= 1


def stored(pixels: numpy.ndarray) -> bytes:
    """A PNG image whose pixels are stored blocks, as long as they can be."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    blocks = [lines[at : at + STORED_BLOCK_MAX] for at in range(0, len(lines), STORED_BLOCK_MAX)]
    data = b"\x78\x01"
    for index, block in enumerate(blocks):
        data += struct.pack("<BHH", index == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
    data += struct.pack(">I", zlib.adler32(lines))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    assert (numpy.asarray(Image.open(io.BytesIO(file))) == pixels).all()
    return file


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def good(cases: Cases) -> None:
    def case(name: str, image: Image.Image, width: int, height: int, **options) -> None:
        expected = stored(resized(image, width, height))
        cases.post(name, png(image, **options), response(200, PNG, expected), f"width={width}&height={height}")

    image = photo(320, 240, "RGB")
    answer = cases.keep("photo-to-80x60.png", stored(resized(image, 80, 60)))
    cases.post("photo-to-80x60", cases.keep("photo.png", png(image)), response(200, PNG, answer), "width=80&height=60")

    small, clear = photo(40, 30, "RGB"), photo(40, 30, "RGBA")
    case("same-size", small, 40, 30)
    case("odd-size", small, 17, 11)
    case("larger", photo(5, 4, "RGB"), 13, 9)
    case("one-pixel", small, 1, 1)
    case("one-line", small, 1, 30)
    case("clear", clear, 20, 15)
    case("clear-odd-size", clear, 7, 19)
    case("nothing-seen", Image.new("RGBA", (3, 3), (200, 100, 50, 0)), 2, 2)
    case("stored-source", small, 10, 10, compress_level=0)
    case("best-compression", clear, 10, 10, compress_level=9)
    # The result is longer than one block, and ends with a short one.
    case("two-blocks", photo(32, 24, "RGB"), 160, 120)
    # The longest line and 255 pixels to a sum.
    case("wide", photo(1020, 2, "RGB"), 4, 2)


def bad(cases: Cases) -> None:
    size = "width=4&height=4"
    image = photo(40, 30, "RGB")
    file = png(image)
    broken = bytearray(file)
    broken[len(file) // 2] ^= 1
    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4096, 1025, 8, 2, 0, 0, 0))
    bodies = {
        "empty": b"",
        "text": b"an image",
        "signature-only": file[:8],
        "truncated": file[: len(file) // 2],
        "no-end": file[:-12],
        "bit-error": bytes(broken),
        "huge": huge + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        "grey": png(image.convert("L")),
        "palette": png(image.convert("P")),
        "interlaced": interlaced(image),
        "transparent-colour": png(image, transparency=(0, 0, 0)),
        "16-bit": deep(image),
        "jpeg": jpeg(image),
    }
    for name, body in bodies.items():
        cases.post(f"bad-{name}", body, BAD_IMAGE, size)
    cases.get("bad-method", size, BAD_IMAGE)
    sizes = {"none": "", "zero": "width=0&height=4", "2049": "width=4&height=2049", "sign": "width=%2B4&height=4"}
    for name, text in sizes.items():
        cases.post(f"bad-size-{name}", file, BAD_SIZE, text)


def interlaced(image: Image.Image) -> bytes:
    """The image in the seven passes of Adam7 (https://www.w3.org/TR/png-3/#8Interlace), which Pillow cannot write."""
    pixels = numpy.asarray(image)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    lines = b""
    for x, y, every_x, every_y in passes:
        lines += b"".join(b"\0" + line.tobytes() for line in pixels[y::every_y, x::every_x] if line.size)
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    data = zlib.compress(lines)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    assert (numpy.asarray(Image.open(io.BytesIO(file))) == pixels).all()
    return file


def deep(image: Image.Image) -> bytes:
    """The image with 16 bits a channel, which Pillow cannot write."""
    pixels = numpy.asarray(image).astype(">u2") * 257
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", image.width, image.height, 16, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


if __name__ == "__main__":
    cases = Cases(__file__)
    good(cases)
    bad(cases)
