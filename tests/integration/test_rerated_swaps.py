"""Bills of swaps whose legs are told anew: taken back, made again, settled, to the cent."""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.money.billing import BILLED, UsageAccrued
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.reports import RecordObservation
from ledger.domain.stays import ReportStay
from ledger.domain.swap import CloseSwapIncomplete
from ledger.exports.books import export_books
from ledger.exports.proven import prove_bill, prove_statement, prove_usage
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.kernel.messages import Actor, ClockReading, Command, Observed, Source
from ledger.runtime import settling
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry
from ledger.runtime.settling import close_period
from ledger.runtime.verify import verify
from tests.support.ledgers import asking, sqlite_url
from tests.support.lives import sign
from tests.support.tools import need_tool
from tests.support.town import MARCH, PACK_CLASS, new_town

STATION = Actor("ST-1", "station")
FINANCE = Actor("FI-1", "finance", "FI-2")
AT = MARCH + 4 * DAY
APRIL, MAY, JUNE = MARCH + 31 * DAY, MARCH + 61 * DAY, MARCH + 92 * DAY
SWAP = swap_id_of("ST-1", "B1", "7")
MINUTE = 60 * SECOND
SWAP_NET, SWAP_SHARE = 1282, 374  # 53.438 kWh: 7.48 energy, 5.34 service, 70 % of the service


def report(kind: str, seq: int, at: int, **fields: Any) -> RecordObservation:
    arrives = fields.pop("arrives", at + SECOND)
    source = Source("OP-1", "ST-1", boot_id="B1", seq=seq, offline=arrives != at + SECOND)
    observed = Observed(arrives, source, ClockReading("S", raw_at=at))
    return RecordObservation(kind=kind, station_id="ST-1", observed=observed, **fields)


def do(ledger: Ledger, command: Command, at: int, actor: Actor = STATION) -> list[Entry]:
    name = f"{type(command).__name__} {at}"
    receipt = ledger.execute_all([asking(command, name, actor=actor, at=at)])[0]
    assert receipt.refusal is None, receipt.refusal
    with ledger.reading() as reads:
        return list(reads.entries(receipt.first, receipt.first + receipt.count))


def of_money(made: list[Entry]) -> list[str]:
    return [one.envelope.kind for one in made if one.envelope.kind.startswith(("usage", "share"))]


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    """Build a town in which PK-2 waits in slot 2 and DR-1 may swap PK-1 for it."""
    with new_town(sqlite_url(tmp_path)) as town:
        do(town, report("boot", 1, AT), AT)
        came = {"pack_id": "PK-2", "driver_id": "DR-2", "slot": "2", "soc_bp": 9_000}
        do(town, report("swap_in", 2, AT + MINUTE, **came), AT + HOUR)
        wish = RequestSwap(swap_id=SWAP, driver_id="DR-1", station_id="ST-1", pack_class=PACK_CLASS)
        do(town, wish, AT + HOUR + 1)
        do(town, AuthoriseSwap(swap_id=SWAP, pack_ids=("PK-2",)), AT + HOUR + 2)
        yield town


def leg_in(seq: int, at: int, **fields: Any) -> RecordObservation:
    came = {"pack_id": "PK-1", "driver_id": "DR-1", "slot": "1", "soc_bp": 2_000}
    return report("swap_in", seq, at, **(came | fields))


def leg_out(seq: int, at: int) -> RecordObservation:
    took = {"pack_id": "PK-2", "driver_id": "DR-1", "slot": "2", "soc_bp": 9_500}
    return report("swap_out", seq, at, request="7", **took)


def swap(ledger: Ledger) -> list[Entry]:
    do(ledger, leg_in(5, AT + 3 * HOUR, request="7"), AT + 3 * HOUR)
    return do(ledger, leg_out(6, AT + 3 * HOUR + MINUTE), AT + 3 * HOUR + MINUTE)


def lose_a_leg(ledger: Ledger, at: int) -> list[Entry]:
    """Let a late report tell that the pack had come in before: the swap has no leg in any more."""
    return do(ledger, leg_in(3, AT + 2 * HOUR, arrives=at), at)


