import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.bindings import (
    BINDINGS,
    CODE_PREFIXES,
    PACK_BMS,
    Binding,
    PackBms,
    Seen,
    bind_row,
    pack_at,
    unbind_row,
)
from ledger.domain.identity import (
    BindIdentifier,
    EnrolBmsKey,
    FileCodePrefix,
    ReplaceBms,
    UnbindIdentifier,
    postings,
)
from ledger.domain.world import Stamp, World
from ledger.kernel.instants import DAY, HOUR, parse_instant
from ledger.kernel.messages import Actor, ClockReading, Evidence, Observed, Source
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import INVALID, VALID, Attestation
from tests.support.meters import ed25519_key, private_key, public_key
from tests.support.rules import act, events, put_pack, small_town

CODE = "X12PBPM27KLPCLH3F0000001"
PART = "X12MCPM27KLPCLX2M2382320"


def town() -> World:
    world = small_town()
    put_pack(world, "Packs:Depot:DE-1:Stored", "PK-1")
    put_pack(world, "Packs:Depot:DE-1:Stored", "PK-2")
    return world


def named(world: World, key: str) -> tuple[str, int, int]:
    row = world.need(BINDINGS, key)
    return row.pack_id, row.valid_from, row.valid_to


def bind(binding_type: str, value: str, pack_id: str = "PK-1") -> BindIdentifier:
    return BindIdentifier(pack_id=pack_id, binding_type=binding_type, value=value)


def unbind(binding_type: str, value: str, pack_id: str = "PK-1") -> UnbindIdentifier:
    return UnbindIdentifier(pack_id=pack_id, binding_type=binding_type, value=value)


@pytest.mark.parametrize(
    ("binding_type", "value"),
    [
        ("GBT_CODE", CODE),
        ("GBT_PART_CODE", PART),
        ("BMS_SERIAL", "S" * 50),
        ("SUPPLIER_SERIAL", "CATL/0017"),
        ("LABEL", "https://id.example.net/8004/952000100017|x"),
        ("GIAI", "9520001PK0000000042"),
    ],
)
def test_a_value_names_one_pack_until_it_is_unbound_and_may_then_name_another(binding_type, value):
    world = town()
    act(world, bind(binding_type, value), at=5)
    key = f"{binding_type}|{value}"
    assert named(world, key) == ("PK-1", 5, 0)
    assert act(world, bind(binding_type, value)) == ()
    taken = act(world, bind(binding_type, value, "PK-2"))
    assert isinstance(taken, Refusal)
    assert taken.code == RefusalCode.IDENTIFIER_TAKEN
    act(world, unbind(binding_type, value), at=9)
    assert named(world, key) == ("PK-1", 5, 9)
    assert act(world, unbind(binding_type, value)) == ()
    act(world, bind(binding_type, value, "PK-2"), at=10)
    assert named(world, key) == ("PK-2", 10, 0)


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        (bind("NICKNAME", "Betty"), "TYPE_UNKNOWN"),
        (bind("BMS_SERIAL", ""), "VALUE_LENGTH"),
        (bind("BMS_SERIAL", "S" * 51), "VALUE_LENGTH"),
        (bind("LABEL", "a\0b"), "VALUE_CHARACTER"),
        (bind("LABEL", "\ud800"), "VALUE_CHARACTER"),
        (bind("GIAI", "A B"), "1 to 30 characters of the GS1 set of 82"),
        (bind("GBT_CODE", "X12"), "CODE_LENGTH"),
        (bind("GBT_CODE", CODE + "12"), "CODE_LENGTH"),
        (bind("GBT_CODE", CODE.lower()), "CODE_LOWER_CASE"),
        (bind("GBT_CODE", PART), "CODE_PRODUCT"),
        (bind("GBT_PART_CODE", CODE), "CODE_PRODUCT"),
    ],
)
def test_a_value_that_cannot_name_a_pack_is_refused_by_the_rule_it_breaks(command, rule):
    outcome = act(town(), command)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts["rule"]) == (RefusalCode.PACK_FIELD_INVALID, rule)


