"""What the doors read, on both databases, against the same found in the simplest way."""

from concurrent.futures import Future
from random import Random  # noqa: TID251  seeded below

import pytest
import sqlalchemy as sa

from ledger.kernel.instants import HOUR
from ledger.runtime.auditing import AccessLog
from ledger.store import access_log
from ledger.store.access_log import AccessRow
from ledger.store.queries import audit
from ledger.store.tables import entry, entry_pack
from tests.support.doors import sign
from tests.support.ledgers import OPENED_AT, new_ledger, party
from tests.support.stores import BOTH, new_database
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
        assert audit.pack_page(reads.tx, log_id, pack_id, at=at, limit=100) == wanted
        for start in (0, 1, 3, len(wanted), 50):
            for limit in (1, 2, 5):
                page = audit.pack_page(reads.tx, log_id, pack_id, at=at, start=start, limit=limit)
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
                values = {"log_id": log_id, "pack": "PK-1", "count": position, "position": position}
                tx.execute(sa.insert(entry_pack).values(values))
                written.append((at, position, data))
        with ledger.reading() as reads:
            for valid_at, end in ((19, 121), (7, 121), (19, 60), (7, 60)):
                wanted = [
                    (position, data)
                    for at, position, data in sorted(written)
                    if at <= valid_at and position < end
                ]
                pages, start = [], 0
                while page := audit.pack_page(
                    reads.tx, log_id, "PK-1", at=(valid_at, end), start=start, limit=7
                ):
                    pages += page
                    start += len(page)
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
