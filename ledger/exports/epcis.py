"""Histories of packs as EPCIS 2.0 documents (custody handbook 14.1).

One JSON-LD document (GS1 EPCIS 2.0, JSON Schema of the same version)::

    @context        the EPCIS context, and `mg`: our own words
    creationDate    when the first checkpoint over the entries told was signed
    mg:log          origin of the log
    mg:entries      how many of its entries were known
    eventList       the events, by (valid time, position)

Every event names its entry: `mg:position`, `mg:leafHash` (what the log's tree holds), `mg:kind`,
`mg:evidenceLevel` where it has one, and `mg:pack`, the pack's own name, which stays the same when
a GIAI is bound. `eventID` is a hash over the event, so it can be computed by anyone.

What is not there: drivers, prices, and what nobody reported. `eventTimeZoneOffset` is that of the
station's zone; it is UTC for other sites, whose zone the ledger does not know. The same ledger,
packs and moment give the same bytes, for ever.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from io import BufferedRandom
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ledger.domain.saga import SWAPS
from ledger.domain.stations import STATIONS, Station
from ledger.exports._epcis_events import Event, Lookups, Teller
from ledger.exports._epcis_names import CONTEXT, Naming, naming_of, time_text
from ledger.exports._files import publish, sha256_of, staged
from ledger.exports.log import Progress
from ledger.kernel.errors import InvariantBroken
from ledger.runtime.reads import Entry, Moment, Reads

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class EpcisFile(msgspec.Struct, frozen=True):
    """What was written: a document of so many events about so many packs."""

    file: str
    events: int
    packs: int
    entries: int
    sha256: str


class _Place(NamedTuple):
    """Where an event stands in the document, and where its bytes lie."""

    valid_at: int
    position: int
    part: int
    start: int
    length: int


class _Correction(NamedTuple):
    """A reversal: which entry it takes back, and when it said so."""

    position: int
    reverses: int
    declared_at: int


def export_epcis(
    reads: Reads,
    path: Path,
    pack_ids: Iterable[str] = (),
    moment: Moment | None = None,
    *,
    base: str = "",
    progress: Progress | None = None,
) -> EpcisFile:
    """Write the histories of packs, of all when none is named, as one document.

    Args:
        reads: what is told; a checkpoint must cover it.
        path: the file; an older one is replaced.
        pack_ids: whose histories.
        moment: what had happened and was known by then; now when absent.
        base: web address below which things are named; that of the log's origin when empty.
        progress: told how many entries were read.

    Raises:
        NotFound: no entry names a pack, or no checkpoint covers the moment.
        Malformed: `base` is no web address.
        Unavailable: the file cannot be written.
    """
    at = moment or reads.moment()
    naming = naming_of(base or f"https://{reads.name.origin}")
    created_at = reads.covered_at(at.end)
    names = sorted(set(pack_ids))
    with staged(path.parent) as stage, (stage / "events").open("w+b") as file:
        spool = _Spool(file, Teller(naming, _lookups(reads)), naming)
        for entry in _entries(reads, names, at, progress):
            spool.add(entry, names)
        spool.correct()
        made = stage / path.name
        with made.open("wb") as out:
            out.write(_opening(naming, reads.name.origin, at.end, created_at))
            count = spool.copy(out, at.valid_at)
            out.write(b"\n]}}\n")
        digest = sha256_of(made)
        publish(stage, path.parent, (path.name,))
    return EpcisFile(str(path), count, len(spool.packs), at.end, digest)


def _lookups(reads: Reads) -> Lookups:
    stations: dict[str, Station | None] = {}

    def station(station_id: str) -> Station | None:
        if station_id not in stations:
            stations[station_id] = reads.row(STATIONS, station_id)
        return stations[station_id]

    def vehicle(swap_id: str) -> str:
        swap = reads.row(SWAPS, swap_id)
        return "" if swap is None else swap.vehicle_id

    return Lookups(station, vehicle)


def _entries(
    reads: Reads, names: list[str], at: Moment, progress: Progress | None
) -> Iterator[Entry]:
    """Yield what can be told, each entry once, in order of position."""
    if names:
        found: dict[int, Entry] = {}
        for name in names:
            for entry in reads.pack_history(name, Moment(reads.moment().valid_at, at.end)):
                found[entry.envelope.position] = entry
        yield from (found[position] for position in sorted(found))
        return
    for done, entry in enumerate(reads.entries(0, at.end), 1):
        if entry.envelope.packs:
            yield entry
        if progress is not None and (done % 1_000 == 0 or done == at.end):
            progress(done, at.end)


def _opening(naming: Naming, origin: str, end: int, created_at: int) -> bytes:
    """Write the document up to its first event."""
    head: dict[str, Any] = {
        "@context": [CONTEXT, {"mg": naming.namespace}],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": time_text(created_at),
        "mg:log": origin,
        "mg:entries": end,
    }
    return _encode(head)[:-1] + b',"epcisBody":{"eventList":['


class _Spool:
    """Keeps told events aside until their order is known; only their places stay in memory."""

    def __init__(self, file: BufferedRandom, teller: Teller, naming: Naming) -> None:
        self._file = file
        self._naming = naming
        self._teller = teller
        self._places: list[_Place] = []
        self._ids: dict[int, list[str]] = {}
        self._reversals: list[_Correction] = []
        self._end = 0
        self.packs: set[str] = set()

    def add(self, entry: Entry, names: list[str]) -> None:
        """Tell an entry, about the named packs only where some are named."""
        envelope = entry.envelope
        if envelope.reverses is not None:
            reversal = _Correction(envelope.position, envelope.reverses, envelope.recorded_at)
            self._reversals.append(reversal)
        events = list(self._teller.tell(entry))
        if names:  # an entry about two packs may tell of one that nobody asked for
            wanted = {self._naming.name("pack", name) for name in names}
            events = [event for event in events if event["mg:pack"] in wanted]
        if envelope.corrects is not None:
            ids = self._ids.setdefault(envelope.corrects, [])
            ids += [event["eventID"] for event in events]
        for part, event in enumerate(events):
            self._keep(event, (envelope.valid_at, envelope.position, part))
        self.packs |= {link.pack for link in envelope.packs if not names or link.pack in names}

    def correct(self) -> None:
        """Declare the errors of events whose entries were reversed, with what corrects them."""
        originals: dict[int, list[_Place]] = {}
        for place in self._places:
            originals.setdefault(place.position, []).append(place)
        for reversal in self._reversals:
            for place in originals.get(reversal.reverses, ()):
                event: Event = _decode(self._read(place))
                declared: Event = {
                    "declarationTime": time_text(reversal.declared_at),
                    "reason": "incorrect_data",
                }
                if reversal.reverses in self._ids:
                    declared["correctiveEventIDs"] = self._ids[reversal.reverses]
                order = (place.valid_at, reversal.position, place.part)
                self._keep(event | {"errorDeclaration": declared}, order)

    def _keep(self, event: Event, order: tuple[int, int, int]) -> None:
        data = _encode(event)
        self._file.seek(self._end)
        self._file.write(data)
        self._places.append(_Place(*order, self._end, len(data)))
        self._end += len(data)

    def _read(self, place: _Place) -> bytes:
        self._file.seek(place.start)
        data = self._file.read(place.length)
        if len(data) != place.length:
            raise InvariantBroken("an event that was kept aside is not there")
        return data

    def copy(self, out: Any, valid_at: int) -> int:
        """Write the events that had happened, in order; give their number."""
        count = 0
        for place in sorted(self._places):
            if place.valid_at <= valid_at:
                out.write(b",\n" if count else b"\n")
                out.write(self._read(place))
                count += 1
        return count