def find_it_again(ledger: Ledger, at: int) -> list[Entry]:
    """Let a later one tell that the driver had taken his pack out again."""
    took = {"pack_id": "PK-1", "driver_id": "DR-1", "slot": "1", "soc_bp": 2_000}
    late = report("swap_out", 4, AT + 2 * HOUR + MINUTE, arrives=at, **took)
    return do(ledger, late, at)


def usage_sum(ledger: Ledger, driver_id: str, period: str) -> int:
    with ledger.reading() as reads:
        view = settling.bill(reads, driver_id, period)
        usages = [one.event for one in view.usages]
        return sum(one.net_minor for one in usages if isinstance(one, UsageAccrued))


def invoices(ledger: Ledger) -> list[InvoiceIssued]:
    with ledger.reading() as reads:
        found = reads.entries(0, None, (InvoiceIssued.kind,))
        issued = [one.event for one in found]
    return [one for one in issued if isinstance(one, InvoiceIssued) and one.driver_id == "DR-1"]


def checked(ledger: Ledger) -> None:
    with ledger.reading() as reads:
        verify(reads, deep=True)


def test_a_swap_that_lost_a_leg_is_not_billed_any_more(ledger):
    before = usage_sum(ledger, "DR-1", "2024-03")
    billed = swap(ledger)
    accrued, share = [one for one in billed if one.envelope.kind in of_money(billed)]
    assert usage_sum(ledger, "DR-1", "2024-03") == before + SWAP_NET
    made = lose_a_leg(ledger, AT + 4 * HOUR)
    assert of_money(made) == ["share.reversed", "usage.reversed", "usage.unbilled"]
    for name, one in (("usage", accrued), ("share", share)):
        back = next(each for each in made if each.envelope.kind == f"{name}.reversed")
        assert back.envelope.reverses == one.envelope.position
        assert back.envelope.occurred_at == one.envelope.occurred_at
        assert back.envelope.recorded_at == AT + 4 * HOUR
        assert [(line.account, line.dims, -line.quantity) for line in back.envelope.postings] == [
            (line.account, line.dims, line.quantity) for line in one.envelope.postings
        ]
    with ledger.reading() as reads:
        row = reads.row(BILLED, SWAP)
        assert row is not None
        assert row.reason == "swap_not_billable"
    assert usage_sum(ledger, "DR-1", "2024-03") == before
    checked(ledger)


def test_a_swap_that_found_its_leg_again_is_billed_again_and_once(ledger):
    before = usage_sum(ledger, "DR-1", "2024-03")
    first = next(one for one in swap(ledger) if one.envelope.kind == "usage.accrued")
    lose_a_leg(ledger, AT + 4 * HOUR)
    made = find_it_again(ledger, AT + 5 * HOUR)
    assert of_money(made) == ["usage.accrued", "share.accrued"]
    again = next(one for one in made if one.envelope.kind == "usage.accrued")
    assert again.event == first.event
    assert again.envelope.corrects == first.envelope.position
    assert usage_sum(ledger, "DR-1", "2024-03") == before + SWAP_NET
    checked(ledger)


def test_a_period_that_is_open_takes_bill_and_reversal(ledger):
    swap(ledger)
    lose_a_leg(ledger, AT + 4 * HOUR)
    close_period(ledger, "2024-03", actor=FINANCE, at=APRIL)
    with ledger.reading() as reads:
        view = settling.statement(reads, "OP-1", "2024-03")
        lines = [line for line in view.lines if line.swap]
        old, back = lines
        assert (old.kind, old.share_minor, old.corrects) == ("original", SWAP_SHARE, ())
        assert (back.kind, back.share_minor) == ("correction", -SWAP_SHARE)
        assert back.corrects == (old.position, old.posting_index)
        assert back.service_start_at == old.service_start_at > AT + 3 * HOUR
        assert view.agrees
        sums = view.statement.calculation.amounts[0]
        assert sums.share_minor == sum(line.share_minor for line in view.lines if not line.swap)
    (issued,) = invoices(ledger)
    assert (issued.line_count, issued.net_minor) == (4, 480 + 296)
    checked(ledger)


