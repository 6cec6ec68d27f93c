"""The books: the chart of accounts, balances, postings, entries, the trial balance."""

from base64 import b64encode
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.money.accounts import CHART, AccountInfo
from ledger.kernel.errors import NotFound
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import as_text
from ledger.store import journal
from ledger.store.queries import audit
from partner_api.auth import Action
from partner_api.balances import BalancesOut, TrialBalanceOut, balances_of, trial_balance_of
from partner_api.deps import asks
from partner_api.look import MOMENT, PAGE, Asking, AsOf, entry_of, looking

_BY_CODE = {str(info.code): info for info in CHART if info.holds == "money"}


class AccountOut(msgspec.Struct, frozen=True):
    """An account of the chart: its rule, and the dimensions that tell its balances apart."""

    code: int
    account: str
    holds: str
    rule: str
    keys: tuple[str, ...]


class ChartOut(msgspec.Struct, frozen=True):
    """The chart of accounts, by code."""

    items: list[AccountOut]


@get("/accounts", operation_id="list_accounts", opt=asks(Action.READ_FINANCE), sync_to_thread=True)
def list_accounts(request: Asking) -> Response[ChartOut]:
    """List the chart of accounts."""
    with looking(request, "list_accounts") as look:
        items = [
            AccountOut(info.code, info.name, info.holds, info.rule, info.keys) for info in CHART
        ]
        return look.answer(ChartOut(items), len(items))


def _account(code: str) -> AccountInfo:
    found = _BY_CODE.get(code)
    if found is None:
        raise NotFound("no such account")
    return found


@get(
    "/accounts/{code:str}/balance",
    operation_id="read_account_balance",
    opt=asks(Action.READ_FINANCE, "item", *MOMENT),
    sync_to_thread=True,
)
def read_account_balance(request: Asking, code: FromPath[str]) -> Response[BalancesOut]:
    """Give what a money account holds, by driver, partner, invoice or whatever tells it apart."""
    with looking(request, "read_account_balance", heavy=True, tagged=True) as look:
        answer = balances_of(look, _account(code).name, look.text("item"))
        return look.answer(answer, len(answer.items))


class PostingOut(msgspec.Struct, frozen=True):
    """One line of an entry on the account; minor units, debit above 0."""

    position: int
    line: int
    item: str
    quantity: int
    occurred_at: str


class PostingsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lines on an account in the order of the log."""

    items: list[PostingOut]
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/accounts/{code:str}/postings",
    operation_id="list_account_postings",
    opt=asks(Action.READ_FINANCE, "item", *MOMENT, *PAGE),
    sync_to_thread=True,
)
def list_account_postings(request: Asking, code: FromPath[str]) -> Response[PostingsOut]:
    """List the lines on a money account, or of one balance of it; each leads to its entry.

    With the `item` of a balance and the moment it was read at, they sum to it.
    """
    with looking(request, "list_account_postings", heavy=True, tagged=True) as look:
        key = (int(look.after[0]), int(look.after[1])) if look.after else (-1, -1)
        account, item = _account(code).name, look.query.get("item")
        found = audit.movements(
            look.tx,
            look.log_id,
            account if item is None else (account, item),
            at=look.at,
            after=key,
            limit=look.limit,
        )
        items = [
            PostingOut(
                each.position, each.line, each.item, each.quantity, as_text(each.occurred_at)
            )
            for each in found
        ]
        cursor = look.next_cursor(found, (items[-1].position, items[-1].line)) if items else ""
        return look.answer(PostingsOut(items, look.as_of(), cursor), len(items))


@get(
    "/trial-balance",
    operation_id="read_trial_balance",
    opt=asks(Action.READ_FINANCE, *MOMENT),
    sync_to_thread=True,
)
def read_trial_balance(request: Asking) -> Response[TrialBalanceOut]:
    """Give the trial balance of all books at a moment; each commodity sums to zero."""
    with looking(request, "read_trial_balance", heavy=True, tagged=True) as look:
        answer = trial_balance_of(look)
        return look.answer(answer, len(answer.items))


class BookEntryOut(msgspec.Struct, frozen=True):
    """An entry as it is stored, and its leaf hash, by which a checkpoint proves it."""

    position: int
    leaf_sha256: str
    entry: Any


class BookEntriesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries in the order of the log."""

    items: list[BookEntryOut]
    as_of: AsOf
    next_cursor: str = ""


class BookEntryAnswer(msgspec.Struct, frozen=True):
    """One entry."""

    item: BookEntryOut
    as_of: AsOf


def _entry_out(position: int, data: bytes) -> BookEntryOut:
    return BookEntryOut(position, b64encode(leaf_hash(data)).decode(), msgspec.Raw(data))


@get(
    "/entries",
    operation_id="list_book_entries",
    opt=asks(Action.READ_FINANCE, "first", "end", "kind", *MOMENT, *PAGE),
    sync_to_thread=True,
)
def list_book_entries(request: Asking) -> Response[BookEntriesOut]:
    """List entries of a range, all or of one kind."""
    with looking(request, "list_book_entries", heavy=True, tagged=True) as look:
        after = int(look.after[0]) + 1 if look.after else 0
        if "kind" in look.query:
            first, end = look.span()
            span = max(first, after), end
            found = audit.of_kind(look.tx, look.log_id, look.query["kind"], span, look.limit)
        else:
            first = max(look.number("first", 0), after)
            end = min(look.number("end", look.moment.end), look.moment.end, first + look.limit)
            found = journal.raw_entries(look.tx, look.log_id, first, end)
        items = [_entry_out(position, data) for position, data in found]
        cursor = look.next_cursor(items, (items[-1].position,)) if items else ""
        return look.answer(BookEntriesOut(items, look.as_of(), cursor), len(items))


@get(
    "/entries/{position:str}",
    operation_id="read_book_entry",
    opt=asks(Action.READ_FINANCE, "known_at"),
    sync_to_thread=True,
)
def read_book_entry(request: Asking, position: FromPath[str]) -> Response[BookEntryAnswer]:
    """Give one entry with its postings and causes."""
    with looking(request, "read_book_entry", tagged=True) as look:
        number, data = entry_of(look, position)
        return look.answer(BookEntryAnswer(_entry_out(number, data), look.as_of()))


ROUTES = (
    list_accounts,
    read_account_balance,
    list_account_postings,
    read_trial_balance,
    list_book_entries,
    read_book_entry,
)
