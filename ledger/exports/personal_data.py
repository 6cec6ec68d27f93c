"""All that is known about a person, for him: a ZIP of JSON, and one page that explains it.

Made in memory and never kept: what is known in the clear stands in no file of ours. The same state
of the ledger and the vault gives the same bytes.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from inspect import getdoc

import msgspec

from ledger.domain.catalogue import EVENTS
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import as_text
from ledger.runtime.reads import Entry, Reads, decode

ENTRIES_MAX = 200_000
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o600 << 16
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;"
    "padding:.4rem .6rem;border-bottom:1px solid #bbb}th{width:16rem}"
)


class PersonalData(msgspec.Struct, frozen=True):
    """What is known about a person beside the log: by the place where it is kept.

    `words` say in a sentence what each place is for.
    """

    subject_id: str
    made_at: int
    end: int
    places: Mapping[str, object]
    words: Mapping[str, str]


class NamedEntry(msgspec.Struct, frozen=True):
    """An entry that names a person, and in words what such an entry says."""

    position: int
    kind: str
    says: str
    occurred_at: str
    recorded_at: str
    body: msgspec.Raw


def personal_zip(reads: Reads, known: PersonalData) -> bytes:
    """Make the ZIP: ``about.html``, ``known.json`` and ``entries.json``.

    Raises:
        Malformed: more entries name the person than one file should hold.
    """
    entries = [_named(position, entry) for position, entry in entries_naming(reads, known)]
    files = {
        "about.html": _page(known, entries).encode(),
        "known.json": _pretty({"subject": known.subject_id, **known.places}),
        "entries.json": _pretty(entries),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, _DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = _MODE
            archive.writestr(member, data)
    return out.getvalue()


def entries_naming(reads: Reads, known: PersonalData) -> Iterator[tuple[int, Entry]]:
    """Yield (position, entry) of the entries before `end` that name the person, in order.

    The bytes are searched first, since few of them do; then the id must stand there as a whole.
    """
    needle = known.subject_id.encode()
    found = 0
    for position, data in enumerate(reads.raw(0, known.end)):
        if needle not in data or not _names(msgspec.json.decode(data), known.subject_id):
            continue
        found += 1
        if found > ENTRIES_MAX:
            raise Malformed(f"more than {ENTRIES_MAX} entries", field="entries")
        yield position, decode(data)


def _names(value: object, subject_id: str) -> bool:
    """Tell whether an id stands in a value: as a text, or as a segment of an account's path."""
    match value:
        case str():
            return value == subject_id or subject_id in value.replace("|", ":").split(":")
        case list():
            return any(_names(each, subject_id) for each in value)
        case dict():
            return any(_names(each, subject_id) for pair in value.items() for each in pair)
        case _:
            return False


def _named(position: int, entry: Entry) -> NamedEntry:
    told = entry.envelope
    return NamedEntry(
        position=position,
        kind=told.kind,
        says=_says(type(entry.event)),
        occurred_at=as_text(told.recorded_at if told.occurred_at is None else told.occurred_at),
        recorded_at=as_text(told.recorded_at),
        body=told.body,
    )


def _says(event: type) -> str:
    assert event in EVENTS, "it was read by the catalogue"
    return (getdoc(event) or "").partition("\n")[0]


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


# The page ---------------------------------------------------------------------


def _page(known: PersonalData, entries: Sequence[NamedEntry]) -> str:
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Your data at Mobile Grid</title>',
        f"<style>{_STYLE}</style></head><body>",
        "<h1>Your data at Mobile Grid</h1>",
        f"<p>Made at {as_text(known.made_at)} for the person {escape(known.subject_id)}.</p>",
        f"<p>From the first {known.end} entries of the ledger.</p>",
        "<p>The same is in <code>known.json</code> and <code>entries.json</code> for programs.</p>",
    ]
    for name, value in known.places.items():
        parts.append(f"<h2>{escape(name)}</h2><p>{escape(known.words.get(name, ''))}</p>")
        parts.append(_table(value))
    parts.append("<h2>Entries of the ledger that name you</h2>")
    parts.append(
        "<p>They hold no name, address or plate: only the random id above. They stay, because "
        "what was handed out and paid must remain provable.</p>"
    )
    rows = "".join(
        f"<tr><td>{each.position}</td><td>{escape(each.occurred_at)}</td>"
        f"<td>{escape(each.kind)}<br>{escape(each.says)}</td></tr>"
        for each in entries
    )
    head = "<tr><td>Position</td><td>When</td><td>What it says</td></tr>"
    parts.append(f"<table>{head}{rows}</table></body></html>\n")
    return "\n".join(parts)


def _table(value: object) -> str:
    plain = msgspec.to_builtins(value)
    rows = plain.items() if isinstance(plain, dict) else enumerate(plain)
    cells = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(_text(each))}</td></tr>'
        for name, each in rows
    )
    return f"<table>{cells}</table>" if cells else "<p>Nothing.</p>"


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()
