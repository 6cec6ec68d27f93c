"""Pictures and documents of drivers: known by their content, and rid of what a camera adds.

A picture is taken apart and put together of the parts that draw it, so it leaves place, time, owner
and device of the camera behind, and whatever hung at its end: a JPEG (ITU-T T.81) keeps its tables
and scans, JFIF and Adobe markers and colour profile, a PNG (ISO/IEC 15948) its critical chunks and
those that say how colours are meant. Of Exif (CIPA DC-008) which way up stays. Nothing is decoded:
not a pixel changes. A PDF is taken as it is, when nothing follows its end.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from ledger.kernel.errors import Malformed

JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"
PIXELS_MAX = 100_000_000
"""Whoever opens a larger picture may run out of memory."""

_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
_PDF = re.compile(rb"%PDF-[12]\.")
_PDF_END = b"%%EOF"
_PDF_TAIL_BYTES = 2_048


def cleaned(data: bytes) -> tuple[str, bytes]:
    """Tell what a file is, and give it without what does not belong to it.

    Raises:
        Malformed: no JPEG, PNG or PDF, or broken; nothing else, whatever the bytes.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return JPEG, b"".join(_jpeg(data))
        if data.startswith(_PNG_BEGIN):
            return PNG, b"".join(_png(data))
    except (struct.error, IndexError) as error:
        raise _broken() from error
    tail = data[-_PDF_TAIL_BYTES:].rpartition(_PDF_END)
    if _PDF.match(data) and tail[1] and not tail[2].strip():
        return PDF, data
    raise _broken()


def _broken() -> Malformed:
    return Malformed("a JPEG, a PNG or a PDF, as its Content-Type says", field="body")


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= PIXELS_MAX:
        raise Malformed(f"at most {PIXELS_MAX} pixels", field="body")


# JPEG -------------------------------------------------------------------------

_EOI, _SOS, _APP0, _APP1, _APP2, _APP14, _COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
"""Markers without a length; none of them stands between the parts of a picture (B.1.1.3)."""

_MARKED = {_APP0: b"JFIF\x00", _APP2: b"ICC_PROFILE\x00", _APP14: b"Adobe"}
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EXIF = b"Exif\x00\x00"
_ORIENTATION, _SHORT = 0x0112, 3
_BEGINS = 0xFF
"""The first byte of every marker."""

_LENGTH_BYTES = 2
_ENTRIES_MAX = 1_000


def _jpeg(data: bytes) -> Iterator[bytes]:
    """Yield the parts of a JPEG that draw it, each with its marker (B.1.1.4)."""
    yield data[:2]
    at, has_frame, has_scan = 2, False, False
    while True:
        if data[at] != _BEGINS:
            raise _broken()
        while data[at] == _BEGINS:  # fill bytes are as many as there may be
            at += 1
        marker, at = data[at], at + 1
        if marker == _EOI:
            break
        (length,) = struct.unpack_from(">H", data, at)
        part = data[at + 2 : at + length]
        if marker in _ALONE or length < _LENGTH_BYTES or len(part) != length - _LENGTH_BYTES:
            raise _broken()
        if marker in _FRAMES:
            has_frame = True
            _check_size(*struct.unpack_from(">HH", part, 1))
        kept = _kept(marker, part)
        if kept is not None:
            yield struct.pack(">BBH", 0xFF, marker, len(kept) + 2) + kept
        at += length
        if marker == _SOS:
            found = _AFTER_SCAN.search(data, at)
            if found is None:
                raise _broken()
            yield data[at : found.start()]
            at, has_scan = found.start(), True
    if not (has_frame and has_scan):
        raise _broken()
    yield b"\xff\xd9"


def _kept(marker: int, part: bytes) -> bytes | None:
    """Give what stays of a part; None for one that goes."""
    if marker == _APP1:
        way = _orientation(part)
        return None if way is None else _upright(way)
    if marker in _MARKED:
        return part if part.startswith(_MARKED[marker]) else None
    return None if marker == _COM or _APP0 <= marker <= _APP0 + 15 else part


def _orientation(part: bytes) -> int | None:
    """Read which way up a picture is, 2 to 8 (DC-008 4.6.4 A); None for the usual or none."""
    tiff = part.removeprefix(_EXIF)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if tiff == part or order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        for number in range(min(count, _ENTRIES_MAX)):
            at = first + 2 + 12 * number
            tag, kind, _, way = struct.unpack_from(f"{order}HHIH", tiff, at)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return way if 2 <= way <= 8 else None  # noqa: PLR2004 - as the standard counts
    except struct.error:
        return None
    return None


def _upright(way: int) -> bytes:
    """Write an Exif part that says nothing but which way up."""
    entry = struct.pack(">HHIHH", _ORIENTATION, _SHORT, 1, way, 0)
    return _EXIF + b"MM\x00*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


# PNG --------------------------------------------------------------------------

_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_COLOURS = frozenset({b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"cICP"})
_HEAD_BYTES = 13
_LOWER = 0x20
"""Set in the first letter of a chunk that may be passed over (5.4)."""


def _png(data: bytes) -> Iterator[bytes]:
    """Yield the chunks of a PNG that draw it."""
    yield _PNG_BEGIN
    at, name, seen = len(_PNG_BEGIN), b"", []
    while name != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        chunk = data[at : at + 12 + length]
        name, (checked,) = chunk[4:8], struct.unpack_from(">I", chunk, 8 + length)
        if len(chunk) != 12 + length or checked != zlib.crc32(chunk[4:-4]):
            raise _broken()
        if name not in _CRITICAL and not name[0] & _LOWER:
            raise _broken()
        if name in _CRITICAL or name in _COLOURS:
            yield chunk
            seen.append(name)
        if name == b"IHDR":
            if length != _HEAD_BYTES:
                raise _broken()
            _check_size(*struct.unpack_from(">II", chunk, 8))
        at += len(chunk)
    if seen[0] != b"IHDR" or seen.count(b"IHDR") != 1 or b"IDAT" not in seen:
        raise _broken()
