"""The title statement: which packs a party has the title of, where they are, what rests on them.

It answers a bank, an insurer or a lessor: do the packs exist, where are they, who uses them. Titles
and custody are summed from postings, lease, lien and book value come with their times from the
rows of `title_rows.py`; so it can be made for any pair of valid time and knowledge, and the same
pair gives the same bytes. It sums to the commissioned fleet, or is not made at all.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from ledger.domain.title_rows import TITLES, Title
from ledger.domain.transitions import Family, place_of
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.errors import InvariantBroken, NotFound
from ledger.runtime.reads import FOREVER, Moment, Reads
from ledger.store.queries import audit
from ledger.store.queries.titles import holdings

HOLDER, CUSTODY = "Title:Holder", "Packs"

PLACES: dict[Family, str] = {
    Family.SLT: "stations",
    Family.STG: "stations",
    Family.DRV: "drivers",
    Family.CIN: "carriers",
    Family.TRN: "carriers",
    Family.DRC: "depots",
    Family.DST: "depots",
    Family.WSH: "workshops",
    Family.SL2: "second_life",
    Family.SUS: "suspense",
    Family.MIS: "missing",
    Family.SUP: "suppliers",
    Family.RCY: "recyclers",
}
"""Custody by family, in the words of the statement."""

COLUMNS = tuple(dict.fromkeys(PLACES.values()))


class Covering(msgspec.Struct, frozen=True):
    """The signed checkpoint that covers a statement: root in base64, the note as it was signed."""

    size: int
    root: str
    note: str
    signed_at: int


class HolderLine(msgspec.Struct, frozen=True):
    """Packs of one holder, class and currency.

    `places` counts them by family of custody, all of `COLUMNS`. `book_value_minor` is in minor
    units of `currency`, which is empty where nobody has valued them.
    """

    holder_id: str
    pack_class: str
    currency: str
    count: int
    commissioned: int
    leased: int
    book_value_minor: int
    places: dict[str, int]


class LienLine(msgspec.Struct, frozen=True):
    """Claims of one bank on packs of one holder: so many liens, on so many packs, for how much."""

    holder_id: str
    bank_id: str
    currency: str
    liens: int
    packs: int
    amount_minor: int


class TitleStatement(msgspec.Struct, frozen=True):
    """A statement: the moment it is about, the fleet, and the lines of all holders in order.

    `as_of` and `known_at` are times in us; `last_position` is the last entry that counts.
    `titled` = sum of the counts; `commissioned` = the living packs that were let into service.
    """

    log: str
    as_of: int
    known_at: int
    last_position: int
    checkpoint: Covering
    titled: int
    commissioned: int
    holders: list[HolderLine]
    liens: list[LienLine]
    t: str = "mobilegrid/title-statement/1"

    def of(self, holder_id: str) -> "TitleStatement":
        """Keep the lines of one holder; the fleet stays what it is."""
        return msgspec.structs.replace(
            self,
            holders=[one for one in self.holders if one.holder_id == holder_id],
            liens=[one for one in self.liens if one.holder_id == holder_id],
        )

    def encoded(self) -> bytes:
        """Write it in the canonical form: the same statement is the same bytes."""
        return canonical(self)


class Titles(msgspec.Struct, frozen=True):
    """What a statement is made of: holder and place of each titled pack, and its row."""

    holders: dict[str, str]
    places: dict[str, Family]
    rows: dict[str, Title]


def title_statement(
    reads: Reads, as_of: int | None = None, known_at: int | None = None
) -> TitleStatement:
    """Make the statement of what had happened by `as_of` and was recorded by `known_at` (us).

    None means now. Raises as `statement_at`.
    """
    return statement_at(reads, reads.moment(as_of, known_at))


def statement_at(reads: Reads, moment: Moment) -> TitleStatement:
    """Make the statement of a moment. A checkpoint must cover it; it names the first that does.

    Raises:
        NotFound: the log had not begun by then, or no checkpoint covers what was known.
        InvariantBroken: a commissioned pack has no holder or several, or an ended one has one.
    """
    if moment.end == 0:
        raise NotFound("the log had not begun")
    checkpoint = _covering(reads, moment.end)
    last_known_at = reads.entry(moment.end - 1).envelope.recorded_at
    titles = titles_at(reads, moment)
    at = moment.valid_at, moment.end
    commissioned = {
        pack_id for pack_id, row in titles.rows.items() if row.is_commissioned(*at)
    } & set(titles.holders)
    return TitleStatement(
        log=reads.name.origin,
        as_of=last_known_at if moment.valid_at == FOREVER else moment.valid_at,
        known_at=last_known_at,
        last_position=moment.end - 1,
        checkpoint=checkpoint,
        titled=len(titles.holders),
        commissioned=len(commissioned),
        holders=_holder_lines(titles, commissioned, at),
        liens=_lien_lines(titles, at),
    )


def _covering(reads: Reads, end: int) -> Covering:
    kept = audit.checkpoint_covering(reads.tx, reads.name.log_id, end)
    if kept is None or kept.size < end:
        raise NotFound(
            f"no checkpoint covers the first {end} entries; sign one with `checkpoint --publish`"
        )
    return Covering(kept.size, base64_text(kept.root), kept.note.decode(), kept.signed_at)


def titles_at(reads: Reads, moment: Moment) -> Titles:
    """Gather who holds the title of which pack, and check that it sums to the fleet (I11).

    Raises `InvariantBroken` with the first pack that does not fit.
    """
    is_now = moment.valid_at == FOREVER and moment.end == reads.size
    at = None if is_now else (moment.valid_at, moment.end)
    tx, log_id = reads.tx, reads.name.log_id
    holders = {
        pack_id: account.removeprefix(f"{HOLDER}:")
        for pack_id, account in _each_once(holdings(tx, log_id, HOLDER, at=at), HOLDER).items()
    }
    places = {
        pack_id: place_of(account)[0]
        for pack_id, account in _each_once(holdings(tx, log_id, CUSTODY, at=at), CUSTODY).items()
    }
    rows = dict(reads.rows(TITLES))
    _check_fleet(Titles(holders, places, rows), moment)
    return Titles(holders, places, rows)


def check_titles(reads: Reads) -> None:
    """Check that titles sum to the commissioned fleet now; `InvariantBroken` where they do not."""
    titles_at(reads, reads.moment())


def _each_once(found: Iterable[tuple[str, str]], tree: str) -> dict[str, str]:
    accounts: dict[str, str] = {}
    twice = [
        pack_id for pack_id, account in found if accounts.setdefault(pack_id, account) != account
    ]
    if twice:
        raise InvariantBroken(f"pack {min(twice)} stands twice in {tree}")
    return accounts


def _check_fleet(titles: Titles, moment: Moment) -> None:
    for pack_id in titles.holders:
        if not _is_alive(titles, pack_id):
            raise InvariantBroken(f"pack {pack_id} has a title holder and no custody")
        if pack_id not in titles.rows:
            raise InvariantBroken(f"pack {pack_id} has a title holder and no row of its title")
    for pack_id, row in titles.rows.items():
        in_service = row.is_commissioned(moment.valid_at, moment.end)
        if in_service and _is_alive(titles, pack_id) and pack_id not in titles.holders:
            raise InvariantBroken(f"pack {pack_id} is in service and nobody has its title")


def _is_alive(titles: Titles, pack_id: str) -> bool:
    return titles.places.get(pack_id) in PLACES


def _holder_lines(titles: Titles, commissioned: set[str], at: tuple[int, int]) -> list[HolderLine]:
    lines: dict[tuple[str, str, str], Counter[str]] = {}
    for pack_id, holder_id in titles.holders.items():
        row = titles.rows[pack_id]
        value = row.value_at(*at)
        key = holder_id, row.pack_class, "" if value is None else value.currency
        counts = lines.setdefault(key, Counter())
        counts["count"] += 1
        counts["commissioned"] += pack_id in commissioned
        counts["leased"] += any(lease.lasts_at(*at) for lease in row.leases)
        counts["value"] += 0 if value is None else value.amount_minor
        counts[f"at {PLACES[titles.places[pack_id]]}"] += 1
    return [
        HolderLine(
            *key,
            count=counts["count"],
            commissioned=counts["commissioned"],
            leased=counts["leased"],
            book_value_minor=counts["value"],
            places={name: counts[f"at {name}"] for name in COLUMNS},
        )
        for key, counts in sorted(lines.items())
    ]


def _lien_lines(titles: Titles, at: tuple[int, int]) -> list[LienLine]:
    sums: dict[tuple[str, str, str], tuple[int, set[str], int]] = {}
    for pack_id, holder_id in titles.holders.items():
        for lien in titles.rows[pack_id].liens:
            if lien.lasts_at(*at):
                key = holder_id, lien.bank_id, lien.currency
                liens, packs, amount_minor = sums.get(key, (0, set(), 0))
                sums[key] = liens + 1, packs | {pack_id}, amount_minor + lien.amount_minor
    return [
        LienLine(*key, liens=liens, packs=len(packs), amount_minor=amount_minor)
        for key, (liens, packs, amount_minor) in sorted(sums.items())
    ]
