"""Looking for what is known about persons where it must never stand: in the clear, in any file.

Plaintext is in no file at any time, neither in the databases and their logs nor in tiles, exports,
backups and trace lines (evidence handbook 10.2). Every text of at least `NEEDLE_BYTES_MIN` bytes
that the vault holds is searched in the spellings in which programs write it down: as it is, as JSON
escapes it, as addresses of pages quote it. Files that are packed or encrypted say nothing here.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, quote_plus

import msgspec

from ledger.domain.privacy import PURPOSES
from ledger.kernel.errors import NotFound
from ledger.runtime.sweeping import NEEDLE_BYTES_MIN, sweep
from ledger.store.vault import Vault

NEEDLES_AT_ONCE = 50_000
"""Texts in memory at once; with more the files are read again."""

Needles = dict[bytes, set[tuple[str, str]]]
"""What is searched, and every (subject, field) it would give away."""


class FoundPlain(msgspec.Struct, frozen=True):
    """A person's field that stands in the clear in a file; never the text itself."""

    file: str
    subject: str
    field: str


class PlainSwept(msgspec.Struct, frozen=True):
    """What was searched: fields of persons, files, bytes; and what was found."""

    fields: int
    files: int
    bytes_read: int
    found: tuple[FoundPlain, ...] = ()


def sweep_plaintext(vault: Vault, files: Sequence[Path]) -> PlainSwept:
    """Search every byte of the files for everything known about everybody in the vault.

    Raises:
        Unavailable: a file, or the device that opens keys, is away: nothing may be said then.
        TamperEvidence: a row of the vault was changed.
    """
    fields = bytes_read = 0
    found: set[tuple[str, str, str]] = set()
    for needles in _in_parts(vault):
        fields += len(set().union(*needles.values()))
        swept = sweep(files, needles)
        bytes_read = max(bytes_read, swept.bytes_read)
        found |= {(name, *whose) for name, needle in swept.found for whose in needles[needle]}
    every = tuple(FoundPlain(*each) for each in sorted(found))
    return PlainSwept(fields, len(files), bytes_read, every)


def _in_parts(vault: Vault) -> Iterator[Needles]:
    needles: Needles = defaultdict(set)
    for subject, _ in vault.subjects():
        for purpose in PURPOSES:
            try:
                values = vault.read(subject, purpose)
            except NotFound:
                continue  # ordered away
            finally:
                vault.cache.drop((subject, purpose))  # a sweep leaves no opened keys behind
            for field, value in values.items():
                for spelling in spellings(value):
                    needles[spelling].add((subject, field))
        if len(needles) >= NEEDLES_AT_ONCE:
            yield needles
            needles = defaultdict(set)
    yield needles


def spellings(value: object) -> set[bytes]:
    """Give the bytes in which programs write the texts in a value down, if long enough.

    >>> sorted(spellings({"mail": "zoé@example.net", "country": "FR"}))[0]
    b'zo%C3%A9%40example.net'
    """
    if isinstance(value, Mapping):
        return {each for inner in value.values() for each in spellings(inner)}
    if isinstance(value, list | tuple):
        return {each for inner in value for each in spellings(inner)}
    text = str(value)
    written = (text, json.dumps(text)[1:-1], quote(text, safe=""), quote_plus(text))
    found = {each.encode() for each in written}
    return {each for each in found if len(each) >= NEEDLE_BYTES_MIN}
