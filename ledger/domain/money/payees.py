"""Payees: where partners and suppliers are paid, in versions that two persons approved.

A payee is a bank account or an account at the payment processor. A new version waits some days
before money may go there, and nobody who approved it releases a payout to it: whoever changes an
account to his own cannot be paid alone, nor at once (money handbook 8.1).
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.errors import Malformed
from ledger.kernel.iban import check_bic, check_iban
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------

HOLDER_MAX = 70
OTHER_MAX = 34
ROUTES = ("bank_file", "stripe", "manual")
"""How money leaves: a file to our bank, the payment processor, or a person at the bank's desk."""


class PayeeAccount(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where money goes: an IBAN, another account with the clearing id of its bank, or Stripe's."""

    holder_name: str
    iban: str = ""
    bic: str = ""
    other_account: str = ""
    clearing_member: str = ""
    stripe_account: str = ""

    def serves(self, route: str) -> bool:
        """Tell whether a route can reach it."""
        return bool(self.stripe_account) if route == "stripe" else not self.stripe_account


class PayeeVersion(msgspec.Struct, frozen=True):
    """One version: the account, when it was approved (us) and by whom."""

    version: int
    paid_to: PayeeAccount
    approved_at: int
    approved_by: tuple[str, ...]

    def faults(self, releasing: Actor, at: int, cooling_days: int) -> list[RefusalCode]:
        """Tell what keeps persons from releasing money to it at a time (us).

        `cooling_days` is how long it rests after its approval, by the policy.
        """
        is_new = at < self.approved_at + cooling_days * DAY
        approved = {releasing.id, releasing.second_person} & set(self.approved_by)
        tests = (
            (is_new, RefusalCode.PAYEE_TOO_NEW),
            (bool(approved), RefusalCode.PAYEE_APPROVER_RELEASES),
        )
        return [code for failed, code in tests if failed]


class Payee(msgspec.Struct, frozen=True):
    """A payee of a partner, with every version there was; the last one is in force."""

    payee_id: str
    partner_id: str
    versions: tuple[PayeeVersion, ...]

    def at(self, version: int) -> PayeeVersion:
        """Give a version by its number, which counts from 1."""
        return self.versions[version - 1]


PAYEES = Shelf("payees", Payee, listed_by=lambda row: row.partner_id)
SHELVES: tuple[Shelf[Any], ...] = (PAYEES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class ApprovePayee(Command):
    """Pay a partner to this account from now on: a new payee, or the next version of one."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    payee_id: str
    partner_id: str
    paid_to: PayeeAccount


PayeesCommand = ApprovePayee

# Events -----------------------------------------------------------------------


class PayeeApproved(Event):
    """A version of a payee is in force; `approved_by` are the two persons."""

    kind: ClassVar[str] = "payee.approved"

    payee_id: str
    partner_id: str
    payee_version: int
    paid_to: PayeeAccount
    approved_at: int
    approved_by: tuple[str, ...]


PayeesEvent = PayeeApproved

# touches ----------------------------------------------------------------------


def touches(command: PayeesCommand) -> Keys:
    """Read the payee and its partner."""
    return (touch(PAYEES, command.payee_id), touch(PARTIES, command.partner_id))


def follows(_world: World, _command: PayeesCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PayeesCommand, request: Request) -> Outcome:
    """Approve an account that money can reach; the same account again changes nothing."""
    held = world.get(PAYEES, command.payee_id)
    last = held.versions[-1].paid_to if held else None
    if held and (held.partner_id, last) == (command.partner_id, command.paid_to):
        return ()
    field = _fault(command, held)
    codes = [] if world.get(PARTIES, command.partner_id) else [RefusalCode.PARTY_UNKNOWN]
    codes += [RefusalCode.PAYEE_INVALID] if field else []
    if codes:
        facts: dict[str, Fact] = {"payee": command.payee_id[:40]}
        return refused(codes, facts | ({"field": field} if field else {}))
    event = PayeeApproved(
        payee_id=command.payee_id,
        partner_id=command.partner_id,
        payee_version=len(held.versions) + 1 if held else 1,
        paid_to=command.paid_to,
        approved_at=request.at,
        approved_by=(request.actor.id, request.actor.second_person),
    )
    return (Draft(event),)


def _fault(command: ApprovePayee, held: Payee | None) -> str:
    """Name the first faulty field, "" when there is none."""
    account = command.paid_to
    others = (account.other_account, account.clearing_member)
    checks = (
        (is_id(command.payee_id), "payee_id"),
        (held is None or held.partner_id == command.partner_id, "partner_id"),
        (0 < len(account.holder_name.strip()) <= HOLDER_MAX, "holder_name"),
        (_ways(account) == 1, "account"),
        (not account.iban or _is_iban(account.iban), "iban"),
        (not account.bic or _is_bic(account.bic), "bic"),
        (all(len(other) <= OTHER_MAX for other in others), "other_account"),
        (bool(account.other_account) == bool(account.clearing_member), "clearing_member"),
        (not account.stripe_account or _is_stripe(account.stripe_account), "stripe_account"),
    )
    return next((field for good, field in checks if not good), "")


def _ways(account: PayeeAccount) -> int:
    return sum(map(bool, (account.iban, account.other_account, account.stripe_account)))


def _is_iban(text: str) -> bool:
    try:
        return check_iban(text, "iban") == text  # kept without blanks
    except Malformed:
        return False


def _is_bic(text: str) -> bool:
    try:
        return check_bic(text, "bic") == text
    except Malformed:
        return False


def _is_stripe(text: str) -> bool:
    return text.startswith("acct_") and text[5:].isalnum() and text.isascii()


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PayeesEvent, _stamp: Stamp) -> None:
    """Keep the version with those before it."""
    match event:
        case PayeeApproved():
            version = PayeeVersion(
                event.payee_version, event.paid_to, event.approved_at, event.approved_by
            )
            held = world.get(PAYEES, event.payee_id) or Payee(event.payee_id, event.partner_id, ())
            moved = replace(held, versions=(*held.versions, version))
            world.put(PAYEES, event.payee_id, moved)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: PayeesEvent) -> tuple[Posting, ...]:
    """A payee moves nothing."""
    return ()
