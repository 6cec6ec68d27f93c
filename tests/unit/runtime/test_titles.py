"""Title statements: they sum to the fleet, for any moment, with the same bytes each time."""

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from ledger.domain.book_values import AdjustBookValue
from ledger.domain.cases import OpenCase, ResolveCase
from ledger.domain.liens import PlaceLien, ReleaseLien
from ledger.domain.money.accounts import PARTNERS_ACCRUED
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.pack_dues import PackDuesAccrued
from ledger.domain.moves import MovePack
from ledger.domain.parties import RegisterParty
from ledger.domain.takeover import TakeOverPack
from ledger.domain.title import EndLease, StartLease, TransferTitle
from ledger.kernel.errors import InvariantBroken, NotFound, Refused
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Command, Request
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.invariants import check_invariants
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.pack_days import pack_days_in
from ledger.runtime.pack_dues import accrue_pack_dues, order_of
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.settling import Span, calculate_all
from ledger.runtime.titles import COLUMNS, TitleStatement, check_titles, title_statement
from ledger.runtime.verify import verify
from tests.support.doors import log_signer
from tests.support.ledgers import asking
from tests.support.stores import BOTH, new_database
from tests.support.town import MARCH, PACK_CLASS, new_town
from tests.support.usage import agreement

APRIL = MARCH + 31 * DAY
DOCUMENT = "ab" * 32
FINANCE = Actor("FI-1", "finance", "FI-2")


def sign(ledger: Ledger, at: int = APRIL + 40 * DAY) -> None:
    sign_checkpoint(ledger, log_signer(ledger), at)


def request(hour: int, command: Command, name: str = "") -> Request:
    label = f"{type(command).__name__} {hour} {name}"
    actor = Actor("AM-1", min(command.roles), "AM-2")
    return asking(command, label, actor=actor, at=APRIL + hour * HOUR)


def do(ledger: Ledger, hour: int, command: Command, name: str = "") -> None:
    accepted(ledger.execute(request(hour, command, name)))


def transfer(pack_id: str, holder_id: str) -> TransferTitle:
    return TransferTitle(
        pack_id=pack_id,
        title_holder_id=holder_id,
        level=2,
        doc_sha256=DOCUMENT,
        acceptance_sha256=DOCUMENT,
    )


def lien(lien_id: str, pack_id: str, amount_minor: int) -> PlaceLien:
    return PlaceLien(
        lien_id=lien_id,
        pack_id=pack_id,
        bank_id="BK-1",
        doc_sha256=DOCUMENT,
        amount_minor=amount_minor,
        currency="EUR",
    )


def value(pack_id: str, amount_minor: int) -> AdjustBookValue:
    return AdjustBookValue(
        pack_id=pack_id, book_value_minor=amount_minor, currency="EUR", reason="opening"
    )


@pytest.fixture(params=BOTH)
def ledger(request, tmp_path):
    """A town of two packs with drivers, and two more in a depot, one of them not in service."""
    with new_town(new_database(request.param, request, tmp_path)) as one:
        parties = {"BK-1": ("bank", "title_holder"), "DE-1": ("depot",)}
        for party_id, roles in parties.items():
            party = RegisterParty(party_id=party_id, party_roles=roles, country="FR")
            do(one, 0, party, party_id)
        for pack_id, commissioned in (("PK-3", True), ("PK-4", False)):
            taken = TakeOverPack(
                pack_id=pack_id,
                account="Packs:Depot:DE-1:Stored",
                pack_class=PACK_CLASS,
                nominal_wh=75_000,
                soh_bp=9_000,
                title_holder_id="MG",
                commissioned=commissioned,
            )
            do(one, 1, taken, pack_id)
        yield one


def said(ledger: Ledger, **when: Any) -> TitleStatement:
    with ledger.reading() as reads:
        return title_statement(reads, **when)


def lines(statement: TitleStatement) -> dict[str, tuple[int, int, int, int]]:
    return {
        f"{one.holder_id} {one.currency}": (
            one.count,
            one.commissioned,
            one.leased,
            one.book_value_minor,
        )
        for one in statement.holders
    }


def test_a_statement_counts_packs_by_holder_value_and_place(ledger):
    do(ledger, 2, value("PK-1", 700_000))
    do(ledger, 2, value("PK-2", 600_000), "second")
    do(ledger, 3, transfer("PK-2", "BK-1"))
    do(ledger, 4, StartLease(pack_id="PK-2", lessee_id="OP-1"))
    do(ledger, 5, lien("LI-1", "PK-1", 400_000))
    do(ledger, 5, lien("LI-2", "PK-1", 100_000), "second")
    sign(ledger)
    found = said(ledger)
    assert lines(found) == {
        "BK-1 EUR": (1, 1, 1, 600_000),
        "MG ": (2, 1, 0, 0),
        "MG EUR": (1, 1, 0, 700_000),
    }
    assert (found.titled, found.commissioned) == (4, 3)
    assert sum(one.count for one in found.holders) == found.titled
    for one in found.holders:
        assert tuple(one.places) == COLUMNS
        assert sum(one.places.values()) == one.count
    stored = next(one for one in found.holders if one.currency == "")
    assert stored.places["depots"] == 2
    assert found.holders[0].places["drivers"] == 1
    (claim,) = found.liens
    assert (claim.holder_id, claim.bank_id, claim.currency) == ("MG", "BK-1", "EUR")
    assert (claim.liens, claim.packs, claim.amount_minor) == (2, 1, 500_000)
    assert found.checkpoint.size == found.last_position + 1 == ledger_size(ledger)
    assert found.checkpoint.note.startswith(f"{found.log}\n{found.checkpoint.size}\n")


