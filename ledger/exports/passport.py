"""Battery passports of packs, in two shapes, as each viewer may see them (custody handbook 14.2).

A passport is a folder::

    general_product_information.json   seven submodels of the Battery Pass shape, version 1.2.0,
    carbon_footprint.json              performance and durability 1.2.1
    circularity.json
    labels.json
    material_composition.json
    performance_and_durability.json
    supply_chain_due_diligence.json
    battery_pass.json                  Catena-X BatteryPass 6.1.0
    traction_battery_code.json         Catena-X TractionBatteryCode 2.0.0, where a code is bound
    manifest.json                      what it is, from what, and the digest of each file

Facts come from the ledger (what it knows itself, what was registered of the class, what papers
tell of the pack), or from a facts file whose digest the manifest names; nothing is made up. A
viewer who sees everything gets documents that keep the schemas, or a refusal that lists what is
missing; a viewer who sees less gets the same documents without what he may not see. The same
ledger, moment and facts give the same bytes.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from ledger.exports import _passport_catenax as catenax
from ledger.exports import _passport_eu as eu
from ledger.exports._files import publish, staged
from ledger.exports._passport_attributes import ATTRIBUTES, VIEWERS
from ledger.exports._passport_facts import FactsFile, Values, parse_facts
from ledger.exports._passport_life import Life, known, life_of, passport_urn
from ledger.exports._passport_sheet import Json, Sheet
from ledger.exports._passport_told import class_at, papers_of
from ledger.exports._passport_values import CatenaX
from ledger.kernel.errors import Malformed, Refused
from ledger.kernel.instants import utc_day
from ledger.kernel.refusal import Fact, Refusal, RefusalCode
from ledger.runtime.reads import FOREVER, Moment, Reads

MANIFEST = "manifest.json"
SHAPES = ("battery-pass", "catena-x")
MONTHS = 12

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Covered(msgspec.Struct, frozen=True):
    """One attribute: from where it is known, "" not at all, and its value.

    `ledger` is what follows from entries, `class` what was registered of the class, `papers` what
    was recorded of the pack, `facts` what a facts file tells.
    """

    clause: str
    name: str
    access: str
    source: str
    value: Any = None


class Passport(msgspec.Struct, frozen=True):
    """A passport as one viewer sees it: its documents by name, and the manifest over them."""

    pack_id: str
    passport: str
    viewer: str
    shown: list[str]
    documents: dict[str, bytes]
    manifest: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which names the digest of each document."""
        return sha256(self.manifest).hexdigest()


