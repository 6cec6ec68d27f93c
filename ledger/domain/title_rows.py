"""Titles as they stand and stood: lease, liens and book value of a pack, each with its times.

Who has the title is not here: it is a balance under ``Title:Holder``. What is here answers for any
pair of valid time and knowledge, so that a statement of last month can be made again next year.
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Key, Shelf, Stamp, World, touch


class Lasting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A fact that begins and may end: from when to when (us), and by which positions.

    `valid_to` and `known_to` are 0 while it lasts.
    """

    valid_from: int
    known_from: int
    valid_to: int = 0
    known_to: int = 0

    @property
    def is_open(self) -> bool:
        """Whether nothing has ended it yet."""
        return not self.known_to

    def lasts_at(self, valid_at: int, end: int) -> bool:
        """Tell whether it lasted at a time (us), as the first `end` entries know it."""
        is_over = bool(self.known_to) and self.known_to < end and self.valid_to <= valid_at
        return self.known_from < end and self.valid_from <= valid_at and not is_over


class Lease(Lasting, frozen=True, kw_only=True):
    """A party uses a pack that is another's."""

    lessee_id: str
    contract_id: str = ""


class Lien(Lasting, frozen=True, kw_only=True):
    """A bank has a claim on a pack, by a document; `amount_minor` is what it secures."""

    lien_id: str
    bank_id: str
    doc_sha256: str
    amount_minor: int
    currency: str
    hold_id: str


class BookValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a pack is worth in the books from a time on (us), in minor units, and by which entry."""

    amount_minor: int
    currency: str
    valid_from: int
    known_from: int


class Title(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a title statement needs of a pack, beside who holds it and where it is.

    `commissioned_in` is the position of the entry that let it into service, -1 for none;
    `held_since` (us) is when its holder got the title.
    """

    pack_id: str
    pack_class: str
    held_since: int = 0
    commissioned_at: int = 0
    commissioned_in: int = -1
    values: tuple[BookValue, ...] = ()
    leases: tuple[Lease, ...] = ()
    liens: tuple[Lien, ...] = ()

    def is_commissioned(self, valid_at: int, end: int) -> bool:
        """Tell whether it had been let into service."""
        return 0 <= self.commissioned_in < end and self.commissioned_at <= valid_at

    def value_at(self, valid_at: int, end: int) -> BookValue | None:
        """Give the newest value of a time; of two from the same time the later entry counts."""
        known = [one for one in self.values if one.known_from < end and one.valid_from <= valid_at]
        return max(known, key=lambda one: (one.valid_from, one.known_from), default=None)

    @property
    def value(self) -> BookValue | None:
        """The newest value of all."""
        return max(self.values, key=lambda one: (one.valid_from, one.known_from), default=None)

    @property
    def lease(self) -> Lease | None:
        """The lease that lasts."""
        return next((one for one in self.leases if one.is_open), None)

    def lien(self, lien_id: str) -> Lien | None:
        """Give a lien by its id, released or not."""
        return next((one for one in self.liens if one.lien_id == lien_id), None)

    @property
    def open_liens(self) -> tuple[Lien, ...]:
        """The liens that nobody has released."""
        return tuple(one for one in self.liens if one.is_open)


TITLES = Shelf("titles", Title)


def title_row(pack_id: str) -> Key:
    """Name the row of a pack, for `touches`."""
    return touch(TITLES, pack_id)


def title_of(world: World, pack_id: str, pack_class: str = "") -> Title:
    """Give the row of a pack, a fresh one where there is none."""
    return world.get(TITLES, pack_id) or Title(pack_id, pack_class)


def valued(row: Title, amount_minor: int, currency: str, stamp: Stamp) -> Title:
    """Give the row with one more value; nothing is added where no currency is named."""
    if not currency:
        return row
    value = BookValue(amount_minor, currency, stamp.occurred_at, stamp.position)
    return replace(row, values=(*row.values, value))


def ended_leases(leases: Iterable[Lease], stamp: Stamp) -> tuple[Lease, ...]:
    """End the lease that lasts."""
    ended = {"valid_to": stamp.occurred_at, "known_to": stamp.position}
    return tuple(replace(one, **ended) if one.is_open else one for one in leases)


def released_liens(liens: Iterable[Lien], lien_id: str, stamp: Stamp) -> tuple[Lien, ...]:
    """Release one lien."""
    ended = {"valid_to": stamp.occurred_at, "known_to": stamp.position}
    return tuple(replace(one, **ended) if one.lien_id == lien_id else one for one in liens)
