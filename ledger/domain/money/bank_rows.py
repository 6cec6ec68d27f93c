"""Rows of the bank: accounts of ours, statements, their lines, and what waits in suspense.

A **bank line** is one movement of a bank statement, or one payment of a movement that holds
several. It is posted once, whatever number of files tells of it. A **match** says what a line
settles. What no match takes stands on suspense (2900) under the line's id until a person knows.

No name, no account number and no words of a payer are kept in the log: a line keeps the references
that are ours, and the rest stays in the bank's own file, which is kept by its digest.
"""

import msgspec

from ledger.domain.money.accounts import RECEIVABLE, SUSPENSE, account_info, item_of
from ledger.domain.money.posting_dates import is_day
from ledger.domain.world import Shelf, key_of
from ledger.kernel.ids import derived_id
from ledger.kernel.postings import Posting

OPERATING, CLIENT_MONEY = "Assets:Bank:Operating", "Assets:Bank:Client-Money"
PARTNERS_OWE = "Assets:Receivables:Partners"
IN_TRANSIT = "Assets:PSP:In-Transit"
PAYOUTS_IN_FLIGHT = "Liabilities:Partners:Payout-In-Flight"
BANK_CHARGES, PSP_FEES = "Expenses:Bank-Charges", "Expenses:PSP-Fees"
CAPITAL = "Equity:Capital"
FIRST_DAY, LAST_DAY = "1970-01-02", "9999-12-30"

TARGETS = frozenset(
    {
        *(RECEIVABLE, PARTNERS_OWE, IN_TRANSIT, PAYOUTS_IN_FLIGHT, BANK_CHARGES, PSP_FEES),
        *(CAPITAL, SUSPENSE),
    }
)
"""What a line of a bank may settle. A driver's receivable always names its invoice; suspense means
another line that waits, as when money goes from one account of ours to another."""


class BankAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """An account of ours at a bank, and how far its statements have come (minor units, days).

    `number` is its IBAN or another number. `last_sequence` and `closing_minor` are of the newest
    booked statement; before the first one the closing is what the account was opened with.
    """

    bank_account_id: str
    number: str
    currency: str
    ledger_account: str
    closing_minor: int
    closed_on: str
    last_sequence: int = 0
    statements: int = 0


class BankNumber(msgspec.Struct, frozen=True):
    """Which account of ours has a number."""

    bank_account_id: str


BANK_ACCOUNTS = Shelf("bank_accounts", BankAccount)
BANK_NUMBERS = Shelf("bank_numbers", BankNumber)  # key: the number


