"""`entry`: entries by hand, for what no rule books; two persons each."""

from typing import Any

import click

from ledger.domain.money.manual_entries import PostManualEntry, ReverseManualEntry
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.money import parse_amount
from ledger.kernel.postings import Posting
from mobilegrid.cli.acting import DIGEST, argument, asks, fresh, text

_PARTS_MIN = 3
_DOCUMENTS = click.Option(
    ["--document", "documents"],
    multiple=True,
    type=DIGEST,
    metavar="FILE",
    help="What it rests on: a file, or its SHA-256; again for each.",
)
_REASON = text("--reason", "reason", "Why.", required=True)
_DATE = text(
    "--date",
    "posting_date",
    "Its day of the books, YYYY-MM-DD; today when left out.",
    metavar="DAY",
)


def line_of(words: str) -> Posting:
    """Read a line: ``ACCOUNT AMOUNT CURRENCY [NAME=ID ...]``; `Malformed` for anything else.

    >>> line_of("Equity:Capital -25.10 EUR")
    Posting(account='Equity:Capital', commodity='EUR', quantity=-2510, dims={})
    """
    parts = words.split()
    if len(parts) < _PARTS_MIN:
        raise Malformed(f"a line is ACCOUNT AMOUNT CURRENCY [NAME=ID], got {words[:80]!r}")
    account, amount, currency, *named = parts
    dims = {}
    for one in named:
        name, sign, value = one.partition("=")
        if not sign:
            raise Malformed(f"{one[:60]!r} is not NAME=ID", field="line")
        dims[name] = value
    return Posting(account, currency, parse_amount(amount, currency, "line"), dims)


def _post(given: dict[str, Any]) -> LedgerCommand:
    return PostManualEntry(
        manual_id=given["manual_id"],
        lines=tuple(map(line_of, given["lines"])),
        reason=given["reason"],
        documents=given["documents"],
        posting_date=given["posting_date"],
    )


def _reverse(given: dict[str, Any]) -> LedgerCommand:
    return ReverseManualEntry(
        manual_id=given["manual_id"],
        reversed_id=given["reversed_id"],
        reason=given["reason"],
        documents=given["documents"],
        posting_date=given["posting_date"],
    )


post = asks(
    "post",
    """Post lines by hand; two persons, a reason, a document.

    Everything that is wrong with them is told at once. Debits are positive, credits negative.
    """,
    _post,
    "finance",
    [
        click.Option(
            ["--line", "lines"],
            multiple=True,
            required=True,
            metavar="LINE",
            help='"ACCOUNT AMOUNT CURRENCY [NAME=ID]", such as "Equity:Capital -25.10 EUR".',
        ),
        _REASON,
        _DOCUMENTS,
        _DATE,
        fresh("--id", "manual_id", "ME"),
    ],
    "manual_id",
)

reverse = asks(
    "reverse",
    "Reverse an entry by hand, whole; two persons.",
    _reverse,
    "finance",
    [
        argument("reversed_id", "ENTRY"),
        _REASON,
        _DOCUMENTS,
        _DATE,
        fresh("--id", "manual_id", "ME"),
    ],
    "manual_id",
)
