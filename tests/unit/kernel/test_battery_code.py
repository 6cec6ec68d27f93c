import csv
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.kernel.battery_code import BatteryCode, CodeMalformed, format_code, parse
from ledger.kernel.errors import Malformed

CASES = [
    ("X12PBPM27KLPCLH3F000001", "CODE_LENGTH"),
    ("x12pbpm27klpclh3f0000001", "CODE_LOWER_CASE"),
    ("X12QBPM27KLPCLH3F0000001", "CODE_PRODUCT"),
    ("X12PHPM27KLPCLH3F0000001", "CODE_CHEMISTRY"),
    ("X12PBPM27KLPCLO3F0000001", "CODE_YEAR"),
    ("X12PBPM27KLPCLHDF0000001", "CODE_MONTH"),
    ("X12PBPM27KLPCLH3Z0000001", "CODE_DAY"),
    ("X12PBPM27KLPCLH2Y0000001", "CODE_CALENDAR"),
    ("X12PBPM27KLPCLU2X0000001", "CODE_CALENDAR"),
    ("X12PBPM27KLPCLH3F00000O1", "CODE_SERIAL"),
    ("X12PBPM27KLPCLH3F0000000", "CODE_SERIAL"),
    ("X12PBPM27KLPCLH3F000000\u0663", "CODE_SERIAL"),
    ("X12PEPMX2M2382320RC", "CODE_SUFFIX"),
    ("X12PEPMX2M2382320SP", "CODE_SUFFIX"),
    ("X-2PBPM27KLPCLH3F0000001", "CODE_CHARACTER"),
    ("\u00c912PBPM27KLPCLH3F0000001", "CODE_CHARACTER"),
]


@pytest.mark.parametrize(("text", "verdict"), CASES)
def test_a_text_that_is_no_code_is_refused_with_the_first_rule_it_breaks(text, verdict):
    with pytest.raises(CodeMalformed) as caught:
        parse(text)
    assert caught.value.verdict == verdict


def test_a_code_in_lower_case_is_refused_with_the_suggestion_to_write_it_in_capitals():
    with pytest.raises(CodeMalformed) as caught:
        parse("x12pbpm27klpclh3f0000001")
    assert caught.value.suggestion == "X12PBPM27KLPCLH3F0000001"
    with pytest.raises(CodeMalformed) as hopeless:
        parse("x12qbpm27klpclh3f0000001")
    assert not hopeless.value.suggestion


def test_a_code_says_who_made_what_and_when():
    assert parse("07HCBC1P22G06AC700002596") == BatteryCode(
        "07H", "C", "B", "C1", "P22G06A", 2022, 7, 0, 2596
    )
    assert parse("X12PEPMX2M2382320RP").second_life


def test_a_year_symbol_after_t_is_read_but_not_certain():
    assert parse("X12PBPM27KLPCLT3F0000001").year_certain
    late = parse("X12PBPM27KLPCLU3F0000001")
    assert (late.year, late.year_certain) == (2037, False)


def test_an_uncertain_year_passes_when_either_reading_is_a_real_date():
    # The symbol V is 2038, or 2037 were U not used: neither has a 29 February. X is 2040 or 2039.
    with pytest.raises(CodeMalformed):
        parse("X12PBPM27KLPCLV2W0000001")
    assert parse("X12PBPM27KLPCLX2W0000001").day == 29


def test_every_vector_of_the_real_data_gets_its_verdict(data_dir: Path):
    with (data_dir / "battery_codes" / "gbt34014_vectors.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15
    for row in rows:
        if row["expected_valid"] == "1":
            code = parse(row["code"])
            assert format_code(code) == row["code"]
            assert code.chemistry == row["chemistry_symbol"]
            assert code.second_life == (row["length"] == "19")
        else:
            with pytest.raises(Malformed):
                parse(row["code"])


SYMBOLS = "0123456789ABCDEFGHJKLMNPRSTUVWXYZIOQabz-\u0663"


@given(
    st.one_of(
        st.text(max_size=30),
        st.text(SYMBOLS, min_size=19, max_size=19),
        st.from_regex(
            r"[A-Z0-9]{3}[PMC][A-GZ][A-Z0-9]{9}[1-9A-Y][1-9A-C][0-9A-Y]\d{7}", fullmatch=True
        ),
        st.from_regex(
            r"[A-Z0-9]{3}P[A-GZ][A-Z0-9]{2}[1-9A-Y][1-9A-C][0-9A-Y]\d{7}RP", fullmatch=True
        ),
    )
)
@example("X12PEPMX2M2382320RP")
def test_any_text_is_read_and_written_back_the_same_or_refused_as_malformed(text):
    try:
        code = parse(text)
    except Malformed:
        return
    assert format_code(code) == text