class Desk:
    """Makes passports of one pack, as its history stood at a moment."""

    def __init__(
        self, reads: Reads, pack_id: str, facts: bytes = b"", moment: Moment | None = None
    ) -> None:
        """Gather what is known.

        Args:
            reads: the ledger; a checkpoint must cover the moment.
            pack_id: whose passport.
            facts: the bytes of a facts file; empty for none. What it says of the model counts
                only where the class is not registered.
            moment: what had happened and was known; now when absent.

        Raises:
            NotFound: no entry names the pack, or no checkpoint covers the moment.
            Malformed: the facts file is not as it must be, or about another class.
        """
        at = moment or reads.moment()
        self._pack_id = pack_id
        self._at = at
        history = reads.pack_history(pack_id, at)
        self._life: Life = life_of(history)
        self._class = class_at(reads, self._life.pack_class, at)
        self._issued_on = utc_day(reads.covered_at(at.end))
        self._origin = reads.name.origin
        self._facts_digest = sha256(facts).hexdigest() if facts else ""
        self._file = parse_facts(facts, "facts file") if facts else _NO_FACTS
        self._told: Values = {}
        self._sources: dict[str, str] = {}
        for source, values in self._tellers(papers_of(history, pack_id)):
            self._told |= values
            self._sources |= dict.fromkeys(values, source)
        self._known = self._known_of()

    def _tellers(self, papers: Values) -> Iterator[tuple[str, Values]]:
        """Give what is told of the class and of this pack, the stronger word later."""
        file = self._file
        if file is not _NO_FACTS and file.pack_class != self._life.pack_class:
            rule = f"about class {file.pack_class}, the pack is {self._life.pack_class}"
            raise Malformed(rule, field="pack_class", place="facts file")
        if self._class is None:
            yield "facts", file.model
        else:
            yield "class", self._class.facts.model
        yield "papers", papers
        yield "facts", file.packs.get(self._pack_id, {})

    def _known_of(self) -> Values:
        values = known(self._life, self._told)
        values[_BOTH] = (*values[_BOTH], *self._told.get(_BOTH, ()))
        values["6.1.2.1"] = passport_urn(self._pack_id, self._life.number)
        return values

    def coverage(self) -> list[Covered]:
        """List all attributes, with what is known of each, and from where."""
        return [
            Covered(
                each.clause,
                each.name,
                each.access,
                self._source(each.clause),
                self._known.get(each.clause, self._told.get(each.clause)),
            )
            for each in ATTRIBUTES
        ]

    def _source(self, clause: str) -> str:
        told = self._sources.get(clause, "")
        if clause == _BOTH and self._told.get(clause):
            return f"ledger, {told}"
        return "ledger" if clause in self._known else told

    @property
    def _catena_facts(self) -> CatenaX | None:
        """What only the Catena-X shape asks for: of the class, else of the file."""
        registered = None if self._class is None else self._class.facts.catena_x
        return registered or self._file.catena_x

    @property
    def pack_class(self) -> str:
        """The class of the pack."""
        return self._life.pack_class

    @property
    def is_registered(self) -> bool:
        """Whether its class was registered by then."""
        return self._class is not None

    def passport(self, viewer: str, shapes: tuple[str, ...] = SHAPES) -> Passport:
        """Write the documents that a viewer may see, in one shape or both.

        Raises:
            Malformed: there is no such viewer or shape.
            Refused: `PASSPORT_FACT_MISSING`, with the clauses of what is missing.
        """
        gaps = self.gaps(viewer, shapes)
        if gaps:
            facts: dict[str, Fact] = {"pack": self._pack_id[:40], "missing": ", ".join(gaps)}
            raise Refused(Refusal(RefusalCode.PASSPORT_FACT_MISSING, facts))
        sheet = Sheet(self._told | self._known, viewer, self._catena_facts)
        found: dict[str, Json] = {}
        if "battery-pass" in shapes:
            found |= eu.submodels(sheet, self._warranty_month())
        if "catena-x" in shapes:
            found |= self._catena_x(sheet)
        documents = {f"{name}.json": _encode(each) + b"\n" for name, each in found.items()}
        shown = [each.clause for each in ATTRIBUTES if each.clause in sheet.shown]
        manifest = _encode(self._manifest(viewer, shown, documents)) + b"\n"
        urn = self._known["6.1.2.1"]
        return Passport(self._pack_id, urn, viewer, shown, documents, manifest)

    def gaps(self, viewer: str, shapes: tuple[str, ...] = SHAPES) -> list[str]:
        """List what is missing for a viewer's documents, by clause; raises as `passport`."""
        if viewer not in VIEWERS:
            raise Malformed(f"one of {', '.join(VIEWERS)}", field="viewer")
        if not shapes or not set(shapes) <= set(SHAPES):
            raise Malformed(f"one of {', '.join(SHAPES)}", field="shape")
        sheet = Sheet(self._told | self._known, viewer, self._catena_facts)
        gaps: list[str] = []
        if "battery-pass" in shapes:
            gaps += sheet.missing(eu.NEEDED)
            if sheet.get("6.1.3.4") is not None and not self._warranty_month():
                gaps.append("6.1.3.4 end")
        if "catena-x" in shapes:
            gaps += sheet.missing(catenax.NEEDED)
            gaps += catenax.lacking(sheet)
        return list(dict.fromkeys(gaps))

    def _catena_x(self, sheet: Sheet) -> dict[str, Json]:
        assert sheet.catena_x is not None, "lacking() told"
        number = self._life.number
        before = passport_urn(self._pack_id, number - 1) if number > 1 else ""
        issued = catenax.Issued(
            _uuid(passport_urn(self._pack_id, number)),
            _uuid(before) if before else catenax.NO_PASSPORT,
            self._issued_on,
        )
        found = {"battery_pass": catenax.battery_pass(sheet, sheet.catena_x, issued)}
        if self._life.codes and sheet.sees("6.1.2.2"):
            found["traction_battery_code"] = catenax.code_document(self._life.codes[-1])
        return found

    def _warranty_month(self) -> int:
        """Tell in which month the warranty ends, 0 where the facts do not tell."""
        if self._life.warranty_until:
            return int(utc_day(self._life.warranty_until)[5:7])
        period = self._told.get("6.1.3.4")
        begins = self._known.get("6.1.3.3", self._told.get("6.1.3.3"))
        if period is None or begins is None or period.unit not in _MONTHS_IN:
            return 0
        first = int(begins[5:7]) - 1
        months: int = period.value * _MONTHS_IN[period.unit]
        return (first + months) % MONTHS + 1

    def _manifest(self, viewer: str, shown: list[str], documents: dict[str, bytes]) -> Json:
        made: Json = {
            "t": "mobilegrid/passport/1",
            "pack": self._pack_id,
            "passport": self._known["6.1.2.1"],
            "viewer": viewer,
            "log": self._origin,
            "entries": self._at.end,
            "issued_on": self._issued_on,
            "attributes": {clause: self._source(clause) for clause in shown},
            "files": {name: sha256(data).hexdigest() for name, data in documents.items()},
        }
        if self._at.valid_at != FOREVER:
            made["valid_at"] = self._at.valid_at
        if self._class is not None:
            made["class"] = {
                "pack_class": self._class.facts.pack_class,
                "version": self._class.facts.version,
                "source": self._class.facts.source,
                "position": self._class.position,
            }
        if self._facts_digest:
            made["facts"] = {
                "pack_class": self._file.pack_class,
                "version": self._file.version,
                "source": self._file.source,
                "sha256": self._facts_digest,
            }
        return made


_BOTH = "6.7.8.4"
"""Accidents: those that the ledger knows of, and those that a facts file adds."""

_NO_FACTS = FactsFile("", 0, "", {}, {}, None)
_MONTHS_IN = {"month": 1, "year": 12}


def _uuid(urn: str) -> str:
    return str(uuid5(NAMESPACE_URL, urn))


def write_passport(passport: Passport, folder: Path) -> None:
    """Write a passport into a folder; the manifest appears last.

    Documents of an older passport that this one does not have are taken away. Raises `Unavailable`
    when the folder cannot be written.
    """
    with staged(folder) as stage:
        for name, data in passport.documents.items():
            (stage / name).write_bytes(data)
        (stage / MANIFEST).write_bytes(passport.manifest)
        for name in DOCUMENTS - set(passport.documents):
            (folder / name).unlink(missing_ok=True)
        publish(stage, folder, (*passport.documents, MANIFEST))


DOCUMENTS = frozenset(
    {
        "general_product_information.json",
        "carbon_footprint.json",
        "circularity.json",
        "labels.json",
        "material_composition.json",
        "performance_and_durability.json",
        "supply_chain_due_diligence.json",
        "battery_pass.json",
        "traction_battery_code.json",
    }
)
"""Every document that a passport can have."""
