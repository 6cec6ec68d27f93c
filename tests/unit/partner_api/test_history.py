"""What the history of a pack takes from an entry: nothing more, nothing less, nothing rewritten."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.envelope import Envelope, Link, base64_text, seal
from ledger.kernel.errors import TamperEvidence
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import as_datetime, as_text
from ledger.kernel.messages import Actor, ClockReading, Evidence, Source
from ledger.kernel.postings import PACK, WH, Posting, move_pack
from partner_api.auditor.history import fact_of

LATEST = 2**53 - 1


def entry(**members):
    envelope = Envelope(
        v=1,
        ledger="town",
        position=7,
        entry_id="E-7",
        kind="pack_docked",
        version=1,
        actor=Actor("ST-1", "station"),
        policy_version="1",
        recorded_at=1_700_000_000_000_000,
        body=msgspec.Raw(b'{"pack_id":"PK-1"}'),
    )
    return seal(msgspec.structs.replace(envelope, **members))


def said(data, pack_id="PK-1"):
    return msgspec.json.decode(msgspec.json.encode(fact_of(data, pack_id)))


@given(
    st.integers(0, LATEST),
    st.none() | st.integers(0, LATEST),
    st.none() | st.integers(0, LATEST),
)
def test_the_three_times_are_written_as_everywhere(recorded_at, occurred_at, received_at):
    fact = said(entry(recorded_at=recorded_at, occurred_at=occurred_at, received_at=received_at))
    assert fact["recorded_at"] == as_text(recorded_at)
    assert fact["valid_at"] == as_text(recorded_at if occurred_at is None else occurred_at)
    assert fact.get("received_at") == (None if received_at is None else as_text(received_at))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2255, 6, 5, 23, 47, 34, 740_991, tzinfo=UTC),
    ],
)
def test_the_encoder_and_ours_write_a_time_alike(moment):
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (as_datetime(1) - as_datetime(0))
    assert msgspec.json.encode(moment).decode() == f'"{as_text(micros)}"'


def test_the_event_is_passed_on_as_it_is_and_the_leaf_is_that_of_all_bytes():
    body = b'{"a":1,"pack_id":"PK-1","z":"\xc3\xa9"}'
    data = entry(body=msgspec.Raw(body))
    written = msgspec.json.encode(fact_of(data, "PK-1"))
    assert b'"body":' + body in written
    assert said(data)["leaf_sha256"] == base64_text(leaf_hash(data))


def test_only_what_concerns_the_pack_is_taken():
    mine = move_pack("PK-1", debit="Packs:Driver:DR-1", credit="Packs:Station:ST-1:Slot:1")
    other = move_pack("PK-2", debit="Packs:Station:ST-1:Slot:1", credit="Packs:Driver:DR-1")
    title = move_pack("PK-1", debit="Title:Holder:B", credit="Title:Holder:A")
    energy = (
        Posting("Energy:Pack:PK-1", WH, 500),
        Posting("Energy:Pack:PK-2", WH, -500),
        Posting("Energy:Pack:PK-1", "EUR", 9),
    )
    links = (Link(4, "PK-2"), Link(3, "PK-1", 5, bytes(32)))
    data = entry(postings=(*other, *title, *mine, *energy), packs=links)
    fact = said(data)
    assert fact["from_account"] == "Packs:Station:ST-1:Slot:1"
    assert fact["to_account"] == "Packs:Driver:DR-1"
    assert fact["energy_wh"] == 500
    assert (fact["link"]["count"], fact["link"]["previous"]) == (3, 5)
    assert mine[0].commodity == PACK
    none = said(data, "PK-9")
    assert not {"from_account", "to_account", "energy_wh", "link"} & set(none)


def test_all_that_vouches_for_an_entry_is_there():
    evidence = tuple(Evidence("ocmf", level, "x", "0", "holds") for level in (2, 4, 3))
    clock = ClockReading("S", offset_us=-5)
    source = Source("OP-1", device="D", seq=9)
    data = entry(
        evidence=evidence, clock=clock, source=source, causes=(1, 2), reverses=3, corrects=4
    )
    fact = said(data)
    assert fact["evidence_level"] == 4
    assert [each["level"] for each in fact["evidence"]] == [2, 4, 3]
    assert fact["clock"] == msgspec.to_builtins(clock)
    assert fact["source"] == msgspec.to_builtins(source)
    assert (fact["causes"], fact["reverses"], fact["corrects"]) == ([1, 2], 3, 4)
    assert (fact["actor"], fact["role"]) == ("ST-1", "station")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"position":"7"}', entry()[:-1], entry() + b" x"]
)
def test_bytes_that_are_no_entry_are_evidence_of_tampering(data):
    with pytest.raises(TamperEvidence):
        fact_of(data, "PK-1")
