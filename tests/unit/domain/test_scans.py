from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.identity import BindIdentifier, UnbindIdentifier
from ledger.domain.scans import RecordScan, evolve, names_in, postings
from ledger.domain.world import Stamp, World
from ledger.kernel.gs1 import pack_link
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town

CODE = "X12PBPM27KLPCLH3F0000001"
SECOND_LIFE = "X12PBPMH3F0000001RP"
PART = "X12MCPM27KLPCLX2M2382320"
GIAI = "9520001PK0000000042"
LINK = pack_link("id.example.net", GIAI)


def town() -> World:
    """PK-1 has a code, a part, a GIAI and a label; PK-2 has a label of its own."""
    world = small_town()
    for pack_id in ("PK-1", "PK-2"):
        put_pack(world, "Packs:Depot:DE-1:Stored", pack_id)
    for pack_id, binding_type, value in (
        ("PK-1", "GBT_CODE", CODE),
        ("PK-1", "GBT_CODE", SECOND_LIFE),
        ("PK-1", "GBT_PART_CODE", PART),
        ("PK-1", "GIAI", GIAI),
        ("PK-1", "LABEL", "yard 17"),
        ("PK-2", "LABEL", "yard 18"),
    ):
        act(world, BindIdentifier(pack_id=pack_id, binding_type=binding_type, value=value))
    return world


def scan(*texts: str, **fields: Any) -> RecordScan:
    usual: dict[str, Any] = {"place_id": "DE-1", "occurred_at": 5}
    return RecordScan(texts=texts, **(usual | fields))


@pytest.mark.parametrize("text", [CODE, SECOND_LIFE, PART, GIAI, LINK, "yard 17"])
def test_every_name_of_a_pack_leads_to_it(text):
    (seen,) = events(act(town(), scan(text, pack_id="PK-1")))
    assert (seen.pack_id, seen.finding, seen.texts) == ("PK-1", "", (text,))
    assert seen.codes == ((text,) if text in (CODE, SECOND_LIFE, PART) else ())
    assert postings(seen) == ()
    evolve(World(), seen, Stamp(1, 1, 1))


@pytest.mark.parametrize(
    ("texts", "taken_for", "finding", "subjects", "names"),
    [
        ((CODE, "yard 18"), "", "CLONE_SUSPECT", ("PK-1", "PK-2", "DE-1"), ""),
        ((CODE,), "PK-2", "CLONE_SUSPECT", ("PK-1", "PK-2", "DE-1"), "PK-1"),
        ((CODE + "1",), "", "UNANNOUNCED", ("DE-1",), ""),
        ((CODE.lower(),), "PK-1", "UNANNOUNCED", ("PK-1", "DE-1"), "PK-1"),
        (("X12PBPM27KLPCLH3F0000002",), "", "UNANNOUNCED", ("DE-1",), ""),
    ],
)
def test_labels_that_do_not_fit_together_open_a_case_and_make_no_pack(
    texts, taken_for, finding, subjects, names
):
    world = town()
    command = scan(*texts, pack_id=taken_for)
    seen, case = events(act(world, command))
    assert (seen.finding, case.case_type, case.subjects) == (finding, finding, subjects)
    assert seen.pack_id == names
    assert act(world, command) == ()


def test_a_text_beside_a_known_code_is_kept_as_it_was_read():
    (seen,) = events(act(town(), scan(CODE, "25-character-scan-of-rust", photos=("ab" * 32,))))
    assert seen.texts == (CODE, "25-character-scan-of-rust")
    assert seen.codes == (CODE,)


def test_a_name_that_was_taken_away_leads_nowhere():
    world = town()
    act(world, UnbindIdentifier(pack_id="PK-2", binding_type="LABEL", value="yard 18"), at=9)
    seen, case = events(act(world, scan("yard 18")))
    assert (seen.pack_id, case.case_type) == ("", "UNANNOUNCED")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (scan(CODE, pack_id="PK-9"), RefusalCode.UNKNOWN_PACK),
        (scan(), RefusalCode.PACK_FIELD_INVALID),
        (scan(*map(str, range(9))), RefusalCode.PACK_FIELD_INVALID),
        (scan(""), RefusalCode.PACK_FIELD_INVALID),
        (scan("x" * 201), RefusalCode.PACK_FIELD_INVALID),
        (scan("a\0b"), RefusalCode.PACK_FIELD_INVALID),
        (scan(CODE, place_id="a|b"), RefusalCode.PACK_FIELD_INVALID),
        (scan(CODE, condition="x" * 201), RefusalCode.PACK_FIELD_INVALID),
        (scan(CODE, photos=("ab",)), RefusalCode.PACK_FIELD_INVALID),
        (scan(CODE, photos=("ab" * 32,) * 17), RefusalCode.PACK_FIELD_INVALID),
        (scan(CODE, occurred_at=0), RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_a_scan_that_cannot_be_is_refused(command, code):
    outcome = act(town(), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


@given(st.text(max_size=60))
def test_any_text_has_a_list_of_what_it_can_name(text):
    assert all(kind and value for kind, value in names_in(text))
