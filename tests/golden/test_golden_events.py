"""One whole entry of every kind and version ever written: it stays readable, to the last byte.

A difference here is a new version of the event, never a new golden file.
"""

import json
from typing import Any

import msgspec
import pytest

from ledger.domain.catalogue import KINDS
from ledger.domain.money.contracts import ContractAgreed
from ledger.kernel.envelope import canonical, open_entry, seal
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Event
from ledger.kernel.postings import check_zero
from tests.golden import make_events
from tests.golden.make_events import FOLDER, fault_of, make, name_of, only_adds, shape_of

FILES = sorted(FOLDER.glob("*.json"))
HOW = "run: python -m tests.golden.make_events"


def golden(name: str) -> Any:
    return json.loads((FOLDER / name).read_bytes())


@pytest.mark.parametrize("key", KINDS, ids=lambda key: name_of(*key))
def test_every_kind_has_its_golden_entry(key):
    assert (FOLDER / name_of(*key)).is_file(), HOW


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_golden_entry_reads_and_writes_as_ever(path):
    held = golden(path.name)
    data = held["entry"].encode()
    assert leaf_hash(data).hex() == held["leaf"]
    envelope = open_entry(data)
    assert seal(envelope) == data
    assert path.name == name_of(envelope.kind, envelope.version)
    rule = KINDS[(envelope.kind, envelope.version)]
    event = rule.decoder.decode(envelope.body)
    assert canonical(event) == bytes(envelope.body)
    assert rule.postings(event) == envelope.postings
    check_zero(envelope.postings)
    assert rule.entities(event) == envelope.entities
    assert tuple(link.pack for link in envelope.packs) == rule.packs(event)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_event_may_gain_fields_with_a_default_and_no_other_change(path):
    assert fault_of(path.read_bytes()) == ""


# What the golden entries notice


class Parcel(msgspec.Struct, frozen=True):
    size: int
    note: str = ""


class Kept(Event, kw_only=True):
    kind = "kept"
    pack_id: str
    parcels: tuple[Parcel, ...] = ()
    reason: str = "unknown"
    soc_bp: int | None = None


class Extended(Kept, kw_only=True):
    weight_g: int = 0


class ParcelWithFee(msgspec.Struct, frozen=True):
    size: int
    note: str = ""
    fee_minor: int = 0


class ExtendedInside(Kept, kw_only=True):
    parcels: tuple[ParcelWithFee, ...] = ()  # type: ignore[assignment]


class Demanding(Kept, kw_only=True):
    weight_g: int


class OtherDefault(Kept, kw_only=True):
    reason: str = ""


class OtherType(Kept, kw_only=True):
    pack_id: int  # type: ignore[assignment]


class Optional(Kept, kw_only=True):
    pack_id: str = ""


class Stricter(Kept, kw_only=True):
    soc_bp: int = 0


class Renamed(Event, kw_only=True):
    kind = "kept"
    pack: str
    parcels: tuple[Parcel, ...] = ()
    reason: str = "unknown"
    soc_bp: int | None = None


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        (Kept, True),
        (Extended, True),
        (ExtendedInside, True),
        (Demanding, False),
        (OtherDefault, False),
        (OtherType, False),
        (Optional, False),
        (Stricter, False),
        (Renamed, False),
    ],
)
def test_a_changed_shape_needs_a_new_version(changed, holds):
    assert only_adds(shape_of(Kept), shape_of(changed)) is holds


def test_a_field_never_goes_away():
    assert not only_adds(shape_of(Extended), shape_of(Kept))


def damaged(**changes: Any) -> bytes:
    return canonical(golden("contract_agreed.v1.json") | changes)


SOUND = golden("pack_docked.v1.json")["entry"] if FILES else ""


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"leaf": "00" * 32}, "another leaf"),
        ({"shape": {**shape_of(ContractAgreed), "required": []}}, "the fields"),
        ({"entry": "{}"}, "cannot be read"),
        ({"entry": SOUND.replace('"pack_docked"', '"pack_duckt"')}, "cannot be read"),
        ({"entry": SOUND.replace('"level":', '"lexel":')}, "cannot be read"),
        ({"entry": SOUND.replace('"body":{', '"body":{"case_id":"",')}, "in another way"),
        ({"entry": SOUND.replace('"quantity":1', '"quantity":2')}, "posts other lines"),
        ({"entry": SOUND}, ""),
    ],
)
def test_a_damaged_golden_entry_is_named(changes, fault):
    if "entry" in changes:
        changes |= {"leaf": leaf_hash(changes["entry"].encode()).hex()}
        changes |= {"shape": golden("pack_docked.v1.json")["shape"]}
    found = fault_of(damaged(**changes))
    assert fault in found
    assert bool(fault) == bool(found)


# The generator


def test_missing_files_are_added_and_no_other_is_touched(tmp_path):
    name = "pack_docked.v1.json"
    (tmp_path / name).write_bytes(damaged(leaf="00"))
    assert f"{name}: it has another leaf" in make(tmp_path)
    assert (tmp_path / name).read_bytes() == damaged(leaf="00")
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(name_of(*key) for key in KINDS)
    assert [path.name for path in tmp_path.iterdir() if fault_of(path.read_bytes())] == [name]


def test_nothing_is_written_where_nothing_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(make_events, "KINDS", {})
    assert make(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
