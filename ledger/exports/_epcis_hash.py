"""The public id of an EPCIS event: a hash over what it says (CBV 2.0, chapter 8.9).

The members of an event are written as ``name=value`` in a fixed order, without anything between
them, and hashed with SHA-256::

    ni:///sha-256;<64 hex digits>?ver=CBV2.0

`eventID`, `recordTime` and `errorDeclaration` take no part, so that an event and the declaration
of its error have the same id. Words of the vocabulary stand as their full web address, numbers
without trailing zeros, GS1 Digital Links as of ``id.gs1.org``, our own members as
``{namespace}name``.
"""

from decimal import Decimal
from hashlib import sha256
from typing import Any

from ledger.exports._epcis_names import Naming

_CBV = "https://ref.gs1.org/cbv/"
_WORDS = {"bizStep": "BizStep-", "disposition": "Disp-"}
_UNNAMED = ("@context", "type", "eventID", "recordTime", "errorDeclaration")
_REPORT = ("type", "deviceID", "time", "value", "uom")
_METADATA = ("time", "startTime", "endTime", "deviceID")


def event_id(event: dict[str, Any], naming: Naming) -> str:
    """Compute the id of one of our events."""
    digest = sha256(pre_hash(event, naming).encode()).hexdigest()
    return f"ni:///sha-256;{digest}?ver=CBV2.0"


def pre_hash(event: dict[str, Any], naming: Naming) -> str:
    """Write an event as the text that is hashed."""
    return _Text(naming).of_event(event)


class _Text:
    """Writes members in the order of the standard."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming

    def of_event(self, event: dict[str, Any]) -> str:
        left = {name: value for name, value in event.items() if name not in _UNNAMED}
        first = [f"eventType={event['type']}"]
        for name in ("eventTime", "eventTimeZoneOffset", "parentID"):
            first += self._plain(name, left.pop(name, None))
        for name in ("epcList", "inputEPCList", "childEPCs", "outputEPCList"):
            first += self._epcs(name, left.pop(name, None))
        first += self._plain("action", left.pop("action", None))
        for name, prefix in _WORDS.items():
            first += self._word(name, prefix, left.pop(name, None))
        first += self._persistent(left.pop("persistentDisposition", None))
        for name in ("readPoint", "bizLocation"):
            place = left.pop(name, None)
            first += [f"{name}id={self._value(place['id'])}"] if place else []
        first += self._sensors(left.pop("sensorElementList", None))
        return "".join(first + sorted(self._rest(name, value) for name, value in left.items()))

    def _plain(self, name: str, value: Any) -> list[str]:
        return [] if value is None else [f"{name}={self._value(value)}"]

    def _word(self, name: str, prefix: str, word: str | None) -> list[str]:
        return [] if word is None else [f"{name}={_CBV}{prefix}{word}"]

    def _epcs(self, name: str, epcs: list[str] | None) -> list[str]:
        if epcs is None:
            return []
        return [name, *(f"epc={each}" for each in sorted(map(self._value, epcs)))]

    def _persistent(self, words: dict[str, list[str]] | None) -> list[str]:
        if words is None:
            return []
        named = [
            f"{name}={_CBV}Disp-{word}"
            for name in ("set", "unset")
            for word in sorted(words.get(name, ()))
        ]
        return ["persistentDisposition", *named]

    def _sensors(self, elements: list[dict[str, Any]] | None) -> list[str]:
        if elements is None:
            return []
        return ["sensorElementList", *sorted(map(self._sensor, elements))]

    def _sensor(self, element: dict[str, Any]) -> str:
        metadata = element["sensorMetadata"]
        about = [part for name in _METADATA for part in self._plain(name, metadata.get(name))]
        reports = sorted(
            "sensorReport" + "".join(self._measured(report)) for report in element["sensorReport"]
        )
        return "".join(("sensorElement", "sensorMetadata", *about, *reports))

    def _measured(self, report: dict[str, Any]) -> list[str]:
        kind = report["type"]
        full = self._naming.expanded(kind) if ":" in kind else f"https://gs1.org/voc/{kind}"
        named = report | {"type": full}
        return [part for name in _REPORT for part in self._plain(name, named.get(name))]

    def _rest(self, name: str, value: Any) -> str:
        if isinstance(value, dict):  # instance or lot master data
            return name + "".join(sorted(self._rest(key, each) for key, each in value.items()))
        if isinstance(value, list):  # transactions, sources, destinations: type and value
            return name + "".join(
                f"type={self._kind(key, each['type'])}{key}={self._value(each[key])}"
                for each in value
                for key in each
                if key != "type"
            )
        return f"{{{self._naming.namespace}}}{name.partition(':')[2]}={self._value(value)}"

    def _kind(self, key: str, kind: str) -> str:
        prefix = "BTT-" if key == "bizTransaction" else "SDT-"
        return kind if ":" in kind else f"{_CBV}{prefix}{kind}"

    def _value(self, value: Any) -> str:
        if isinstance(value, Decimal):
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        return self._naming.canonical(value) if isinstance(value, str) else str(value)
