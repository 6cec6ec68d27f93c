"""What the doors read, on both databases, against the same found in the simplest way."""

from concurrent.futures import Future
from random import Random  # noqa: TID251  seeded below

import pytest
import sqlalchemy as sa

from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.instants import HOUR
from ledger.runtime.auditing import AccessLog
from ledger.runtime.published import PublishedLog
from ledger.store import access_log
from ledger.store.access_log import AccessRow
from ledger.store.append import COLUMNS
from ledger.store.queries import audit, histories
from ledger.store.tables import entry, entry_pack
from ledger.tlog.tiles import Tile
from tests.support.doors import sign
from tests.support.ledgers import OPENED_AT, new_ledger, party, sqlite_url
from tests.support.stores import BOTH, behind_its_back, new_database
from tests.support.town import MARCH, new_town

LATEST = 2**62


@pytest.fixture(scope="module", params=BOTH)
def town(request, tmp_path_factory):
    url = new_database(request.param, request, tmp_path_factory.mktemp("town"))
    with new_town(url) as ledger:
        yield ledger


@pytest.mark.parametrize("pack_id", ["PK-1", "PK-2", "PK-404"])
@pytest.mark.parametrize("valid_at", [0, MARCH, MARCH + 26 * HOUR, LATEST])
@pytest.mark.parametrize("end", [0, 17, 30, 37])
def test_pages_of_a_pack_are_slices_of_its_life_in_the_order_it_happened(
    town, pack_id, valid_at, end
):
    with town.reading() as reads:
        at = (valid_at, end)
        log_id = town.name.log_id
        whole = []
        for one in reads.entries(0, end):
            envelope = one.envelope
            if envelope.valid_at <= valid_at and pack_id in [link.pack for link in envelope.packs]:
                whole.append((envelope.valid_at, envelope.position, one.data))
        wanted = [(position, data) for _, position, data in sorted(whole)]
        count = histories.pack_count(reads.tx, log_id, pack_id, end)
        assert count >= len(wanted)
        for told in (count, histories.PAGE_AT_ONCE + 1):  # read whole, and page by page
            asked = histories.PackPage(pack_id, told)
            assert histories.pack_page(reads.tx, log_id, asked, at) == wanted
            for start in (0, 1, 3, len(wanted), 50):
                for limit in (1, 2, 5):
                    asked = histories.PackPage(pack_id, told, start, limit)
                    page = histories.pack_page(reads.tx, log_id, asked, at)
                    assert page == wanted[start : start + limit]


@pytest.mark.parametrize("database", BOTH)
def test_late_reports_stand_where_they_happened_and_ties_in_the_order_of_the_log(
    database, request, tmp_path
):
    chance = Random(20_251_128)
    with new_ledger(new_database(database, request, tmp_path)) as ledger:
        log_id, written = ledger.name.log_id, []
        with ledger.writing() as tx:
            for position in range(1, 121):
                at, data = chance.randrange(20), b"entry %d" % position
                tx.execute(
                    sa.insert(entry).values(
                        log_id=log_id,
                        position=position,
                        kind="x",
                        recorded_at=position,
                        occurred_at=at,
                        bytes=data,
                    )
                )
                link = (0, "PK-1", position, position)
                values = dict(zip(COLUMNS["entry_pack"], link, strict=True))
                tx.execute(sa.insert(entry_pack).values(log_id=log_id, **values))
                written.append((at, position, data))
        with ledger.reading() as reads:
            for valid_at, end in ((19, 121), (7, 121), (19, 60), (7, 60)):
                wanted = [
                    (position, data)
                    for at, position, data in sorted(written)
                    if at <= valid_at and position < end
                ]
                for told in (120, histories.PAGE_AT_ONCE + 1):
                    pages, start = [], 0
                    asked = histories.PackPage("PK-1", told, start, 7)
                    while page := histories.pack_page(reads.tx, log_id, asked, (valid_at, end)):
                        pages += page
                        start += len(page)
                        asked = histories.PackPage("PK-1", told, start, 7)
                    assert pages == wanted != sorted(wanted)


