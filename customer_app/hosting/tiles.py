"""A schematic map in squares of 256 pixels, drawn from nothing but the numbers of the square.

It stands in where no provider of maps is set: streets, blocks, parks and water that fit together
at every edge, the same for everybody, and nobody learns where a driver looks.
"""

import struct
import zlib
from functools import lru_cache
from hashlib import blake2b

SIDE = 256
ZOOM_MIN, ZOOM_MAX = 3, 18
THEMES = ("light", "dark")

_BLOCK = 64
_PER_TILE = SIDE // _BLOCK
_JITTER = 20
_GROUND, _BLOCK_A, _BLOCK_B, _PARK, _WATER, _STREET, _ROAD, _EDGE = range(8)
_COLOURS = {
    "light": "f3f1ec ebe8e1 e6e3dc d5e6d0 c9dfe8 ffffff fbe7b6 dcd8cf",
    "dark": "1d2024 23272c 262a30 203028 1c2f3a 33383f 4a4434 15181b",
}
_SHADES = (_GROUND, _BLOCK_A, _BLOCK_A, _BLOCK_B, _BLOCK_B, _PARK, _GROUND, _BLOCK_A)
_WATER_SHARE = 10


def has_tile(theme: str, zoom: int, x: int, y: int) -> bool:
    """Tell whether there is such a square."""
    inside = ZOOM_MIN <= zoom <= ZOOM_MAX and 0 <= x < 2**zoom and 0 <= y < 2**zoom
    return inside and theme in THEMES


@lru_cache(maxsize=512)
def tile(theme: str, zoom: int, x: int, y: int) -> bytes:
    """Draw a square as PNG; the same bytes for the same numbers. `KeyError` for no such theme."""
    across, down = _streets(zoom, x, "x"), _streets(zoom, y, "y")
    columns = _kinds(across)
    lines: list[bytes] = []
    shown: dict[int, bytes] = {}
    for number, kind in enumerate(_kinds(down)):
        block = _block_of(down, number)
        if kind != _GROUND:
            line = bytes(max(one, kind) if one >= _STREET else kind for one in columns)
        else:
            if block not in shown:
                shown[block] = _block_line(zoom, (x, y), across, columns, block)
            line = shown[block]
        lines.append(b"\0" + line)
    return _png(b"".join(lines), _COLOURS[theme])


def _number(*words: object) -> int:
    """Give a number that looks drawn by lot, the same for the same words."""
    text = " ".join(map(str, words)).encode()
    return int.from_bytes(blake2b(text, digest_size=4).digest(), "big")


def _streets(zoom: int, index: int, axis: str) -> list[tuple[int, int, bool]]:
    """List the streets that cross a square as (first pixel, width, whether it is a road)."""
    found = []
    for step in range(-1, _PER_TILE + 1):
        place = index * _PER_TILE + step
        is_road = place % 8 == 0
        shift = 0 if is_road else _number(zoom, axis, place) % _JITTER
        found.append((step * _BLOCK + shift, 7 if is_road else 3, is_road))
    return found


def _kinds(streets: list[tuple[int, int, bool]]) -> list[int]:
    """Say of each of 256 pixels whether a street covers it."""
    kinds = [_GROUND] * SIDE
    for first, width, is_road in streets:
        for pixel in range(max(first, 0), min(first + width, SIDE)):
            kinds[pixel] = max(kinds[pixel], _ROAD if is_road else _STREET)
    return kinds


def _block_of(streets: list[tuple[int, int, bool]], pixel: int) -> int:
    """Give the number of the street before a pixel: the block it lies in."""
    return max(number for number, street in enumerate(streets) if street[0] <= pixel)


def _block_line(
    zoom: int,
    place: tuple[int, int],
    across: list[tuple[int, int, bool]],
    columns: list[int],
    row: int,
) -> bytes:
    """Draw one line of pixels through a row of blocks."""
    x, y = place
    line = bytearray()
    shades: dict[int, int] = {}
    for pixel, kind in enumerate(columns):
        if kind != _GROUND:
            line.append(kind)
            continue
        column = _block_of(across, pixel)
        if column not in shades:
            block = _number(zoom, x * _PER_TILE + column, y * _PER_TILE + row)
            lake = _number(zoom, (x * _PER_TILE + column) // 3, (y * _PER_TILE + row) // 3)
            shades[column] = _WATER if lake % _WATER_SHARE == 0 else _SHADES[block % len(_SHADES)]
        line.append(shades[column])
    return bytes(line)


def _png(lines: bytes, colours: str) -> bytes:
    """Write pixels of a palette as PNG."""
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 3, 0, 0, 0)
    palette = bytes.fromhex(colours.replace(" ", ""))
    parts = (b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, parts))


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    name, data = part
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
