"""What one passport may show: the facts of a pack that a viewer may see."""

from decimal import Decimal
from typing import Any

from ledger.exports._passport_attributes import ATTRIBUTES, visible
from ledger.exports._passport_facts import Values
from ledger.exports._passport_values import CatenaX, Document

Json = dict[str, Any]


class Sheet:
    """Facts by clause as one viewer sees them; notes which he was shown."""

    def __init__(self, values: Values, viewer: str, catena_x: CatenaX | None = None) -> None:
        """Show of `values` what `viewer` may see."""
        self._values = values
        self._visible = visible(viewer)
        self.catena_x = catena_x
        self.shown: set[str] = set()

    def get(self, clause: str) -> Any:
        """Give a value, None where it is not known or not to be shown."""
        if clause not in self._visible or clause not in self._values:
            return None
        self.shown.add(clause)
        return self._values[clause]

    def sees(self, clause: str) -> bool:
        """Tell whether an attribute may be shown, known or not."""
        return clause in self._visible

    def missing(self, needed: frozenset[str]) -> list[str]:
        """List the clauses that are needed, may be shown and are not known, in their order."""
        return [
            each.clause
            for each in ATTRIBUTES
            if each.clause in needed & self._visible and each.clause not in self._values
        ]


def clauses(text: str) -> frozenset[str]:
    """Read clauses that are divided by white space."""
    return frozenset(text.split())


def filled(**members: Any) -> Json:
    """Make an object of the members that are there."""
    return {name: value for name, value in members.items() if value not in (None, {}, [])}


def links(documents: tuple[Document, ...] | Document | None) -> list[Json] | None:
    """Name documents as Catena-X wants them."""
    if documents is None:
        return None
    listed = (documents,) if isinstance(documents, Document) else documents
    return [
        {"header": each.title, "content": each.url, "contentType": each.media_type}
        for each in listed
    ]


def url(document: Document | None) -> str | None:
    """Give the address of a document."""
    return None if document is None else document.url


def percents(*values: Decimal | None) -> Decimal | None:
    """Sum shares that are known; None when none is."""
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None