@pytest.mark.parametrize("database", BOTH)
def test_an_answer_is_fixed_by_the_oldest_checkpoint_that_covers_it(database, request, tmp_path):
    with new_ledger(new_database(database, request, tmp_path)) as ledger:
        log_id, sizes = ledger.name.log_id, []

        def fixed(end):
            with ledger.reading() as reads:
                kept = audit.checkpoint_covering(reads.tx, log_id, end)
            return kept and kept.size

        assert fixed(1) is None
        for number in (1, 2, 5, 6):
            ledger.execute(party(number))
            sign(ledger, OPENED_AT + number)
            sizes.append(number_of(ledger))
        ledger.execute(party(7))
        assert sizes == [2, 3, 4, 5]
        assert [fixed(end) for end in range(1, 7)] == [2, 2, 3, 4, 5, 5]


def number_of(ledger):
    with ledger.reading() as reads:
        return reads.size


def test_a_row_that_was_begun_is_durable_when_its_number_is_there(town):
    logged = AccessLog(town)
    logged.start()
    begun: list[Future[int]] = [
        logged.begin(AccessRow(number, "AU-1", "pack_history", bytes(32), number))
        for number in range(200)
    ]
    numbers = [each.result() for each in begun]
    with town.reading() as reads:
        rows = access_log.page(reads.tx, town.name.log_id, numbers[0], numbers[0] + 200)
    logged.stop()
    assert numbers == list(range(numbers[0], numbers[0] + 200))
    assert [(number, row.rows) for number, row in rows] == list(
        zip(numbers, range(200), strict=True)
    )


# Tiles ------------------------------------------------------------------------

TILES, WIDTH = 19, 256


@pytest.fixture(scope="module")
def long_log(tmp_path_factory):
    """A log of 19 signed full tiles and a bit, and of one more that nobody signed."""
    with new_ledger(sqlite_url(tmp_path_factory.mktemp("log"))) as ledger:
        fill(ledger, 1, TILES * WIDTH + 5)
        sign(ledger, OPENED_AT + 10**9)
        fill(ledger, TILES * WIDTH + 5, (TILES + 1) * WIDTH + 5)
        yield ledger


def fill(ledger, first, end):
    for start in range(first, end, WIDTH):
        ledger.execute_all([party(number) for number in range(start, min(start + WIDTH, end))])


def path_of(number):
    return Tile(0, number, WIDTH).path


@pytest.mark.parametrize(
    "order", [range(TILES), range(TILES - 1, -1, -1), (5, 6, 0, 1, 18, 17, 18), (17, 18, 17)]
)
def test_tiles_are_the_same_in_whatever_order_they_are_read(long_log, order):
    published = PublishedLog(long_log)
    with long_log.reading() as reads:
        for number in order:
            assert published.tile(path_of(number)) == reads.tile(0, number)


def test_who_reads_one_after_the_other_finds_the_next_ones_in_memory_and_none_unsigned(long_log):
    published = PublishedLog(long_log)
    published.tile(path_of(7))
    assert published.remembered(path_of(8)) is None
    published.tile(path_of(8))
    assert all(published.remembered(path_of(number)) for number in range(7, TILES))
    assert published.remembered(path_of(TILES)) is None
    with long_log.reading() as reads:
        assert reads.tile(0, TILES) is not None
    with pytest.raises(NotFound):
        published.tile(path_of(TILES))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tile WHERE level = 0 AND number = 1",
        "UPDATE tile SET data = substr(data, 1, 8160) WHERE level = 0 AND number = 1",
    ],
)
def test_a_tile_that_was_taken_away_or_cut_is_evidence_of_tampering(tmp_path, statement):
    url = sqlite_url(tmp_path)
    with new_ledger(url) as ledger:
        fill(ledger, 1, 3 * WIDTH + 5)
        sign(ledger, OPENED_AT + 10**9)
        published = PublishedLog(ledger)
        with behind_its_back(url) as tx:
            tx.exec_driver_sql(statement)
        published.tile(path_of(2))
        with pytest.raises(TamperEvidence):
            published.tile(path_of(1))
