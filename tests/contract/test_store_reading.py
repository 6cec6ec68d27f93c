"""Reading on every database: in two times, at one position."""

import pytest

from ledger.domain.stays import ReportStay
from ledger.kernel.errors import (
    NotFound,
)
from ledger.kernel.instants import HOUR
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from tests.support.ledgers import OPENED_AT, asking
from tests.support.town import IMPORTER, MARCH

# Reading in two times -------------------------------------------------------------------------


def test_balances_as_of_now_are_the_balances(town):
    with town.reading() as reads:
        now = reads.balances()
        moment = reads.moment(valid_at=2**52)
        assert reads.balances(at=moment) == now
        assert sum(one.quantity for one in now if one.commodity == "WH") == 0


def test_a_late_report_is_known_late_but_valid_early(town):
    with town.reading() as reads:
        times = sorted({one.envelope.recorded_at for one in reads.entries()})
        before_late, late = times[-2], times[-1]
        late_valid = min(
            one.envelope.valid_at for one in reads.entries() if one.envelope.recorded_at == late
        )
        assert late_valid < before_late, "it happened before others, and was told after them"
        known_then = reads.balances("Energy:Grid", at=reads.moment(2**52, before_late))
        known_now = reads.balances("Energy:Grid")
        assert sum(b.quantity for b in known_now) - sum(b.quantity for b in known_then) == -30_000
        day = OPENED_AT  # long before anything happened
        assert reads.balances("Energy", at=reads.moment(valid_at=day)) == []


def test_what_was_known_at_a_moment_is_the_log_up_to_it(town):
    with town.reading() as reads:
        recorded = [one.envelope.recorded_at for one in reads.entries()]
        for known_at in {0, *recorded, recorded[-1] + 1, *(at - 1 for at in recorded)}:
            assert reads.end_known_at(known_at) == sum(at <= known_at for at in recorded)


def test_where_a_pack_was_is_told_for_every_moment(town):
    with town.reading() as reads:
        history = reads.pack_history("PK-1", reads.moment())
        assert reads.custody("PK-1", reads.moment()) == "Packs:Driver:DR-1"
        docked = next(one for one in history if one.envelope.kind == "pack_returned")
        at = docked.envelope.valid_at
        assert reads.custody("PK-1", reads.moment(valid_at=at)) == "Packs:Station:ST-1:Slot:1"
        with pytest.raises(NotFound):
            reads.pack_history("PK-9", reads.moment())


def test_a_reader_sees_one_position_whatever_is_written_meanwhile(url, town):
    with town.reading() as reads:
        size, balances = reads.size, reads.balances()
        with Ledger(url) as other:
            later = MARCH + 200 * HOUR
            stay = ReportStay(
                report_id="RP-9",
                network="OP-1",
                station_id="ST-1",
                slot="1",
                driver_id="DR-1",
                pack_id="PK-1",
                begin_at=later,
                end_at=later + HOUR,
                received_at=later + HOUR,
                seq=9,
                row_ref="rows#9",
                energy_wh=1_000,
                meter_id="MT-1",
            )
            assert other.execute(asking(stay, "later", actor=IMPORTER, at=later + HOUR)).count == 7
        assert reads.balances() == balances
        assert verify(reads, deep=True).size == size
    with town.reading() as reads:
        assert reads.size > size
        assert reads.balances() != balances
