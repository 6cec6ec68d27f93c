"""Pictures of drivers: nothing of the camera stays, not a pixel changes, nothing else gets in."""

import struct
from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.kernel.errors import Malformed
from partner_api.driver.pictures import PIXELS_MAX, cleaned
from tests.support.pictures import (
    BODY,
    END,
    HEAD,
    JPEG,
    PDF,
    PNG,
    PNG_BEGIN,
    chunk,
    exif,
    part,
)

ICC = part(0xE2, b"ICC_PROFILE\x00\x01\x01profile")
ADOBE = part(0xEE, b"Adobe\x00d\x00\x00\x00\x00\x00")
COMMENT = part(0xFE, b"taken at home")
XMP = part(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x/>")
THUMBNAIL = part(0xE0, b"JFXX\x00\x10")


def jpeg(*parts: bytes, after: bytes = b"") -> bytes:
    return JPEG[:2] + b"".join(parts) + JPEG[2:] + after


@pytest.mark.parametrize(("data", "kind"), [(JPEG, "image/jpeg"), (PNG, "image/png")])
def test_a_plain_picture_stays_as_it_is(data, kind):
    assert cleaned(data) == (kind, data)
    assert cleaned(PDF) == ("application/pdf", PDF)


def test_a_jpeg_leaves_the_camera_behind():
    noisy = jpeg(exif(1), COMMENT, XMP, THUMBNAIL, part(0xED, b"caption"), after=b"PK\x03\x04zip")
    assert cleaned(noisy) == ("image/jpeg", JPEG)
    assert cleaned(jpeg(ICC, ADOBE)) == ("image/jpeg", jpeg(ICC, ADOBE))
    assert cleaned(jpeg(b"\xff\xff" + COMMENT)) == ("image/jpeg", JPEG)  # fill bytes before it


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("way", [2, 6, 8])
def test_which_way_up_stays(order, way):
    _, data = cleaned(jpeg(exif(way, order)))
    assert b"48.8584N" not in data
    assert b"Cam" not in data
    assert len(data) == len(JPEG) + 2 + 2 + 6 + 8 + 2 + 12 + 4
    assert cleaned(data) == ("image/jpeg", data)
    assert struct.pack(">HHIHH", 0x0112, 3, 1, way, 0) in data


@pytest.mark.parametrize(
    "broken",
    [
        exif(0),
        exif(9),
        part(0xE1, b"Exif\x00\x00II*\x00\xff\xff\xff\xff"),
        part(0xE1, b"Exif\x00\x00XX"),
    ],
)
def test_a_way_that_is_none_goes(broken):
    assert cleaned(jpeg(broken)) == ("image/jpeg", JPEG)


def test_a_png_leaves_its_texts_behind():
    text, dots = chunk(b"tEXt", b"Author\x00Zoe"), chunk(b"pHYs", bytes(9))
    noisy = PNG_BEGIN + HEAD + text + dots + chunk(b"eXIf", b"MM") + BODY + END + b"<script>"
    assert cleaned(noisy) == ("image/png", PNG_BEGIN + HEAD + dots + BODY + END)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"<svg/>",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        JPEG[:-2],
        JPEG[:40],
        jpeg(b"\x00"),
        jpeg(b"\xff\x01"),
        jpeg(part(0xC0, b"\x08")),
        jpeg(b"\xff\xfe\x00\x01"),
        jpeg(part(0xC0, struct.pack(">BHHB", 8, 65_500, 65_500, 1))),
        PNG_BEGIN,
        PNG[:-1],
        PNG_BEGIN + BODY + END,
        PNG_BEGIN + HEAD + END,
        PNG_BEGIN + HEAD + HEAD + BODY + END,
        PNG_BEGIN + chunk(b"IHDR", b"short") + BODY + END,
        PNG_BEGIN + HEAD + chunk(b"EVIL", b"") + BODY + END,
        PNG_BEGIN + HEAD + BODY[:-1] + b"!" + END,
        PNG_BEGIN
        + chunk(b"IHDR", struct.pack(">IIBBBBB", PIXELS_MAX, 2, 8, 0, 0, 0, 0))
        + BODY
        + END,
        PNG_BEGIN + b"\xff\xff\xff\xffIDAT",
        b"%PDF-1.7\nwords",
        PDF + b"PK\x03\x04zip",
        b"x" + PDF,
        b"%PDF-3.0\n%%EOF",
    ],
)
def test_what_is_none_is_refused(data):
    with pytest.raises(Malformed):
        cleaned(data)


def test_no_bytes_do_more_than_be_refused():
    chance = Random(5)
    sources = (JPEG, jpeg(exif(6), ICC), PNG)
    for number in range(3_000):
        data = bytearray(sources[number % 3])
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            kind, found = cleaned(bytes(data[: chance.randint(1, len(data))]))
        except Malformed:
            continue
        assert cleaned(found) == (kind, found)
