"""Small pictures that are right to the last byte, and what a camera adds to them."""

import base64
import struct
import zlib

JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcp"
    "LDAxNDQ0Hyc5PTgyPC4zNDL/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/"
    "2gAIAQEAAD8AVN//2Q=="
)
"""One pixel."""

PDF = b"%PDF-1.7\n" + b"words " * 40 + b"\n%%EOF\n"


def chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
HEAD = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
BODY = chunk(b"IDAT", zlib.compress(b"\x00\x7f"))
END = chunk(b"IEND", b"")
PNG = PNG_BEGIN + HEAD + BODY + END
"""One grey pixel."""


def part(marker: int, data: bytes) -> bytes:
    """A part of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def exif(way: int, order: str = "<") -> bytes:
    """A part as a camera writes it: maker, which way up, and a place."""
    begin = b"II*\x00" if order == "<" else b"MM\x00*"
    entries = (
        struct.pack(f"{order}HHI4s", 0x010F, 2, 4, b"Cam\x00"),
        struct.pack(f"{order}HHIHH", 0x0112, 3, 1, way, 0),
        struct.pack(f"{order}HHII", 0x8825, 4, 1, 62),
    )
    tiff = begin + struct.pack(f"{order}IH", 8, len(entries)) + b"".join(entries) + bytes(4)
    return part(0xE1, b"Exif\x00\x00" + tiff + b"48.8584N 2.2945E")
