"""The books: balances, trial balance, conservation, and what later knowledge changed."""

import msgspec
from litestar import Response, get

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import as_text
from ledger.store.queries import audit
from partner_api.auth import Action
from partner_api.balances import (
    BalancesOut,
    TrialBalanceOut,
    balances_of,
    chart_name,
    trial_balance_of,
)
from partner_api.deps import asks
from partner_api.look import MOMENT, PAGE, Asking, AsOf, looking


@get(
    "/balances",
    operation_id="list_balances",
    opt=asks(Action.READ_AUDIT, "account", "item", *MOMENT),
    sync_to_thread=True,
)
def list_balances(request: Asking) -> Response[BalancesOut]:
    """List balances at and below an account at a moment; 10,000 at most."""
    with looking(request, "list_balances", heavy=True, tagged=True) as look:
        answer = balances_of(look, look.need("account"), look.text("item"))
        return look.answer(answer, len(answer.items))


@get(
    "/trial-balance",
    operation_id="trial_balance",
    opt=asks(Action.READ_AUDIT, *MOMENT),
    sync_to_thread=True,
)
def trial_balance(request: Asking) -> Response[TrialBalanceOut]:
    """Give the trial balance of all books at a moment: money, energy, packs and titles."""
    with looking(request, "trial_balance", heavy=True, tagged=True) as look:
        answer = trial_balance_of(look)
        return look.answer(answer, len(answer.items))


class FlowOut(msgspec.Struct, frozen=True):
    """One account of the chart over a span: what it held, what came, what went, what it holds."""

    code: int
    account: str
    opening: int
    increase: int
    decrease: int
    closing: int


class ConservationOut(msgspec.Struct, frozen=True):
    """A commodity over a span of valid time; it holds when both lists of sums agree.

    `adds_up`: in every account opening + increase + decrease = closing. `sums_to_zero`: all
    openings, and all closings, sum to zero.
    """

    commodity: str
    items: list[FlowOut]
    adds_up: bool
    sums_to_zero: bool
    from_at: str
    to_at: str
    as_of: AsOf


@get(
    "/conservation",
    operation_id="conservation",
    opt=asks(Action.READ_AUDIT, "commodity", "from", "to", "known_at"),
    sync_to_thread=True,
)
def conservation(request: Asking) -> Response[ConservationOut]:
    """Show that nothing of a commodity appeared or vanished: opening + movements = closing."""
    with looking(request, "conservation", heavy=True, tagged=True) as look:
        commodity = look.need("commodity")
        span = look.instant("from", look.need("from")), look.instant("to", look.need("to"))
        if span[0] >= span[1]:
            raise Malformed("from is before to", field="from")
        found = audit.flows(look.tx, look.log_id, commodity, span=span, end=look.moment.end)
        sums: dict[tuple[int, str], list[int]] = {}
        for each in found:
            line = sums.setdefault(chart_name(each.account), [0, 0, 0, 0])
            added = (each.opening, each.increase, each.decrease, each.closing)
            line[:] = [old + new for old, new in zip(line, added, strict=True)]
        items = [FlowOut(*key, *line) for key, line in sorted(sums.items())]
        answer = ConservationOut(
            commodity,
            items,
            all(each.opening + each.increase + each.decrease == each.closing for each in found),
            not sum(each.opening for each in found) and not sum(each.closing for each in found),
            as_text(span[0]),
            as_text(span[1]),
            look.as_of(),
        )
        return look.answer(answer, len(items))


class ChangesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Balances that the entries in [first, end) changed, at one moment of valid time."""

    items: list[audit.Change]
    first: int
    end: int
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/differences",
    operation_id="list_differences",
    opt=asks(Action.READ_AUDIT, "account", "known_before", *MOMENT, *PAGE),
    sync_to_thread=True,
)
def list_differences(request: Asking) -> Response[ChangesOut]:
    """Compare two states of knowledge about the same past: what did late entries change?"""
    with looking(request, "list_differences", heavy=True, tagged=True) as look:
        account = look.need("account")
        before = look.known("known_before", look.need("known_before"))
        if before > look.moment.end:
            raise Malformed("not after known_at", field="known_before")
        after = tuple(str(each) for each in look.after) or ("", "", "")
        found = audit.changes(
            look.tx,
            look.log_id,
            account,
            ends=(before, look.moment.end),
            valid_at=look.moment.valid_at,
            page=((after[0], after[1], after[2]), look.limit),
        )
        last = found[-1] if found else None
        key = (last.account, last.item, last.commodity) if last else ()
        cursor = look.next_cursor(found, key)
        answer = ChangesOut(found, before, look.moment.end, look.as_of(), cursor)
        return look.answer(answer, len(found))


ROUTES = (list_balances, trial_balance, conservation, list_differences)
