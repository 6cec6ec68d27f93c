"""Disputes about a usage itself: upheld, its bill is made anew, and the next statement has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.money.agreed import NOTHING_FOUND, Found
from ledger.domain.money.billing import BILLED
from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.domain.money.documents import StatementLine
from ledger.domain.money.line_disputes import RaiseBillDispute, RaiseLineDispute
from ledger.domain.money.line_resolutions import CloseLineDispute, ReviewLineDispute
from ledger.domain.money.rerating import RerateSwap
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.exports.proven import prove_bill, prove_statement
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.kernel.messages import Actor, Command
from ledger.kernel.refusal import RefusalCode
from ledger.runtime import settling
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.reads import Entry
from ledger.runtime.rebuild import rebuild
from ledger.runtime.settling import close_period
from ledger.runtime.settling_cycle import bill_of, with_bill, with_line
from ledger.runtime.verify import verify
from mobilegrid import offline_verifier as offline
from tests.support import told_anew
from tests.support.bundles import is_good
from tests.support.ledgers import SYSTEM, asking, sqlite_url
from tests.support.offline import NOW_S, policy_text, seeded_signer
from tests.support.told_anew import do, lose_a_leg, swapped_town
from tests.support.town import MARCH

FINANCE = Actor("FI-1", "finance", "FI-2")
APRIL, MAY = MARCH + 31 * DAY, MARCH + 61 * DAY
SWAP = told_anew.SWAP
SWAP_SHARE = 374  # 53.438 kWh: 7.48 energy, 5.34 service, 70 % of the service
STM = "STM-OP-1-2024-03"
ANEW = ["usage.agreed", "share.reversed", "usage.reversed", "usage.accrued", "share.accrued"]


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    with swapped_town(sqlite_url(tmp_path)) as town:
        close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        yield town


def of_money(made: list[Entry]) -> list[str]:
    return [one.envelope.kind for one in made if one.envelope.kind.startswith(("usage", "share"))]


def told(one: Entry) -> Any:
    """Give the event of an entry."""
    return one.event


def checked(ledger: Ledger) -> None:
    with ledger.reading() as reads:
        verify(reads, deep=True)


def is_recomputed(ledger: Ledger, folder: Path) -> bool:
    """Have the strangers' verifier rate and share again what April's documents say."""
    signer = seeded_signer(ledger.name.origin)
    sign_checkpoint(ledger, signer, NOW_S)
    policy = offline.parse_policy(policy_text(logs=[signer]))
    with ledger.reading() as reads:
        bundles = [
            prove_bill(reads, "DR-1", "2024-04"),
            prove_statement(reads, "OP-1", "2024-04"),
        ]
    return all(is_good(one, folder / "bundle.zip", policy) for one in bundles)


def lines(ledger: Ledger, period: str = "2024-03") -> list[StatementLine]:
    with ledger.reading() as reads:
        view = settling.statement(reads, "OP-1", period)
    assert view.agrees
    return view.lines


def raised(ledger: Ledger, code: str, line: StatementLine, **said: Any) -> None:
    """Have OP-1 dispute a line of his statement of March, and look at it."""
    wanted = RaiseLineDispute(
        dispute_id="LD-1",
        document_id=STM,
        party_id="OP-1",
        position=line.position,
        posting_index=line.posting_index,
        code=code,
        **said,
    )
    with ledger.reading() as reads:
        wanted = with_line(reads, wanted)
    do(ledger, wanted, APRIL + HOUR, Actor("OP-1", "operator"))
    do(ledger, ReviewLineDispute(dispute_id="LD-1"), APRIL + HOUR, Actor("FI-1", "finance"))


def closing(ledger: Ledger, found: Found = NOTHING_FOUND) -> CloseLineDispute:
    command = CloseLineDispute(
        dispute_id="LD-1", verdict="UPHELD", reason="they are right", found=found
    )
    with ledger.reading() as reads:
        return with_bill(reads, command)


def refused(ledger: Ledger, command: Command, at: int = APRIL + DAY) -> Any:
    (receipt,) = ledger.execute_all([asking(command, f"refused {command}", actor=FINANCE, at=at)])
    assert receipt.refusal is not None
    return receipt.refusal.code, receipt.refusal.facts["field"]


def swap_line(ledger: Ledger, period: str = "2024-03") -> StatementLine:
    return next(line for line in lines(ledger, period) if line.swap == SWAP)


def test_a_quantity_that_was_wrong_is_corrected_in_the_next_documents(ledger, tmp_path):
    raised(ledger, "QUANTITY", swap_line(ledger), claimed_quantity=50_000)
    found = Found(energy_wh=50_000, has_energy=True)
    made = do(ledger, closing(ledger, found), APRIL + DAY, FINANCE)
    assert of_money(made) == ANEW
    assert {one.envelope.valid_at for one in made[2:]} == {made[2].envelope.valid_at}
    close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
    back, anew = lines(ledger, "2024-04")
    assert (back.kind, back.share_minor, back.energy_wh) == ("correction", -SWAP_SHARE, -53_438)
    assert (anew.kind, anew.share_minor, anew.energy_wh) == ("original", 350, 50_000)
    assert anew.service_net_minor == 500
    with ledger.reading() as reads:
        used = [told(one).net_minor for one in settling.bill(reads, "DR-1", "2024-04").usages]
    assert used == [-1282, 700 + 500]
    checked(ledger)
    assert is_recomputed(ledger, tmp_path)


def test_what_was_agreed_holds_until_a_leg_is_told_anew(ledger):
    raised(ledger, "QUANTITY", swap_line(ledger))
    do(ledger, closing(ledger, Found(energy_wh=0, has_energy=True)), APRIL + DAY, FINANCE)
    assert do(ledger, RerateSwap(swap_id=SWAP), APRIL + 2 * DAY, SYSTEM) == []
    with ledger.reading() as reads:
        row = reads.row(BILLED, SWAP)
    assert row is not None
    assert row.agreed is not None
    assert row.agreed.found.energy_wh == 0
    assert lose_a_leg(ledger, APRIL + 3 * DAY)
    assert not do(ledger, RerateSwap(swap_id=SWAP), APRIL + 4 * DAY, SYSTEM)
    checked(ledger)
    assert not any(one.mended for one in rebuild(ledger))


def test_a_price_that_was_wrong_is_that_of_the_version_in_force_by_now(ledger):
    raised(ledger, "PRICE", swap_line(ledger))
    elements = (Element("ENERGY", "KWH", 140_000), Element("SERVICE", "KWH", 50_000))
    terms = TariffTerms("FR", "EUR", "Europe/Paris", 0, 0, elements)
    better = PublishTariff(tariff_id="TF-1", terms=terms, supersedes=1)
    do(ledger, better, APRIL + 2 * HOUR, FINANCE)
    made = do(ledger, closing(ledger), APRIL + DAY, FINANCE)
    assert of_money(made) == ANEW[1:]
    close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
    back, anew = lines(ledger, "2024-04")
    assert (back.share_minor, anew.share_minor) == (-SWAP_SHARE, 187)
    checked(ledger)


def test_a_time_that_was_wrong_moves_the_service(ledger, tmp_path):
    raised(ledger, "TIME", swap_line(ledger))
    began = swap_line(ledger).service_start_at
    made = do(ledger, closing(ledger, Found(begun_at=began - HOUR)), APRIL + DAY, FINANCE)
    assert of_money(made) == ANEW
    (share,) = [told(one) for one in made if one.envelope.kind == "share.accrued"]
    assert share.service_start_at == began - HOUR
    checked(ledger)
    close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
    assert is_recomputed(ledger, tmp_path)


def test_a_dispute_that_finds_the_bill_right_changes_nothing_but_itself(ledger):
    raised(ledger, "PRICE", swap_line(ledger))
    made = do(ledger, closing(ledger), APRIL + DAY, FINANCE)
    assert [one.envelope.kind for one in made] == ["line_dispute.closed"]


def test_a_session_is_rated_again_by_its_bill_in_the_log(ledger, tmp_path):
    line = next(one for one in lines(ledger) if one.charging_session)
    raised(ledger, "QUANTITY", line)
    with ledger.reading() as reads:
        row = reads.row(LINE_DISPUTES, "LD-1")
        assert row is not None
        assert (row.usage_kind, row.usage_id) == ("charging_session", line.charging_session)
        assert bill_of(reads, "CS-none") is None
    found = Found(energy_wh=10_000, has_energy=True)
    made = do(ledger, closing(ledger, found), APRIL + DAY, FINANCE)
    assert of_money(made) == ANEW
    (share,) = [told(one) for one in made if one.envelope.kind == "share.accrued"]
    assert (share.energy_wh, share.shares["OP-1"]) == (10_000, 70)
    with ledger.reading() as reads:
        bill = bill_of(reads, line.charging_session)
    assert bill is not None
    assert [one.event for one in bill.shares] == [share]
    checked(ledger)
    close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
    assert is_recomputed(ledger, tmp_path)


def test_a_session_whose_share_was_made_anew_has_the_share_that_stands(ledger):
    line = next(one for one in lines(ledger) if one.charging_session)
    raised(ledger, "PRICE", line)
    with ledger.reading() as reads:
        original = told(reads.entry(line.position))
    shares = {"OP-1": 1, "MG": original.base_minor - 1}
    command = CloseLineDispute(
        dispute_id="LD-1", verdict="UPHELD", reason="agreed", original=original, shares=shares
    )
    made = do(ledger, command, APRIL + DAY, FINANCE)
    assert of_money(made) == ["share.reversed", "share.accrued"]
    with ledger.reading() as reads:
        bill = bill_of(reads, line.charging_session)
    assert bill is not None
    assert [one.event.shares for one in bill.shares] == [shares]


def test_what_cannot_have_been_found_is_refused(ledger):
    line = swap_line(ledger)
    raised(ledger, "TIME", line)
    began = line.service_start_at
    for found in (
        Found(begun_at=began - 40 * DAY),
        Found(begun_at=APRIL + 2 * DAY),
        Found(energy_wh=5),
        Found(begun_at=-SECOND),
    ):
        answer = refused(ledger, closing(ledger, found))
        assert answer == (RefusalCode.DISPUTE_FIELD_INVALID, "found")


def test_a_finding_needs_a_dispute_about_the_usage(ledger):
    raised(ledger, "TAX", swap_line(ledger))
    found = closing(ledger, Found(energy_wh=1, has_energy=True))
    assert refused(ledger, found) == (RefusalCode.DISPUTE_FIELD_INVALID, "found")


def test_a_driver_who_is_right_about_his_bill_gets_another_one(ledger):
    with ledger.reading() as reads:
        used = settling.bill(reads, "DR-1", "2024-03")
        usage = next(one for one in used.usages if told(one).usage_id == SWAP)
    wanted = RaiseBillDispute(
        dispute_id="LD-1",
        document_id=used.invoices[0].invoice_no,
        party_id="DR-1",
        position=usage.envelope.position,
        posting_index=1,
        amount_minor=told(usage).lines[0].net_minor,
        code="QUANTITY",
        usage_id=SWAP,
        usage_kind="swap",
    )
    wrong = RaiseBillDispute(**{**_fields(wanted), "usage_kind": "walk"})
    driver = Actor("DR-1", "driver")
    (receipt,) = ledger.execute_all([asking(wrong, "wrong", actor=driver, at=APRIL + HOUR)])
    assert receipt.refusal is not None
    assert receipt.refusal.facts["field"] == "usage_id"
    do(ledger, wanted, APRIL + HOUR, driver)
    do(ledger, ReviewLineDispute(dispute_id="LD-1"), APRIL + HOUR, Actor("FI-1", "finance"))
    found = Found(energy_wh=40_000, has_energy=True)
    assert of_money(do(ledger, closing(ledger, found), APRIL + DAY, FINANCE)) == ANEW
    checked(ledger)


def _fields(command: Command) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__}
