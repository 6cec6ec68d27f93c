"""The policy of money: means of payment, dunning, waiting times, what needs a second person.

A policy is data. Each version replaces the one before from its entry on, and is agreed by two
persons; until there is one, the defaults below hold.
"""

from typing import Any, ClassVar

import msgspec

from ledger.domain.access import has_second_person
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

MEANS_OF_PAYMENT = ("promo", "wallet", "card")
DAYS_MAX = 3_650
RETRIES_MAX = 20


class BillingTerms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a version of the policy says; days count from the due date of an invoice.

    `means` is the order in which an invoice is paid; what is not named is not used by itself.
    `second_person_above_minor` is the gross amount of a credit note or the amount of a promo that
    one person may give alone. A network that is only looked at, not run, never `duns`. With
    `collects_at_issue` an invoice is paid by these means as soon as it is there.

    Towards partners: a payee may be used `payee_cooling_days` after it was approved, a dispute is
    answered within `dispute_answer_days`, and a difference of up to `rounding_max_minor` (minor
    units of any currency) may be let go.
    """

    means: tuple[str, ...] = MEANS_OF_PAYMENT
    retry_days: tuple[int, ...] = (1, 3, 7)
    block_after_days: int = 14
    uncollectable_after_days: int = 90
    second_person_above_minor: int = 10_000
    inconvenience_minor: int = 500
    duns: bool = True
    collects_at_issue: bool = False
    payee_cooling_days: int = 3
    dispute_answer_days: int = 14
    rounding_max_minor: int = 100


class BillingPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """The version in force; 0 stands for the defaults."""

    version: int = 0
    terms: BillingTerms = BillingTerms()


BILLING_POLICIES = Shelf("billing_policies", BillingPolicy)
CURRENT = "current"
SHELVES: tuple[Shelf[Any], ...] = (BILLING_POLICIES,)
FOLDS: tuple[type[Event], ...] = ()


def policy_row() -> Key:
    """Name the policy, for `touches`."""
    return touch(BILLING_POLICIES, CURRENT)


def policy_of(world: World) -> BillingTerms:
    """Give the terms in force; their row must be loaded (`policy_row`)."""
    row = world.get(BILLING_POLICIES, CURRENT)
    return BillingTerms() if row is None else row.terms


def approval_faults(world: World, actor: Actor, amount_minor: int) -> list[RefusalCode]:
    """Ask for another person above the limit of the policy; the system follows a rule.

    The policy must be loaded (`policy_row`).
    """
    limit = policy_of(world).second_person_above_minor
    if actor.role == "system" or amount_minor <= limit:
        return []
    if not actor.second_person:
        return [RefusalCode.APPROVAL_MISSING]
    return [] if has_second_person(actor) else [RefusalCode.APPROVER_IS_MAKER]


# Commands ---------------------------------------------------------------------


class SetBillingPolicy(Command):
    """Agree a new version of the policy, by two persons."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    terms: BillingTerms


InvoicePolicyCommand = SetBillingPolicy

# Events -----------------------------------------------------------------------


class BillingPolicySet(Event):
    """From here on bills follow these terms."""

    kind: ClassVar[str] = "billing_policy.set"

    number: int
    terms: BillingTerms


InvoicePolicyEvent = BillingPolicySet

# touches ----------------------------------------------------------------------


def touches(_command: InvoicePolicyCommand) -> Keys:
    """Read the version in force."""
    return (policy_row(),)


def follows(_world: World, _command: InvoicePolicyCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: InvoicePolicyCommand, _request: Request) -> Outcome:
    """Replace the version in force; the same terms again change nothing."""
    fault = fault_of(command.terms)
    if fault:
        return Refusal(RefusalCode.POLICY_FIELD_INVALID, {"field": fault})
    known = world.get(BILLING_POLICIES, CURRENT) or BillingPolicy()
    if known.version and known.terms == command.terms:
        return ()
    return (Draft(BillingPolicySet(number=known.version + 1, terms=command.terms)),)


def fault_of(terms: BillingTerms) -> str:
    """Name the first field that cannot be; "" when all can."""
    days = terms.retry_days
    amounts = (
        terms.second_person_above_minor,
        terms.inconvenience_minor,
        terms.rounding_max_minor,
    )
    tests = (
        (sorted(set(terms.means)) != sorted(terms.means), "means"),
        (not set(MEANS_OF_PAYMENT).issuperset(terms.means), "means"),
        (list(days) != sorted(set(days)) or len(days) > RETRIES_MAX, "retry_days"),
        (any(not 1 <= day <= DAYS_MAX for day in days), "retry_days"),
        (not max(days, default=0) < terms.block_after_days <= DAYS_MAX, "block_after_days"),
        (
            not terms.block_after_days < terms.uncollectable_after_days <= DAYS_MAX,
            "uncollectable_after_days",
        ),
        (any(not 0 <= amount <= QUANTITY_MAX for amount in amounts), "minor amounts"),
        (not 0 <= terms.payee_cooling_days <= DAYS_MAX, "payee_cooling_days"),
        (not 1 <= terms.dispute_answer_days <= DAYS_MAX, "dispute_answer_days"),
    )
    return next((field for failed, field in tests if failed), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: InvoicePolicyEvent, _stamp: Stamp) -> None:
    """Keep the version in force."""
    world.put(BILLING_POLICIES, CURRENT, BillingPolicy(event.number, event.terms))


def postings(_event: InvoicePolicyEvent) -> tuple[Posting, ...]:
    """A policy moves nothing."""
    return ()
