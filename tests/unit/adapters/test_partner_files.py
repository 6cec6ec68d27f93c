"""A partner's file is read line by line: one bad line never rejects the rest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.partner_files import FIELDS, LINES_MAX, SIZE_MAX, read_partner_file
from ledger.domain.money.reconciling_partner import PartnerLine
from ledger.kernel.errors import Malformed

ROW = {
    "external_id": "X-1",
    "our_reference": "SW-1",
    "service_time": "2026-03-02T10:00:00+01:00",
    "energy_kwh": "41.700",
    "energy_amount": "15.01",
    "service_amount": "5.00",
    "total": "1.80",
    "currency": "EUR",
}
LINE = PartnerLine("X-1", "SW-1", "2026-03-02", 41_700, 1_501, 500, 180, "EUR")


def as_csv(*rows, divider=","):
    lines = [divider.join(FIELDS), *(divider.join(row[name] for name in FIELDS) for row in rows)]
    return "\r\n".join(lines).encode()


def as_json(*rows, total=None):
    told = list(rows) if total is None else {"lines": list(rows), "total": total}
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    "content",
    [
        as_csv(ROW),
        as_csv(ROW, divider=";"),
        b"\xef\xbb\xbf" + as_csv(ROW) + b"\n\n",
        as_json(ROW),
        as_json(ROW | {"total": 1.8, "energy_kwh": 41.7}),
    ],
)
def test_every_form_gives_the_same_exact_line(content):
    file = read_partner_file(content, "EUR")
    assert (file.lines, file.rejected, file.total_minor) == (((1, LINE),), (), None)


def test_a_control_sum_is_read_where_there_is_one():
    assert read_partner_file(as_json(ROW, total="1.80"), "EUR").total_minor == 180
    assert read_partner_file(as_json(ROW, total=2), "EUR").total_minor == 200


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"external_id": ""}, "FIELD_MISSING", "external_id"),
        ({"total": ""}, "FIELD_MISSING", "total"),
        ({"our_reference": "no id"}, "FIELD_INVALID", "our_reference"),
        ({"our_reference": "=SUM(A1)"}, "FIELD_INVALID", "our_reference"),
        ({"service_time": "yesterday"}, "FIELD_INVALID", "service_time"),
        ({"service_time": "2026-03-02T10:00:00"}, "FIELD_INVALID", "service_time"),
        ({"energy_kwh": "41.7001"}, "FIELD_INVALID", "energy_kwh"),
        ({"energy_kwh": "9" * 20}, "FIELD_INVALID", "energy_kwh"),
        ({"total": "9" * 15}, "FIELD_INVALID", "total"),
        ({"energy_kwh": "9" * 15}, "FIELD_INVALID", "energy_kwh"),
        ({"energy_amount": "15,01"}, "FIELD_INVALID", "energy_amount"),
        ({"service_amount": "1 000.00"}, "FIELD_INVALID", "service_amount"),
        ({"total": "1.805"}, "FIELD_INVALID", "total"),
        ({"currency": "EURO"}, "FIELD_INVALID", "currency"),
        ({"external_id": "x" * 61}, "FIELD_INVALID", "external_id"),
        ({"external_id": "X-2"}, "REPEATED", "external_id"),
    ],
)
def test_one_bad_line_is_rejected_by_code_and_field_and_the_rest_goes_on(change, code, field):
    good = ROW | {"external_id": "X-2"}
    file = read_partner_file(as_json(good, ROW | change), "EUR")
    assert [number for number, _ in file.lines] == [1]
    (verdict,) = file.rejected
    assert (verdict.number, verdict.verdict, verdict.codes) == (2, "REJECTED", (code,))
    assert verdict.field == field


def test_too_few_and_too_many_cells_reject_their_line_only():
    content = as_csv(ROW) + b"\r\nX-2,SW-2\r\n" + b",".join([b"X-3"] * 9)
    file = read_partner_file(content, "EUR")
    assert len(file.lines) == 1
    assert [(one.external_id, one.codes) for one in file.rejected] == [
        ("X-2", ("FIELD_MISSING",)),
        ("X-3", ("FIELD_MISSING",)),
    ]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"external_id,total\nX-1,1.80", "header"),
        (b"", "header"),
        (as_csv(ROW).replace(b"X-1", b"\xff\xfe"), ""),
        (as_csv(ROW) + b'\r\n"open', ""),
        (b"[1, 2]", "lines"),
        (b'{"lines": 3}', "lines"),
        (b"[{", ""),
        (b"[" * 100_000, ""),
        (as_json(ROW | {"price": "1"}), "price"),
        (as_json(ROW, total="1.805"), "total"),
        (b" " * (SIZE_MAX + 1), ""),
        (b"[" + b",".join([b"{}"] * (LINES_MAX + 1)) + b"]", ""),
    ],
)
def test_a_wrong_header_or_encoding_is_no_file_at_all(content, field):
    with pytest.raises(Malformed) as caught:
        read_partner_file(content, "EUR")
    assert caught.value.field == field


@given(st.binary(max_size=300))
def test_any_bytes_are_a_file_or_malformed(content):
    try:
        read_partner_file(content, "EUR")
    except Malformed:
        return


@given(st.lists(st.text(max_size=20), min_size=8, max_size=8))
def test_any_texts_are_a_line_or_rejected(cells):
    told = [dict(zip(FIELDS, cells, strict=True)), ROW]
    file = read_partner_file(json.dumps(told).encode(), "EUR")
    assert len(file.lines) + len(file.rejected) == 2
    assert (2, LINE) in file.lines or cells[0].strip() == "X-1"
