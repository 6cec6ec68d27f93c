"""A reconciliation run: every leg compared at one position, kept as one entry of the log."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from ledger.domain.money.bank_rows import BANK_ACCOUNTS
from ledger.domain.money.breaks import (
    BREAKS,
    LEDGER_BANK,
    LEDGER_PSP,
    LEGS,
    PSP_BANK,
    Break,
    psp_scope,
)
from ledger.domain.money.psp_records import PspList
from ledger.domain.money.reconciling import (
    LAST,
    RUNS,
    LegTold,
    ReconciliationRun,
    RecordRun,
    RunInput,
)
from ledger.domain.money.reconciling_compare import LegResult, worst
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Receipt, Request
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_import import ReadStatement
from ledger.runtime.reconciliation_legs import (
    Leg,
    bank_leg,
    psp_bank_leg,
    psp_leg,
    suspense_faults,
    suspense_of_nobody,
    window,
)

PartnerLeg = Callable[[Reads, Policy, str], Leg]
"""Compares a partner's file with our statement, at the day of the run."""


class Running(msgspec.Struct, frozen=True):
    """How a run is made: its day, who, when (us), by which policy, and what it reads outside.

    `asked_as` are the principal and key under which it is asked for; its own content when absent.
    """

    run_on: str
    actor: Actor
    at: int
    read_again: Callable[[str], Sequence[ReadStatement]]
    policy: Policy = Policy()
    psp: PspList | None = None
    partners: tuple[PartnerLeg, ...] = ()
    asked_as: tuple[str, bytes] | None = None


class RunView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run as people read it: its legs with all their differences, and the breaks behind them.

    `position` is its entry; -1 with `refused` where the rules did not keep it.
    """

    number: int
    run_on: str
    verdict: str
    legs: tuple[LegResult, ...]
    verdicts: tuple[str, ...]
    counts: tuple[LegTold, ...] = ()
    position: int = -1
    refused: str = ""
    inputs: tuple[RunInput, ...] = ()
    policy: Policy = Policy()


def gather(reads: Reads, how: Running) -> list[Leg]:
    """Compare every leg there is: all accounts of ours, the provider's list, partners' files."""
    at = (how.run_on, how.policy)
    legs: list[Leg] = []
    unkept = suspense_faults(reads)
    for name, account in reads.rows(BANK_ACCOUNTS):
        seen = window(reads, LEDGER_BANK, name, account.currency, at)
        leg = bank_leg(reads, account, seen, how.read_again)
        if unkept:
            faults = (*leg.result.faults, *unkept)
            leg = Leg(msgspec.structs.replace(leg.result, faults=faults), leg.inputs)
        legs.append(leg)
    if how.psp is not None:
        digest = sha256(canonical(how.psp)).hexdigest()
        told = (RunInput("list of the payment provider", digest),)
        currencies = {one.currency for one in how.psp.balances}
        currencies |= {one.currency for one in how.psp.transactions}
        for currency in sorted(currencies):
            scope = psp_scope(currency)
            seen = window(reads, LEDGER_PSP, scope, currency, at)
            result = psp_leg(reads, how.psp, seen)
            warnings = (*result.warnings, *suspense_of_nobody(reads))
            legs.append(Leg(msgspec.structs.replace(result, warnings=warnings), told))
            seen = window(reads, PSP_BANK, scope, currency, at)
            legs.append(Leg(psp_bank_leg(reads, how.psp, seen), told))
    return [*legs, *(partner(reads, how.policy, how.run_on) for partner in how.partners)]


def reconcile(ledger: Ledger, how: Running) -> RunView:
    """Make a run and keep it; a run that the rules do not keep is told with their reason.

    Raises:
        NotFound: there is nothing to reconcile: no account of ours, no list, no file.
    """
    with ledger.reading() as reads:
        legs = gather(reads, how)
        if not legs:
            raise NotFound("nothing to reconcile: register a bank account, or give a file")
        last = reads.row(RUNS, LAST)
        open_before = [
            name
            for leg in LEGS
            for name, row in reads.rows(BREAKS, listed=leg)
            if any((row.told.leg, row.told.scope) == _of(one) for one in legs)
        ]
        command = RecordRun(
            number=last.number + 1 if last else 1,
            previous_sha256=last.sha256 if last else "",
            run_on=how.run_on,
            to_position=reads.size - 1,
            legs=tuple(leg.result for leg in legs),
            open_before=tuple(open_before),
            inputs=tuple(dict.fromkeys(one for leg in legs for one in leg.inputs)),
            policy=how.policy,
        )
    own = how.actor.id, key_at(how.at, "reconcile", canonical(command).hex())
    principal, key = how.asked_as or own
    request = Request(key=key, principal=principal, actor=how.actor, at=how.at, command=command)
    (receipt,) = ledger.execute_all([request])
    return _view(ledger, command, receipt)


def _of(leg: Leg) -> tuple[str, str]:
    return leg.result.leg, leg.result.scope


def _view(ledger: Ledger, command: RecordRun, receipt: Receipt) -> RunView:
    verdicts = tuple(leg.verdict(command.policy, command.run_on) for leg in command.legs)
    view = RunView(
        number=command.number,
        run_on=command.run_on,
        verdict=worst(verdicts),
        legs=command.legs,
        verdicts=verdicts,
        inputs=command.inputs,
        policy=command.policy,
    )
    if receipt.refusal is not None:
        facts = ", ".join(f"{name} {fact}" for name, fact in receipt.refusal.facts.items())
        return msgspec.structs.replace(view, refused=f"{receipt.refusal.code.wire} ({facts})")
    with ledger.reading() as reads:
        event = reads.entry(receipt.first).event
    assert isinstance(event, ReconciliationRun), event.kind
    return msgspec.structs.replace(view, counts=event.legs, position=receipt.first)


def run_view(reads: Reads, number: int = 0) -> RunView:
    """Read a run that was kept, the newest for 0; `NotFound` when there is none of the number."""
    found = None
    for entry in reads.entries(kinds=(ReconciliationRun.kind,)):
        event = entry.event
        if isinstance(event, ReconciliationRun) and number in (0, event.number):
            found = entry.envelope.position, event
    if found is None:
        raise NotFound(f"no reconciliation run {number or ''}".strip())
    position, event = found
    return RunView(
        number=event.number,
        run_on=event.run_on,
        verdict=event.verdict,
        legs=tuple(leg.result for leg in event.legs),
        verdicts=tuple(leg.verdict for leg in event.legs),
        counts=event.legs,
        position=position,
        inputs=event.inputs,
        policy=event.policy,
    )


def open_rows(reads: Reads) -> list[tuple[str, Break]]:
    """List every open break, the most urgent first, then the oldest."""
    rows = [one for leg in LEGS for one in reads.rows(BREAKS, listed=leg)]
    return sorted(rows, key=lambda one: (one[1].told.priority, one[1].told.since_on, one[0]))
