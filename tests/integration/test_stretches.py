"""Reads over many stretches of positions, on both databases, against a fold over the same rows."""

from collections import Counter
from itertools import groupby, product
from random import Random  # noqa: TID251  seeded below
from typing import Any

import msgspec
import pytest

from ledger.kernel.hashing import EMPTY_ROOT
from ledger.runtime.posted import Balances, add_to
from ledger.runtime.verify import verify
from ledger.store import journal, scan, stretches
from ledger.store.append import Head, Rows, appender
from ledger.store.queries import audit, balances, booked, chains, histories, sums, titles
from ledger.store.stretches import parts, stretch_of
from tests.support.ledgers import new_ledger
from tests.support.stores import BOTH, SQLITE, behind_its_back, new_database
from tests.support.town import new_town

SIZE = 240
ACCOUNTS = ("Cash", "Cash:A", "Cash:B", "Cashier", "Held:X", "Held:Y", "Z")
ITEMS = ("", "I-1", "I-2", "I-3")
COMMODITIES = ("EUR", "PACK", "USD", "WH")
PACKS = ("PK-1", "PK-2", "PK-3")
LATEST = 2**62


@pytest.fixture(scope="module", autouse=True)
def short():
    """Stretches, parts and windows so short that a few rows need many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "STRETCH_ENTRIES", 7)
        patch.setattr(stretches, "AT_ONCE", 5)
        patch.setattr(sums, "_KEYS_MIN", 5)
        patch.setattr(sums, "COMMODITIES_AT_ONCE", 3)
        patch.setattr(booked, "SPANS_AT_ONCE", 1)
        patch.setattr(chains, "AT_ONCE", 2)
        yield


class Told:
    """What was written, as plain rows."""

    def __init__(self, seed):
        chance = Random(seed)
        self.lines, self.links, self.at = [], [], {}
        counts: Counter[str] = Counter()
        for position in range(1, SIZE):
            self.at[position] = at = chance.randrange(50)
            for line in range(chance.choice((0, 0, 1, 2, 2, 3))):
                where = chance.choice(ACCOUNTS), chance.choice(ITEMS)
                what = chance.choice(COMMODITIES), chance.choice((-2, -1, 1, 1, 2))
                self.lines.append((*where, position, line, *what, at))
            for pack in chance.sample(PACKS[: 1 + position % 3], chance.choice((0, 0, 1))):
                if pack != "PK-3" or position < 30:
                    counts[pack] += 1
                    self.links.append((pack, counts[pack], position))
        self.by_key = sorted(self.lines)

    def sums(self, key, *, at, prefix="", item="", also=lambda _: True):
        """Add up quantities by key of a line, non-zero ones only."""
        found: Counter[Any] = Counter()
        for line in self.lines:
            account, of, position, _, _, quantity, happened = line
            inside = account == prefix or account.startswith(f"{prefix}:") or not prefix
            if inside and (not item or of == item) and happened <= at[0] and position < at[1]:
                found[key(line)] += quantity if also(line) else 0
        return {name: total for name, total in sorted(found.items()) if total}


def key_of(line):
    return *line[:2], line[4]


def write(ledger, told):
    kept: Balances = {}
    rows = [(stretch_of(line[2]), *line) for line in told.lines]
    add_to(kept, rows)
    with ledger.writing() as tx:
        log_id = ledger.name.log_id
        entries = [(at, "x", at, happened, b"entry %d" % at) for at, happened in told.at.items()]
        some = Rows(
            entries=entries,
            entry_packs=[(stretch_of(link[2]), *link) for link in told.links],
            postings=rows,
            balances=[(*key, *value) for key, value in kept.items()],
            head=Head(SIZE, EMPTY_ROOT, b"", b"", 0),
        )
        appender(tx, log_id).write(some)


@pytest.fixture(scope="module")
def told():
    return Told(20_251_207)


@pytest.fixture(scope="module", params=BOTH)
def reads(request, tmp_path_factory, told):
    url = new_database(request.param, request, tmp_path_factory.mktemp("log"))
    with new_ledger(url) as ledger:
        write(ledger, told)
        with ledger.reading() as found:
            yield found


def moments(seed):
    """Give (valid_at, end) at borders of stretches and parts, and at some more."""
    chance = Random(seed)
    ends = (0, 1, 8, 35, SIZE, *(chance.randrange(SIZE) for _ in range(2)))
    return [(chance.choice((LATEST, LATEST, 20, 0)), end) for end in ends]


PREFIXES = (("", ""), ("Cash", ""), ("Cash", "I-2"), ("Held:X", ""), ("", "I-1"), ("No", ""))


def test_stretches_part_the_positions_they_touch():
    for first, end in ((0, 0), (0, 1), (3, 7), (3, 8), (6, 7), (7, 14), (5, 200), (9, 9), (-1, 3)):
        found = {stretch_of(position) for position in range(max(first, 0), end)}
        assert set(stretches.stretches(first, end)) == found or first == end
        for growing in (False, True):
            parted = list(parts(first, end, growing=growing))
            assert [at for one in parted for at in range(*one)] == list(range(max(first, 0), end))
            assert all(len(stretches.stretches(*one)) <= stretches.AT_ONCE for one in parted)


def test_balances_of_a_moment_are_sums_of_lines(reads, told):
    log_id = reads.name.log_id
    for at in moments(1):
        for prefix, item in PREFIXES:
            found = balances.as_of(
                reads.tx, log_id, valid_at=at[0], end=at[1], prefix=prefix, item=item
            )
            whole = told.sums(key_of, at=at, prefix=prefix, item=item)
            assert [(one.account, one.item, one.commodity) for one in found] == list(whole)
            assert [one.quantity for one in found] == list(whole.values())
            total = balances.totals(reads.tx, log_id, prefix, at=at)
            wanted = told.sums(lambda line: (line[0], line[4]), at=at, prefix=prefix)
            assert [(one.account, one.commodity) for one in total] == list(wanted)
            assert [one.quantity for one in total] == list(wanted.values())


def test_statements_of_account_are_pages_of_whole_entries(reads, told):
    log_id = reads.name.log_id
    for account in ACCOUNTS[:3]:
        for item in ITEMS[:2]:
            for span in ((0, SIZE), (20, 100), (35, 36), (50, 50)):
                whole = [
                    (line[2], line[3], *line[1:2], *line[4:])
                    for line in sorted(told.lines, key=lambda line: line[2:4])
                    if line[:2] == (account, item) and span[0] <= line[2] < span[1]
                ]
                for limit in (1, 2, 5, 1_000):
                    left, at = list(whole), span[0]
                    while page := balances.lines(
                        reads.tx, log_id, account, item=item, span=(at, span[1]), limit=limit
                    ):
                        cut = left[:limit]
                        cut += [line for line in left[limit:] if line[0] == cut[-1][0]]
                        assert [
                            (one.position, one.line, one.item, *after(one)) for one in page
                        ] == cut
                        left, at = left[len(cut) :], page[-1].position + 1
                    assert left == []


def after(one):
    return one.commodity, one.quantity, one.occurred_at


def test_items_and_their_positions_come_in_the_order_of_items(reads, told):
    tx, log_id = reads.tx, reads.name.log_id
    for account in ACCOUNTS:
        for first, end in ((0, SIZE), (20, 100), (35, 36), (50, 50)):
            on = [line for line in told.by_key if line[0] == account and first <= line[2] < end]
            assert balances.items(tx, log_id, account, (first, end)) == sorted(
                {line[1] for line in on}
            )
            for some in (("", "I-9"), ("I-1", "I-2"), ("I-2", "I-2"), ("I-7", "I-8")):
                within = [line for line in on if some[0] <= line[1] <= some[1]]
                asked = balances.ItemRange(*some, first, end)
                wanted = list(dict.fromkeys((line[1], line[2]) for line in within))
                pages = list(balances.pages_by_item(tx, log_id, account, asked, limit=3))
                assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)
                assert [one for page in pages for one in page] == wanted
                items = sorted({line[1] for line in within})
                assert balances.items_in(tx, log_id, account, asked) == items


def test_what_was_held_comes_in_pages_by_key(reads, told):
    for at in moments(2):
        for prefix, limit in (("Cash", 3), ("Held", 100)):
            total = told.sums(lambda line: line[:2], at=at, prefix=prefix)
            wanted = [(*key, quantity) for key, quantity in total.items() if quantity > 0]
            found, key = [], ("", "")
            while page := audit.held(
                reads.tx, reads.name.log_id, prefix, at=at, after=key, limit=limit
            ):
                found += [(one.account, one.item, one.quantity) for one in page]
                key = found[-1][:2]
            assert found == wanted


def test_movements_come_in_pages_in_the_order_of_the_log(reads, told):
    for at in moments(3):
        for account in ("Cash", ("Cash", "I-1"), "Z"):
            path = (account,) if isinstance(account, str) else account
            wanted = sorted(
                (line[2], line[3], line[1], line[5], line[6])
                for line in told.lines
                if line[: len(path)] == path and line[6] <= at[0] and line[2] < at[1]
            )
            for limit in (1, 4, 1_000):
                found, key = [], (-1, -1)
                while page := audit.movements(
                    reads.tx, reads.name.log_id, account, at=at, after=key, limit=limit
                ):
                    assert len(page) <= limit
                    found += [
                        (one.position, one.line, one.item, one.quantity, one.occurred_at)
                        for one in page
                    ]
                    key = found[-1][:2]
                assert found == wanted


def test_flows_are_sums_of_lines(reads, told):
    log_id = reads.name.log_id
    for _, end in moments(4):
        for span in ((0, 60), (10, 30)):
            found = audit.flows(reads.tx, log_id, "EUR", span=span, end=end)
            wanted = []
            for account, some in groupby(told.by_key, key=lambda line: line[0]):
                eur = [line[5:] for line in some if line[4] == "EUR" and line[2] < end]
                inside = [quantity for quantity, at in eur if span[0] <= at < span[1]]
                before = sum(quantity for quantity, at in eur if at < span[0])
                more = sum(quantity for quantity in inside if quantity > 0)
                less = sum(quantity for quantity in inside if quantity < 0)
                if eur:
                    wanted.append(audit.Flow(account, before, more, less, before + more + less))
            assert found == wanted


def test_what_later_entries_changed_comes_in_pages_by_key(reads, told):
    log_id = reads.name.log_id
    for _, end in moments(8):
        ends = (end // 3, end)
        now = told.sums(key_of, at=(30, end), prefix="Cash")
        then = told.sums(key_of, at=(30, ends[0]), prefix="Cash")
        changed = [
            (*name, then.get(name, 0), now.get(name, 0))
            for name in sorted(now.keys() | then.keys())
            if now.get(name, 0) != then.get(name, 0)
        ]
        found, key = [], ("", "", "")
        while page := audit.changes(
            reads.tx, log_id, "Cash", ends=ends, valid_at=30, page=(key, 3)
        ):
            found += [(one.account, one.item, one.commodity, one.before, one.after) for one in page]
            key = found[-1][:3]
        assert found == changed


def test_what_is_booked_by_a_day_and_what_is_open(reads, told):
    log_id = reads.name.log_id
    for cut in (
        booked.Cut(LATEST, SIZE),
        booked.Cut(25, 100),
        booked.Cut(25, 100, ((100, 103), (120, 160))),
        booked.Cut(25, 0),
        booked.Cut(25, 0, ((6, 9), (13, 14), (200, SIZE - 1))),
    ):
        taken = [
            line
            for line in sorted(told.lines, key=lambda line: line[2:4])
            if (line[2] < cut.end and line[6] < cut.before_at)
            or any(begin < line[2] <= end for begin, end in cut.spans)
        ]
        total: Counter[Any] = Counter()
        for account, item, _, _, commodity, quantity, _ in taken:
            total[account, item, commodity] += quantity
        wanted = [(*key, left) for key, left in sorted(total.items()) if left]
        found = booked.balances(reads.tx, log_id, cut)
        assert [msgspec.structs.astuple(one) for one in found] == wanted
        left: Counter[Any] = Counter()
        since: dict[Any, int] = {}
        for account, item, _, _, commodity, quantity, at in taken:
            if account == "Cash":
                since[item, commodity] = since[item, commodity] if left[item, commodity] else at
                left[item, commodity] += quantity
        opened = [(*key, left[key], since[key]) for key in sorted(left) if left[key]]
        items = booked.open_items(reads.tx, log_id, "Cash", cut)
        assert [msgspec.structs.astuple(one) for one in items] == opened


def test_where_packs_stood_and_how_they_moved(reads, told):
    log_id = reads.name.log_id
    for at in moments(5):
        total = told.sums(lambda line: line[:2], at=at, prefix="Held")
        wanted = sorted((item, account) for (account, item), left in total.items() if left > 0)
        assert sorted(titles.holdings(reads.tx, log_id, "Held", at=at)) == wanted
        moved = list(titles.moves(reads.tx, log_id, "Held", end=at[1]))
        lines = [line for line in told.lines if line[0][:5] == "Held:" and line[2] < at[1]]
        assert [(one[0], one[4]) for one in moved] == sorted((line[1], line[2]) for line in lines)
        assert sorted(moved) == sorted((of, to, q, at, n) for to, of, n, _, _, q, at in lines)


def test_histories_of_packs_are_whole_and_in_order(reads, told):
    tx, log_id = reads.tx, reads.name.log_id
    for valid_at, end in moments(6):
        for pack in (*PACKS, "PK-404"):
            named = [position for of, _, position in told.links if of == pack and position < end]
            assert journal.pack_positions(tx, log_id, pack, end) == named
            found = journal.pack_entries(tx, log_id, pack, end)
            assert [(at, n, bytes(data)) for at, n, data in found] == [
                (told.at[n], n, b"entry %d" % n) for n in named
            ]
            count = histories.pack_count(tx, log_id, pack, end)
            assert count == len(named)
            pages = sorted((told.at[n], n) for n in named if told.at[n] <= valid_at)
            for length in (count, histories.PAGE_AT_ONCE + 1):
                asked = histories.PackPage(pack, length, 1, 4)
                page = histories.pack_page(tx, log_id, asked, (valid_at, end))
                assert [position for position, _ in page] == [n for _, n in pages[1:5]]


def test_the_last_links_are_found_once_for_each_pack(reads, told):
    for _, end in moments(7):
        for since in (0, end // 2, max(0, end - 1), end):
            last = {pack: (pack, count, at) for pack, count, at in told.links if at < end}
            wanted = [link for link in last.values() if link[2] >= since]
            found = chains.last_links(reads.tx, reads.name.log_id, since=since, end=end)
            told_of = [one for chunk in found for one in chunk]
            assert sorted(one[:3] for one in told_of) == sorted(wanted)
            assert all(bytes(one[3]) == b"entry %d" % one[2] for one in told_of)


@pytest.mark.parametrize("database", BOTH)
def test_a_balance_that_is_not_its_sum_is_found_in_whichever_window(
    database, request, tmp_path, told, monkeypatch
):
    url = new_database(database, request, tmp_path)
    edits = (
        "UPDATE balance SET quantity = quantity + 1 WHERE account = '{}'",
        "DELETE FROM balance WHERE account = '{}'",
        "UPDATE posting SET quantity = quantity + 1 WHERE account = '{}' AND position > 100",
        "UPDATE posting SET stretch = stretch - 1 WHERE account = '{}' AND position > 100",
        "UPDATE posting SET stretch = 1000 WHERE account = '{}' AND position > 100",
    )
    ways = (0, 1_000) if database == SQLITE else (0,)  # by windows, and by a seek for each
    with new_ledger(url) as ledger:
        write(ledger, told)
        log_id = ledger.name.log_id
    with behind_its_back(url) as tx:
        for edit, account, seeks in product(edits, ("Cash", "Cashier", "Z"), ways):
            monkeypatch.setattr(scan, "SEEKS_PER_LINE", seeks)
            assert scan.same_books(tx, log_id)
            edited = tx.begin_nested()
            assert tx.exec_driver_sql(edit.format(account)).rowcount
            assert not scan.same_books(tx, log_id)
            found = scan.differing_balance(tx, log_id)
            astray = scan.in_another_stretch(tx, log_id, "posting")
            if "stretch" in edit:  # sums are right wherever the lines lie
                first = min(n for of, _, n, *_ in told.lines if of == account and n > 100)
                assert (found, astray) == (None, first)
            else:
                assert (found is not None and found[0], astray) == (account, None)
            assert scan.in_another_stretch(tx, log_id, "entry_pack") is None
            edited.rollback()


@pytest.mark.parametrize("database", BOTH)
def test_a_town_written_over_many_stretches_verifies(database, request, tmp_path):
    with new_town(new_database(database, request, tmp_path)) as town, town.reading() as found:
        assert verify(found, deep=True).size == 37
        last = {
            link.pack: (link.pack, link.count, one.envelope.position)
            for one in found.entries()
            for link in one.envelope.packs
        }
        links = chains.last_links(found.tx, found.name.log_id, since=0, end=found.size)
        assert {one[0]: one[:3] for chunk in links for one in chunk} == last
