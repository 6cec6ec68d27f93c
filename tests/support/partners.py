"""Partners who are owed money, their payees and payouts, for the tests of settlement."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.payout_batches import ApprovePayouts, ReleasePayouts
from ledger.domain.money.payout_plans import InstructPayout
from ledger.domain.money.payout_rows import PAYABLES, PAYOUTS, Payable, change_payable
from ledger.domain.money.settlement_rows import STATEMENTS, Amounts, Calculation, Statement
from ledger.domain.parties import PARTIES, Party
from ledger.domain.world import World
from ledger.kernel.instants import DAY, parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events
from tests.support.usage import agreement

JUNE = parse_instant("2026-06-01T00:00:00Z", "at")
LATER = JUNE + 10 * DAY
"""When the payees of `owed_partner` may be paid."""

PAYER = Actor("P1", "finance", "P2")
CLERKS = Actor("P3", "finance", "P4")
"""Two persons who approve payees, beside the two who release payouts."""

SHA = "5a" * 32
IBAN = "DE89370400440532013000"
RESULT = Calculation(2, 52_000, (Amounts("EUR", 11_424, 1501, 500, 100),), "root")


def partner(**changes: Any) -> World:
    """Make a world with partner OP-1, who has contract CO-1 with us, and a payee PE-1."""
    world = World(complete=True)
    for party in ("OP-1", "CAR-1", "MG"):
        world.put(PARTIES, party, Party(party, ("operator",), "DE"))
    terms: ContractTerms = msgspec.structs.replace(agreement(), **{"route": "bank_file"} | changes)
    agreed = AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=terms)
    assert events(act(world, agreed))
    payee(world)
    return world


def payee(world: World, payee_id: str = "PE-1", *, at: int = JUNE, **account: Any) -> None:
    """Approve a payee of OP-1."""
    usual = {"holder_name": "Example Swaps GmbH", "iban": IBAN}
    command = ApprovePayee(
        payee_id=payee_id, partner_id="OP-1", paid_to=PayeeAccount(**account or usual)
    )
    assert events(act(world, command, at=at, actor=CLERKS))


def owe(world: World, statement_id: str = "STM-1", amount_minor: int = 8449) -> None:
    """Have an approved statement of OP-1 owe an amount."""
    row = Statement(statement_id, "OP-1", "2026-05", 0, 100, RESULT, "approved")
    world.put(STATEMENTS, statement_id, row)
    change_payable(world, "OP-1", Payable(statement_id, "EUR", amount_minor))


def plan(world: World, payout_id: str = "PO-1", **changes: Any) -> Any:
    """Plan a payout of STM-1 to PE-1."""
    command = InstructPayout(
        payout_id=payout_id,
        partner_id="OP-1",
        statements=("STM-1",),
        currency="EUR",
        payee_id="PE-1",
        route="bank_file",
    )
    return act(world, msgspec.structs.replace(command, **changes), at=LATER, actor=PAYER)


def approve(world: World, *payouts: str, at: int = LATER, **changes: Any) -> Any:
    """Put payouts into batch PB-1."""
    command = ApprovePayouts(
        batch_id="PB-1",
        payouts=payouts,
        bank_account="BA-1",
        pay_on="2026-06-12",
        approved_at=at,
        file_sha256=SHA,
    )
    return act(world, msgspec.structs.replace(command, **changes), at=at, actor=PAYER)


def release(world: World, *, sha: str = SHA, at: int = LATER, actor: Actor = PAYER) -> Any:
    """Release batch PB-1."""
    command = ReleasePayouts(batch_id="PB-1", file_sha256=sha)
    return act(world, command, at=at, actor=actor)


def in_flight(amount_minor: int = 8449, **terms: Any) -> World:
    """Make a world in which payout PO-1 of STM-1 was released."""
    world = partner(**terms)
    owe(world, amount_minor=amount_minor)
    for outcome in (plan(world), approve(world, "PO-1"), release(world)):
        assert events(outcome)
    return world


def codes(refusal: Any) -> tuple[RefusalCode, ...]:
    """Give all codes of a refusal, in their order."""
    assert isinstance(refusal, Refusal), refusal
    return (refusal.code, *refusal.others)


def facts_of(refusal: Any) -> dict[str, str | int]:
    """Give the facts of a refusal."""
    assert isinstance(refusal, Refusal), refusal
    return refusal.facts


def lines_of(posted: Iterable[Posting]) -> list[tuple[str, int, dict[str, str]]]:
    """Give the lines of an entry as (last part of the account, quantity, dimensions)."""
    return [(one.account.rpartition(":")[2], one.quantity, one.dims) for one in posted]


def state_of(world: World) -> tuple[str, str, int, int]:
    """Give the states of PO-1 and STM-1, and what of STM-1 is owed and on its way."""
    owed = world.need(PAYABLES, "OP-1").of("STM-1", "EUR")
    row = world.need(PAYOUTS, "PO-1")
    return row.state, world.need(STATEMENTS, "STM-1").state, owed.owed_minor, owed.in_flight_minor