class Header(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What stands over the lines of a bank statement; `file_sha256` finds the bank's own file.

    `sequence` is 0 where the bank numbers nothing. `content_sha256` is of the whole statement as it
    was read, so that the same id with other content is seen. Balances are absent in a notice.
    """

    bank_account_id: str
    number: str
    currency: str
    name: str
    sequence: int
    opening_minor: int
    closing_minor: int
    closed_on: str
    content_sha256: str
    file_sha256: str
    has_balances: bool = True

    @property
    def key(self) -> str:
        """The id of the statement: account, the bank's id of it, its number."""
        return derived_id("BS", self.number, self.name, str(self.sequence))

    @property
    def quarantine_key(self) -> str:
        """The id under which a statement waits that was not booked: its content counts too."""
        return derived_id("BQ", self.key, self.content_sha256)


class BankStatementRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A statement that was booked, at `position`."""

    header: Header
    position: int
    lines: int


BANK_STATEMENTS = Shelf(
    "bank_statements", BankStatementRow, listed_by=lambda row: row.header.bank_account_id
)

WAITING, RELEASED, DISCARDED, CAME_GOOD = "waiting", "released", "discarded", "booked"


class Quarantined(msgspec.Struct, frozen=True, omit_defaults=True):
    """A statement that was not booked: why, and what became of it."""

    header: Header
    codes: tuple[str, ...]
    facts: tuple[str, ...]
    state: str = WAITING


QUARANTINE = Shelf("bank_quarantine", Quarantined, listed_by=lambda row: row.state)

# Lines --------------------------------------------------------------------------


class BankLine(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line: signed minor units as the account sees it, days, the bank's code of its kind.

    `references` are those of ours that the line names: payouts, invoices, the processor's payouts.
    `charge_minor` is what the bank says it kept of the amount; `return_code` says why money came
    back.
    """

    line_id: str
    amount_minor: int
    booked_on: str
    valued_on: str = ""
    code: str = ""
    references: tuple[str, ...] = ()
    return_code: str = ""
    charge_minor: int = 0
    is_reversal: bool = False


class Match(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a line settles of one open item: signed minor units, with the sign of the line.

    `amount_minor` is settled of the item; where the bank kept a fee of it, the line shows
    ``amount_minor - fee_minor`` and the fee goes to `fee_account`. `rule` says how the item was
    found. `before_minor` is what lines had settled of the item when it was looked at, so that
    nothing is settled twice. `left_minor` is what stays open of an item that is paid in part;
    `attempt` is that of a payout's reference.
    """

    rule: str
    account: str
    amount_minor: int
    dims: dict[str, str]
    fee_minor: int = 0
    fee_account: str = ""
    before_minor: int = 0
    left_minor: int = 0
    attempt: int = 0

    @property
    def on_line_minor(self) -> int:
        """What the line shows of it."""
        return self.amount_minor - self.fee_minor

    @property
    def item(self) -> str:
        """The key of the item: its account, and the item inside it."""
        return item_key(self.account, self.dims)

    @property
    def is_counted(self) -> bool:
        """Tell whether what lines settle of the item is counted: payouts have their own state."""
        info = account_info(self.account)
        return info is not None and bool(info.keys) and not self.payout_id

    @property
    def payout_id(self) -> str:
        """The payout of ours that the line ends, "" for anything else."""
        return self.dims.get("payout", "") if self.account == PAYOUTS_IN_FLIGHT else ""


def is_booked_on(text: str) -> bool:
    """Tell whether a text is a day of which the books have an instant."""
    return is_day(text) and FIRST_DAY <= text <= LAST_DAY


def item_key(account: str, dims: dict[str, str]) -> str:
    """Name an item of an account, as the open items are counted.

    >>> item_key("Assets:Receivables:Drivers", {"driver": "DR-1", "invoice": "I-1"})
    'Assets:Receivables:Drivers|DR-1|I-1'
    """
    return key_of(account, item_of(Posting(account, "EUR", 1, dims)))


def names_item(match: Match) -> bool:
    """Tell whether a match names an account that lines may settle, and exactly one item of it."""
    info = account_info(match.account)
    if match.account not in TARGETS or info is None:
        return False
    wanted = set(info.keys)
    if match.account == PARTNERS_OWE and "statement" not in match.dims:
        wanted = {"partner"}
    return set(match.dims) == wanted and all(match.dims.values())


class BankLineRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line as it stands: told by a notice (``provisional``), or posted (``posted``).

    `rest_minor` went to suspense when it was posted at `position`.
    """

    line: BankLine
    bank_account_id: str
    currency: str
    state: str
    position: int = 0
    matches: tuple[Match, ...] = ()
    rest_minor: int = 0
    reason: str = ""
    statement_key: str = ""


PROVISIONAL, POSTED = "provisional", "posted"

BANK_LINES = Shelf("bank_lines", BankLineRow, listed_by=lambda row: row.state)


class Settled(msgspec.Struct, frozen=True):
    """What bank lines have settled of an item, in minor units with the sign of the lines."""

    minor: int


SETTLED_ITEMS = Shelf("bank_settled_items", Settled)  # key: account, item


# Suspense -----------------------------------------------------------------------


class Identified(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person knew of a line in suspense, by the entry at `position`."""

    position: int
    matches: tuple[Match, ...]


class SuspenseItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Money on 2900 that nobody knows yet; positive came in, negative went out (minor units).

    `assignee_id` looks after it from `opened_on` on, until `due_on`; `hold_until` parks it.
    `break_id` is the alarm that goes with it, if any.
    """

    line_id: str
    bank_account_id: str
    currency: str
    amount_minor: int
    left_minor: int
    reason: str
    opened_on: str
    assignee_id: str
    due_on: str
    hold_until: str = ""
    note: str = ""
    document_requests: tuple[str, ...] = ()
    break_id: str = ""
    identified: tuple[Identified, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing of it is settled yet."""
        return self.left_minor == self.amount_minor


SUSPENSE_ITEMS = Shelf(
    "suspense_items", SuspenseItem, listed_by=lambda row: "open" if row.left_minor else "settled"
)
