"""Writes the golden entries that are missing: one whole entry of every kind and version.

Run it from the root of the repository: ``python -m tests.golden.make_events``. It never writes a
file that is there: a released shape stays readable for ever, another shape is another version.

Entries come from the demo's day where it has the kind, the longest of each; the others are built
from the types of their fields. Beside the entry and its leaf stands the shape of the event, so that
a default or an absent field cannot change unseen either.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random  # noqa: TID251  seeded below
from tempfile import TemporaryDirectory
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec

from ledger.domain.carrying import PackMoved
from ledger.domain.catalogue import EVENTS, KINDS
from ledger.domain.money.accounts import check_chart
from ledger.domain.opening import OpenLedger
from ledger.domain.transitions import ROWS, TERMINAL, Family, Row, account_of
from ledger.kernel.envelope import Envelope, Link, canonical, command_key, open_entry, seal
from ledger.kernel.errors import Malformed
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import MINUTE, SECOND
from ledger.kernel.messages import Actor, ClockReading, Event, Evidence, Source
from ledger.kernel.postings import check_zero
from ledger.runtime.ledger import create_ledger
from mobilegrid.demo.drive import Day, close_day, open_town
from mobilegrid.demo.fleet import ZONE, Town
from mobilegrid.demo.incidents import plan_day
from tests.golden.values import AT, BY_KIND, CODES, POSITION, VALUES
from tests.support.ledgers import SYSTEM, asking, sqlite_url

FOLDER = Path(__file__).parent / "events"
LEDGER = "town"

_EXPLAINED = {Family.SUS, Family.MIS}
_MOVING = {Family.TRN, Family.CIN}
_IDS: dict[Family, tuple[str, ...]] = {
    Family.BAI: ("OP-2",),
    Family.SUP: ("SV-1",),
    Family.CIN: ("CR-1", "DA-1"),
    Family.DRC: ("DE-1",),
    Family.DST: ("DE-1",),
    Family.SLT: ("ST-1", "2"),
    Family.STG: ("ST-1",),
    Family.DRV: ("DR-1",),
    Family.TRN: ("CR-1", "TO-1"),
    Family.WSH: ("WS-1",),
    Family.SL2: ("SV-2",),
    Family.RCY: ("SV-3",),
    Family.SUS: ("CA-1",),
    Family.MIS: ("CA-1",),
}


# The shape of an event --------------------------------------------------------


def shape_of(event: type[Event]) -> dict[str, Any]:
    """Give the schema of an event without words and names of classes, references filled in."""
    # by way of its text, in which a default is what JSON makes of it
    schema = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(event)))
    return _shape(schema, schema["$defs"])


def _shape(node: dict[str, Any], structs: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return _shape(structs[node["$ref"].rpartition("/")[2]], structs)
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            found[key] = {name: _shape(one, structs) for name, one in value.items()}
        elif key == "anyOf":
            found[key] = [_shape(one, structs) for one in value]
        elif isinstance(value, dict) and key != "default":
            found[key] = _shape(value, structs)
        elif key == "required":
            found[key] = sorted(value)
        elif key not in {"title", "description"}:
            found[key] = value
    return found


def only_adds(old: Any, new: Any) -> bool:
    """Tell whether a shape is the old one, but perhaps for new fields that have a default."""
    if isinstance(old, dict) and isinstance(new, dict):
        fields = new.get("properties", {})
        kept = {name: fields.get(name) for name in old.get("properties", {})}
        again = new | ({"properties": kept} if "properties" in new else {})
        return old.keys() == again.keys() and all(only_adds(old[key], again[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(only_adds, old, new))
    return type(old) is type(new) and bool(old == new)


# Real entries -----------------------------------------------------------------


def real_entries() -> dict[tuple[str, int], bytes]:
    """Let the demo's town live through its day, and take the longest entry of each kind."""
    found: dict[tuple[str, int], bytes] = {}
    command = OpenLedger(ledger=LEDGER, origin=f"log.example.net/log/{LEDGER}", zone=ZONE)
    with TemporaryDirectory() as folder:
        url = sqlite_url(Path(folder))
        with create_ledger(url, asking(command, "open", actor=SYSTEM)) as ledger:
            day = Day(ledger, Town(Random(1)))
            open_town(day)
            plan_day(day)
            day.run()
            close_day(day)
            with ledger.reading() as reads:
                for one in reads.entries():
                    name = one.envelope.kind, one.envelope.version
                    if len(one.data) > len(found.get(name, b"")):
                        found[name] = one.data
    return found


# Built entries ----------------------------------------------------------------