def ledger_size(ledger: Ledger) -> int:
    with ledger.reading() as reads:
        return reads.size


def test_the_same_moment_gives_the_same_bytes_whatever_comes_later(ledger):
    do(ledger, 2, value("PK-1", 700_000))
    do(ledger, 3, StartLease(pack_id="PK-1", lessee_id="OP-1"))
    do(ledger, 3, lien("LI-1", "PK-1", 400_000))
    sign(ledger)
    when = {"as_of": APRIL + 3 * HOUR, "known_at": APRIL + 3 * HOUR}
    first, live = said(ledger, **when).encoded(), said(ledger)
    assert lines(live)["MG EUR"] == (1, 1, 1, 700_000)
    do(ledger, 4, EndLease(pack_id="PK-1"))
    do(ledger, 4, ReleaseLien(lien_id="LI-1", pack_id="PK-1"))
    do(ledger, 5, transfer("PK-1", "BK-1"))
    do(ledger, 6, value("PK-1", 500_000), "again")
    late = msgspec.structs.replace(value("PK-2", 1), occurred_at=APRIL + 2 * HOUR)
    do(ledger, 7, late, "late")
    sign(ledger, APRIL + 50 * DAY)
    again = said(ledger, **when)
    assert again.encoded() == first
    assert again.liens[0].amount_minor == 400_000
    assert "PK-2" not in first.decode()
    learnt = said(ledger, as_of=APRIL + 3 * HOUR)
    assert lines(learnt)["MG EUR"] == (2, 2, 1, 700_001)
    now = said(ledger)
    assert lines(now) == {
        "BK-1 EUR": (1, 1, 0, 500_000),
        "MG ": (2, 1, 0, 0),
        "MG EUR": (1, 1, 0, 1),
    }
    assert now.liens == []
    assert said(ledger, as_of=now.as_of, known_at=now.known_at).encoded() == now.encoded()


def test_a_missing_pack_stays_in_the_statement_and_a_sold_one_leaves_it(ledger):
    lost = MovePack(pack_id="PK-1", event="loss_reported", level=1)
    sold = MovePack(pack_id="PK-3", event="title_transferred_out", level=2)
    for day, role, step in ((2, "support", lost), (5, "finance", sold)):
        actor = Actor("P-1", role, "P-2")
        at = APRIL + day * DAY
        accepted(ledger.execute(asking(step, step.event, actor=actor, at=at)))
    sign(ledger)
    missing = said(ledger, as_of=APRIL + 3 * DAY)
    assert (missing.titled, missing.holders[0].places["missing"]) == (4, 1)
    left = said(ledger)
    assert (left.titled, left.commissioned) == (3, 2)
    assert left.holders[0].places["depots"] == 1
    with ledger.reading() as reads:
        check_titles(reads)
        assert verify(reads, deep=True).deep


def test_a_statement_needs_a_beginning_and_a_checkpoint(ledger):
    with pytest.raises(NotFound, match="no checkpoint covers"):
        said(ledger)
    with pytest.raises(NotFound, match="had not begun"):
        said(ledger, known_at=1)
    sign(ledger)
    do(ledger, 3, value("PK-1", 1))
    with pytest.raises(NotFound, match="no checkpoint covers"):
        said(ledger)