def test_an_unknown_pack_has_no_names_and_an_unbound_value_is_not_taken_away():
    outcome = act(town(), bind("LABEL", "L", "PK-9"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.UNKNOWN_PACK
    outcome = act(town(), unbind("LABEL", "L"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.PACK_FIELD_INVALID


# The management system of a pack --------------------------------------------------

KEY_A = public_key(private_key("a"))
KEY_B = public_key(ed25519_key("b"))
KOBLITZ = public_key(private_key("c", "secp256k1"))


def shown(serial="BMS-A", key=KEY_A, **fields):
    usual = {"seq": 1, "verdict": VALID, "sha256": "5a" * 32, "key_id": key.key_id}
    return Attestation(serial, **(usual | fields))


def enrol(serial="BMS-A", key=KEY_A, pack_id="PK-1", **fields):
    usual = {"public_key": key.text, "attestation": shown(serial, key)}
    return EnrolBmsKey(pack_id=pack_id, serial=serial, **(usual | fields))


def swap_bms(serial="BMS-B", key=KEY_B, **fields):
    usual = {"public_key": key.text, "attestation": shown(serial, key), "reason": "burnt"}
    return ReplaceBms(pack_id="PK-1", serial=serial, **(usual | fields))


def test_a_system_that_proves_its_key_is_enrolled_with_its_serial():
    world = town()
    evidence = Evidence("bms-attestation", 5, "text/plain", "5a" * 32, VALID, KEY_A.key_id)
    observed = Observed(3, Source("WS-1"), ClockReading("S"), (evidence,))
    drafts = act(world, enrol(observed=observed), at=3)
    assert not isinstance(drafts, Refusal)
    assert [draft.observed for draft in drafts] == [observed, observed]
    assert [(one.binding_type, one.value) for one in events(drafts)] == [
        ("BMS_SERIAL", "BMS-A"),
        ("BMS_KEY", KEY_A.text),
    ]
    assert postings(events(drafts)[0]) == ()
    row = world.need(PACK_BMS, "PK-1")
    assert row == PackBms("PK-1", "BMS-A", KEY_A.text, KEY_A.key_id)
    assert act(world, enrol()) == ()


def test_a_serial_that_is_bound_already_gets_its_key():
    world = town()
    act(world, bind("BMS_SERIAL", "BMS-A"))
    (bound,) = events(act(world, enrol()))
    assert bound.binding_type == "BMS_KEY"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (enrol(pack_id="PK-9"), RefusalCode.UNKNOWN_PACK),
        (enrol(attestation=shown(verdict=INVALID, step=5)), RefusalCode.IDENTITY_NOT_PROVEN),
        (enrol(attestation=shown(serial="BMS-X")), RefusalCode.IDENTITY_NOT_PROVEN),
        (enrol(attestation=shown(key=KEY_B)), RefusalCode.IDENTITY_NOT_PROVEN),
        (enrol(public_key="AAAA"), RefusalCode.PACK_FIELD_INVALID),
        (enrol(serial="S" * 51), RefusalCode.PACK_FIELD_INVALID),
        (enrol(key=KOBLITZ), RefusalCode.PACK_FIELD_INVALID),
        (swap_bms(), RefusalCode.WRONG_STATE),
        (bind("BMS_KEY", KEY_A.text), RefusalCode.IDENTITY_NOT_PROVEN),
    ],
)
def test_a_key_without_a_proof_is_not_enrolled(command, code):
    outcome = act(town(), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


def test_an_importer_may_take_over_keys_that_were_enrolled_elsewhere():
    world = town()
    act(world, bind("BMS_KEY", KEY_A.text), actor=Actor("P1", "importer"))
    assert world.need(PACK_BMS, "PK-1").key_id == KEY_A.key_id


def test_a_pack_has_one_system_and_a_system_one_pack():
    world = town()
    act(world, enrol())
    for command, code in (
        (bind("BMS_SERIAL", "BMS-B"), RefusalCode.WRONG_STATE),
        (enrol("BMS-B", KEY_B), RefusalCode.WRONG_STATE),
        (enrol(pack_id="PK-2"), RefusalCode.IDENTIFIER_TAKEN),
        (enrol("BMS-B", KEY_A, pack_id="PK-2"), RefusalCode.IDENTIFIER_TAKEN),
        (bind("BMS_SERIAL", "BMS-A", "PK-2"), RefusalCode.IDENTIFIER_TAKEN),
    ):
        outcome = act(world, command)
        assert isinstance(outcome, Refusal)
        assert outcome.code == code


def test_another_system_closes_serial_and_key_and_opens_its_own_in_one_go():
    world = town()
    act(world, enrol(), at=5)
    world.put(PACK_BMS, "PK-1", world.need(PACK_BMS, "PK-1").with_answer(Seen(9, 6, "ST-1", "d")))
    found = events(act(world, swap_bms(), at=9))
    assert [(one.kind, one.binding_type) for one in found] == [
        ("identity_unbound", "BMS_SERIAL"),
        ("identity_unbound", "BMS_KEY"),
        ("identity_bound", "BMS_SERIAL"),
        ("identity_bound", "BMS_KEY"),
    ]
    assert found[0].reason == "burnt"
    assert world.need(PACK_BMS, "PK-1") == PackBms("PK-1", "BMS-B", KEY_B.text, KEY_B.key_id)
    assert named(world, "BMS_SERIAL|BMS-A") == ("PK-1", 5, 9)
    act(world, enrol(pack_id="PK-2"), at=12)
    assert named(world, "BMS_SERIAL|BMS-A") == ("PK-2", 12, 0)


def test_only_the_key_may_change_too():
    world = town()
    act(world, enrol())
    found = events(act(world, swap_bms("BMS-A", KEY_B, attestation=shown("BMS-A", KEY_B))))
    assert [one.binding_type for one in found] == ["BMS_KEY", "BMS_KEY"]


def test_a_new_bms_needs_two_persons():
    world = town()
    act(world, enrol())
    alone = Actor("P1", "workshop")
    for command in (
        unbind("BMS_SERIAL", "BMS-A"),
        unbind("BMS_KEY", KEY_A.text),
        swap_bms(),
    ):
        outcome = act(world, command, actor=alone)
        assert isinstance(outcome, Refusal)
        assert outcome.code == RefusalCode.SECOND_PERSON_REQUIRED
    act(world, unbind("BMS_KEY", KEY_A.text))
    assert world.need(PACK_BMS, "PK-1") == PackBms("PK-1", "BMS-A")


# Codes ----------------------------------------------------------------------------

PREFIX = FileCodePrefix(prefix="X12PBPM", maker="Example Cells", filing_ref="F-17")
MADE_AT = parse_instant("2027-03-15T00:00:00+14:00", "at")  # CODE is of 15 March 2027


@pytest.mark.parametrize(
    ("filed", "at", "cases"),
    [
        (True, MADE_AT, []),
        (True, MADE_AT - 1, ["CODE_DATE"]),
        (False, MADE_AT + DAY, ["CODE_PREFIX"]),
        (False, HOUR, ["CODE_PREFIX", "CODE_DATE"]),
        (True, 2**53, []),
    ],
)
def test_what_registration_doubts_of_a_code_opens_a_case_and_binds_it_all_the_same(
    filed, at, cases
):
    world = town()
    if filed:
        (event,) = events(act(world, PREFIX))
        assert act(world, PREFIX) == ()
        assert world.need(CODE_PREFIXES, "X12PBPM").maker == event.maker
    bound, *found = events(act(world, bind("GBT_CODE", CODE), at=at))
    assert bound.value == CODE
    assert [one.case_type for one in found] == cases
    assert all(one.subjects == ("PK-1",) for one in found)


def test_a_filed_prefix_may_get_another_maker():
    world = town()
    act(world, PREFIX)
    act(world, replace(PREFIX, maker="Heirs of Example Cells"))
    assert world.need(CODE_PREFIXES, "X12PBPM").maker == "Heirs of Example Cells"


@pytest.mark.parametrize(
    ("change", "field"),
    [({"prefix": "X12QBPM"}, "prefix"), ({"prefix": "X12PB"}, "prefix"), ({"maker": ""}, "maker")],
)
def test_what_cannot_be_filed_is_refused(change, field):
    outcome = act(town(), replace(PREFIX, **change))
    assert isinstance(outcome, Refusal)
    assert outcome.facts == {"field": field}


# Look-up in both times ------------------------------------------------------------


def test_a_value_is_looked_up_as_it_was_and_as_it_was_known():
    row = bind_row(None, "PK-1", Stamp(10, 100, 100))
    row = unbind_row(row, Stamp(20, 200, 210))
    row = bind_row(row, "PK-2", Stamp(30, 150, 310))  # learnt later that it was there already
    table = [
        (99, 99, ""),
        (100, 10, ""),  # not yet known
        (100, 11, "PK-1"),
        (199, 21, "PK-1"),
        (200, 20, "PK-1"),  # the end is not yet known
        (200, 21, ""),
        (149, 99, "PK-1"),
        (150, 30, "PK-1"),
        (150, 31, "PK-2"),
        (9_999, 31, "PK-2"),
    ]
    for valid_at, end, expected in table:
        assert pack_at(row, valid_at, end) == expected, (valid_at, end)
    assert pack_at(None, 5, 5) == ""


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8), st.integers(0, 10))
def test_in_valid_order_the_look_up_gives_what_the_row_said_at_that_time(steps, asked):
    row: Binding | None = None
    said: list[tuple[int, Binding | None]] = []
    at = 0
    for position, (wait, binds) in enumerate(steps):
        at += wait
        stamp = Stamp(position, max(at, 1), at)
        if row is None or row.valid_to:
            row = bind_row(row, f"PK-{position}", stamp) if binds else row
        elif not binds:
            row = unbind_row(row, stamp)
        said.append((max(at, 1), row))
    now = [row for when, row in said if when <= asked]
    last = now[-1] if now else None
    expected = "" if last is None or last.valid_to else last.pack_id
    assert pack_at(row, asked, len(steps)) == expected


def test_a_row_of_an_older_shape_is_read():
    assert pack_at(Binding("PK-1", 5), 5, 1) == "PK-1"