def test_correction_after_settlement_waits_until_enough_was_used(ledger):
    swap(ledger)
    close_period(ledger, "2024-03", actor=FINANCE, at=APRIL)
    assert [one.net_minor for one in invoices(ledger)] == [480 + 296 + SWAP_NET]
    lose_a_leg(ledger, APRIL + DAY)
    assert usage_sum(ledger, "DR-1", "2024-04") == -SWAP_NET
    close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
    assert len(invoices(ledger)) == 1  # an invoice below zero is none
    with ledger.reading() as reads:
        view = settling.statement(reads, "OP-1", "2024-04")
        assert [(line.kind, line.share_minor) for line in view.lines] == [
            ("correction", -SWAP_SHARE)
        ]
    do(ledger, stay(MAY + DAY), MAY + 2 * DAY, Actor("IM-1", "importer", "IM-2"))
    close_period(ledger, "2024-05", actor=FINANCE, at=JUNE)
    first, second = invoices(ledger)
    assert second.net_minor == 1680 - SWAP_NET
    assert second.from_position == first.to_position
    assert (second.period, second.line_count) == ("2024-05", 2)
    assert not close_period(ledger, "2024-04", actor=FINANCE, at=JUNE).invoices
    checked(ledger)
    sign(ledger, JUNE)
    with ledger.reading() as reads:
        proven = prove_bill(reads, "DR-1", "2024-05").manifest
    assert proven["figures"] == [{"currency": "EUR", "line_count": 2, "net_minor": 1680 - SWAP_NET}]


def stay(begin_at: int) -> ReportStay:
    return ReportStay(
        report_id="RP-9",
        network="OP-1",
        station_id="ST-1",
        slot="2",
        driver_id="DR-1",
        pack_id="PK-2",
        begin_at=begin_at,
        received_at=begin_at + 6 * HOUR,
        seq=9,
        row_ref="rows#9",
        end_at=begin_at + 2 * HOUR,
        energy_wh=70_000,
        meter_id="MT-2",
    )


def test_a_half_swap_is_billed_anew_when_its_other_leg_comes_late(ledger):
    out = do(ledger, leg_out(6, AT + 3 * HOUR), AT + 3 * HOUR)
    assert "usage.accrued" not in of_money(out)
    closing = CloseSwapIncomplete(swap_id=SWAP, resolution="no pack came")
    half = do(ledger, closing, AT + 4 * HOUR, Actor("P1", "operator", "P2"))
    assert of_money(half) == ["usage.accrued", "share.accrued"]
    late = leg_in(7, AT + 3 * HOUR + MINUTE, request="7", arrives=AT + 5 * HOUR)
    made = do(ledger, late, AT + 5 * HOUR)
    assert of_money(made) == ["share.reversed", "usage.reversed", "usage.accrued", "share.accrued"]
    assert usage_sum(ledger, "DR-1", "2024-03") == 480 + 296 + SWAP_NET
    checked(ledger)


@pytest.mark.tool
def test_books_with_a_bill_made_twice_balance(ledger, tmp_path):
    swap(ledger)
    close_period(ledger, "2024-03", actor=FINANCE, at=APRIL)
    lose_a_leg(ledger, APRIL + DAY)
    find_it_again(ledger, APRIL + 2 * DAY)
    with ledger.reading() as reads:
        export_books(reads, tmp_path / "books", None)
    words = [need_tool("hledger"), "-f", "hledger.journal", "check", "-s", "ordereddates"]
    environment = {**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        words,
        cwd=tmp_path / "books",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_was_told_anew_is_proven_like_everything_else(ledger):
    first = next(one for one in swap(ledger) if one.envelope.kind == "usage.accrued")
    close_period(ledger, "2024-03", actor=FINANCE, at=APRIL)
    lose_a_leg(ledger, APRIL + DAY)
    made = find_it_again(ledger, APRIL + 2 * DAY)
    again = next(one for one in made if one.envelope.kind == "usage.accrued")
    close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
    sign(ledger, MAY)
    with ledger.reading() as reads:
        for provable in (
            prove_usage(reads, first.envelope.position),
            prove_bill(reads, "DR-1", "2024-03"),
            prove_statement(reads, "OP-1", "2024-03"),
            prove_usage(reads, again.envelope.position),
            prove_bill(reads, "DR-1", "2024-04"),
            prove_statement(reads, "OP-1", "2024-04"),
        ):
            assert provable.manifest["lines"]