def built_entry(event_type: type[Event]) -> bytes:
    """Build an entry of a kind whose event and envelope have every member that can be."""
    rule = EVENTS[event_type]
    row = next((row for row in ROWS if row.event == event_type.kind), None)
    known = _moved(row) if row and issubclass(event_type, PackMoved) else {}
    if event_type.kind in CODES:
        known["reason"] = CODES[event_type.kind]
    event = _value(event_type, "", known | BY_KIND.get(event_type.kind, {}))
    postings = rule.postings(event)
    check_zero(postings)
    assert check_chart(postings) is None, f"{event_type.kind}: give its fields better values"
    role, second = (min(row.who), row.second_person) if row else ("system", False)
    previous = leaf_hash(b"the entry before")
    key = command_key(LEDGER, "golden", bytes(16))
    return seal(
        Envelope(
            v=1,
            ledger=LEDGER,
            position=POSITION,
            entry_id=f"{key.hex()[:32]}-0",
            kind=event.kind,
            version=event.version,
            command_key=key,
            actor=Actor("P-1", role, "P-2" if second else ""),
            policy_version="1",
            recorded_at=AT + MINUTE,
            occurred_at=AT,
            received_at=AT + SECOND,
            clock=ClockReading("S", offset_us=-40, uncertainty_us=900, raw_at=AT + 40),
            source=Source("OP-1", "ST-1", "ocpp2.1", "M-1", "B1", 17, offline=True),
            causes=(POSITION - 2, POSITION - 1),
            correlation_id="CO-1",
            evidence=(Evidence("photo", 2, "image/jpeg", "5a" * 32, "accepted", "K-1"),),
            entities=rule.entities(event),
            packs=tuple(Link(2, pack, POSITION - 3, previous) for pack in rule.packs(event)),
            postings=postings,
            sealed={name: bytes(range(32)) for name in event.sealed_fields},
            body=msgspec.Raw(canonical(event)),
        )
    )


def _moved(row: Row) -> dict[str, Any]:
    """Give the fields of a move as the rules would fill them for a row of the custody table."""
    source = account_of(row.credit, *_IDS.get(row.credit, ()))
    target = account_of(row.debit, *_IDS.get(row.debit, ()))
    ends = row.target in TERMINAL
    from_driver = row.credit is Family.DRV and row.debit is not Family.DRV
    return {
        "from_account": source,
        "to_account": target if target != source else target.replace("-1", "-2"),
        "level": max(row.who.values()),
        "place": row.place,
        "order_id": VALUES["order_id"] if {row.credit, row.debit} & _MOVING else "",
        "case_id": VALUES["case_id"] if row.debit in _EXPLAINED else "",
        "title_holder_id": VALUES["title_holder_id"] if ends else "",
        "energy_wh": VALUES["energy_wh"] if ends or from_driver else 0,
    }


def _value(kind: Any, name: str, known: dict[str, Any]) -> Any:
    """Make a value of a type for a field of a name."""
    values = VALUES | known
    if name in values:
        return values[name]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(
            **{
                field.encode_name: _value(field.type, field.name, known)
                for field in msgspec.structs.fields(kind)
            }
        )
    inner = get_args(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return inner[0]
    if origin is tuple:
        return tuple(_value(one, name, known) for one in inner if one is not Ellipsis)
    if origin is dict:
        return {"MG": _value(inner[1], name, known)}
    if isinstance(kind, UnionType):
        return _value(inner[0], name, known)
    return {int: 1, str: name, bool: True, bytes: bytes(range(32))}[kind]


# Files ------------------------------------------------------------------------


def name_of(kind: str, version: int) -> str:
    """Name the file of a kind and version."""
    return f"{kind}.v{version}.json"


def file_of(data: bytes) -> bytes:
    """Write the file of an entry: its text, its leaf, the shape of its event."""
    envelope = open_entry(data)
    shape = shape_of(KINDS[(envelope.kind, envelope.version)].event)
    held = {"entry": data.decode(), "leaf": leaf_hash(data).hex(), "shape": shape}
    return canonical(held) + b"\n"


def fault_of(file: bytes) -> str:
    """Say why a golden file does not hold any more, "" when it does."""
    held = msgspec.json.decode(file)
    data = held["entry"].encode()
    try:
        envelope = open_entry(data)
        rule = KINDS[(envelope.kind, envelope.version)]
        event = rule.decoder.decode(envelope.body)
    except (Malformed, KeyError, msgspec.MsgspecError) as error:
        return f"it cannot be read: {error}"
    remade = msgspec.structs.replace(
        envelope,
        body=msgspec.Raw(canonical(event)),
        entities=rule.entities(event),
        postings=rule.postings(event),
    )
    tests = (
        (leaf_hash(data).hex() == held["leaf"], "it has another leaf"),
        (canonical(event) == bytes(envelope.body), "the event is written in another way"),
        (remade.postings == envelope.postings, "the event posts other lines"),
        (tuple(one.pack for one in envelope.packs) == rule.packs(event), "it names other packs"),
        (seal(remade) == data, "the entry is written in another way"),
        (only_adds(held["shape"], shape_of(rule.event)), "the fields of the event changed"),
    )
    return next((words for holds, words in tests if not holds), "")


def _missing(folder: Path) -> Iterator[tuple[Path, bytes]]:
    names = {folder / name_of(*key): key for key in KINDS}
    absent = {path: key for path, key in names.items() if not path.exists()}
    real = real_entries() if absent else {}
    for path, key in absent.items():
        yield path, file_of(real.get(key) or built_entry(KINDS[key].event))


def make(folder: Path = FOLDER) -> str:
    """Add the missing files; say what is wrong with those that were there, "" for nothing."""
    folder.mkdir(exist_ok=True)
    faults = {path.name: fault_of(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
    for path, file in _missing(folder):
        with path.open("xb") as target:
            target.write(file)
    wrong = [f"{name}: {fault}" for name, fault in faults.items() if fault]
    return "\n".join([*wrong, "Make a new version of the event instead."] if wrong else [])


if __name__ == "__main__":
    sys.exit(make() or 0)