def test_the_open_cases_of_a_pack_stop_its_sale_also_in_one_batch(ledger):
    case = OpenCase(
        case_id="CA-1", case_type="PACK_MIXUP", subjects=("PK-1", "DR-1"), reason="the wrong one"
    )
    settle = ResolveCase(case_id="CA-1", resolution="given back")
    sale = transfer("PK-1", "BK-1")
    together = [request(2, case), request(2, sale, "first")]
    opened, refused = ledger.execute_all(together)
    assert opened.refusal is None
    assert refused.refusal is not None
    assert refused.refusal.code is RefusalCode.CASE_OPEN
    (alone,) = ledger.execute_all([request(3, sale, "second")])
    assert alone.refusal is not None
    assert alone.refusal.code is RefusalCode.CASE_OPEN
    settled, done = ledger.execute_all([request(4, settle), request(4, sale, "third")])
    assert (settled.refusal, done.refusal) == (None, None)
    do(ledger, 5, transfer("PK-2", "BK-1"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DELETE FROM balance WHERE account = 'Title:Holder:MG' AND item = 'PK-3'", "nobody has"),
        ("DELETE FROM balance WHERE account = 'Packs:Driver:DR-1'", "no custody"),
        ("DELETE FROM view_titles WHERE key = 'PK-4'", "no row"),
        (
            (
                "INSERT INTO balance SELECT log_id, 'Title:Holder:OP-1', item, commodity, "
                "quantity, position FROM balance "
                "WHERE account = 'Title:Holder:MG' AND item = 'PK-3'"
            ),
            "stands twice",
        ),
    ],
)
def test_titles_that_do_not_sum_to_the_fleet_are_found(ledger, change, words):
    sign(ledger)
    with ledger.writing() as tx:
        tx.execute(sa.text(change))
    with ledger.reading() as reads:
        with pytest.raises(InvariantBroken, match=words):
            title_statement(reads)
        found = {one.invariant: one for one in check_invariants(reads, deep=False)}
    verdict = found["titles_sum_to_the_commissioned_fleet"]
    assert not verdict.holds
    assert words in verdict.explanation


def test_pack_days_of_a_month_sum_to_its_days_for_every_pack_in_service(ledger):
    do(ledger, 3, transfer("PK-2", "BK-1"))
    do(ledger, 4, StartLease(pack_id="PK-2", lessee_id="OP-1", contract_id="CT-1"))
    do(ledger, 5, lien("LI-1", "PK-1", 400_000))
    with ledger.reading() as reads:
        april = pack_days_in(reads, "2024-04", "Europe/Paris")
        march = pack_days_in(reads, "2024-03", "Europe/Paris")
        early = pack_days_in(reads, "2024-04", "Europe/Paris", known_at=APRIL + 3 * HOUR - 1)
    assert (april.days, march.days) == (30, 31)
    told = {(one.holder_id, one.lessee_id): one.pack_days for one in april.rents}
    # on the first day PK-2 was MG's still and PK-3 was not in service: Paris is two hours ahead
    assert told == {("BK-1", "OP-1"): 29, ("MG", ""): 30 + 1 + 29}
    (claim,) = april.liens
    assert (claim.bank_id, claim.holder_id, claim.pack_id, claim.days) == ("BK-1", "MG", "PK-1", 29)
    # both packs came at midnight UTC, when the first of March had begun in Paris
    assert sum(one.pack_days for one in march.rents) == 2 * 30
    assert {one.holder_id for one in early.rents} == {"MG"}


def test_pack_days_become_what_holders_and_banks_are_owed(ledger):
    """BK-1 has the title of PK-2, which MG leases, and a lien on PK-1; both are paid for April."""
    do(ledger, 3, transfer("PK-2", "BK-1"))
    do(ledger, 4, StartLease(pack_id="PK-2", lessee_id="MG", contract_id="CO-B"))
    do(ledger, 5, lien("LI-1", "PK-1", 400_000))
    terms = agreement(
        weights={"BK-1": 0, "MG": 1},
        order=("BK-1", "MG"),
        rent_micro={PACK_CLASS: 1_000_000},
        instalment_ppm=1_000,
        zone="Europe/Paris",
    )
    do(ledger, 6, AgreeContract(contract_id="CO-B", partner_id="BK-1", terms=terms))
    may = APRIL + 31 * DAY
    (position,) = accrue_pack_dues(ledger, "2024-04", actor=FINANCE, at=may)
    assert accrue_pack_dues(ledger, "2024-04", actor=FINANCE, at=may + HOUR) == []
    with pytest.raises(Refused, match="period_not_ended"):
        accrue_pack_dues(ledger, "2024-05", actor=FINANCE, at=may)
    assert accrue_pack_dues(ledger, "2024-05", actor=FINANCE, at=may, waits=True) == []
    with ledger.reading() as reads:
        event = reads.entry(position).event
        assert isinstance(event, PackDuesAccrued)
        assert [(one.pack_days, one.amount_minor) for one in event.rents] == [(29, 2_900)]
        assert [(one.days, one.amount_minor) for one in event.instalments] == [(29, 11_600)]
        said = calculate_all(reads, Span("2024-05", "UTC", -1, reads.size - 1))["BK-1"]
        owed = -sum(one.quantity for one in reads.balances(PARTNERS_ACCRUED, item="BK-1"))
        assert (said.line_count, said.amounts[0].share_minor, owed) == (2, 14_500, 14_500)
        assert order_of(reads, "BK-1", "CO-B", "2024-04").part == 1
        with pytest.raises(NotFound):
            order_of(reads, "BK-1", "CO-B", "2024-02")
    # a day first, and the month after it owes the thirty others
    june = may + 30 * DAY
    assert len(accrue_pack_dues(ledger, "2024-05-07", actor=FINANCE, at=june)) == 1
    assert len(accrue_pack_dues(ledger, "2024-05", actor=FINANCE, at=june)) == 30
