"""Importing bank statements: each in its order, each line matched with what is open just then.

The reader of a format hands in statements as plain values. A statement that was kept in quarantine
because another one was missing is tried again as soon as a statement of its account was booked: its
own file is read once more from where files are kept by their digest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ledger.domain.money.bank_booking import LineToBook
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_NUMBERS,
    QUARANTINE,
    WAITING,
    BankLine,
    Header,
)
from ledger.domain.money.bank_statements import (
    ImportStatement,
    RecordNotice,
    ReleaseStatement,
    StatementBooked,
    StatementQuarantined,
)
from ledger.domain.money.matching import Decision, Seen, decide_line
from ledger.domain.money.psp_records import PspPayout
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Conflict, NotFound
from ledger.kernel.ids import derived_id, key_at
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_items import Items, references_in

BOOKED, DUPLICATE, QUARANTINED = "booked", "duplicate", "quarantined"
NOTICED, SHOWN, REFUSED, SET_ASIDE = "noticed", "shown", "refused", "set_aside"


class ReadLine(msgspec.Struct, frozen=True):
    """A line as it was read: signed minor units, days, and the texts that may name references.

    `key` is the bank's own reference of it, or a digest; `part` counts the payments of a movement
    from 1, 0 for a movement as a whole. `name` and `other_number` are of the other side.
    """

    key: str
    part: int
    amount_minor: int
    booked_on: str
    valued_on: str
    code: str
    texts: tuple[str, ...]
    other_number: str = ""
    name: str = ""
    return_code: str = ""
    charge_minor: int = 0
    is_reversal: bool = False


class ReadStatement(msgspec.Struct, frozen=True):
    """A statement as it was read; `faults` are sums inside it that do not add up.

    `message` is ``statement``, ``notice`` or ``report``; a report of the running day is only shown.
    """

    message: str
    number: str
    currency: str
    name: str
    sequence: int
    opening_minor: int
    closing_minor: int
    closed_on: str
    has_balances: bool
    content_sha256: str
    file_sha256: str
    lines: tuple[ReadLine, ...]
    faults: tuple[str, ...] = ()

    def header(self, bank_account_id: str) -> Header:
        """Give what the rules see of it beside its lines."""
        return Header(
            bank_account_id=bank_account_id,
            number=self.number,
            currency=self.currency,
            name=self.name,
            sequence=self.sequence,
            opening_minor=self.opening_minor,
            closing_minor=self.closing_minor,
            closed_on=self.closed_on,
            content_sha256=self.content_sha256,
            file_sha256=self.file_sha256,
            has_balances=self.has_balances,
        )


class Imported(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one statement: the verdict, why, and how its lines were matched.

    `rules` counts the lines by how they were matched, `waiting` is how many went to suspense.
    """

    name: str
    number: str
    sequence: int
    verdict: str
    codes: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    quarantine_key: str = ""
    lines: int = 0
    rules: dict[str, int] = {}
    waiting: int = 0
    position: int = -1


class Importing(msgspec.Struct, frozen=True):
    """How an import runs: who, when (us), who looks after what nobody knows, by which policy.

    `read_again` gives the statements of a file kept by its digest; `payouts` are what the payment
    provider tells of its payouts to our bank.
    """

    actor: Actor
    at: int
    assignee_id: str
    read_again: Callable[[str], Sequence[ReadStatement]]
    policy: Policy = Policy()
    payouts: tuple[PspPayout, ...] = ()


def import_statements(
    ledger: Ledger, statements: Iterable[ReadStatement], how: Importing
) -> list[Imported]:
    """Import statements in their order, and after each those of its account that waited for it."""
    done: list[Imported] = []
    for one in statements:
        told = import_one(ledger, one, how)
        done.append(told)
        while told.verdict == BOOKED:
            told = _retry(ledger, one.number, how)
            if told.verdict == BOOKED:
                done.append(told)
    return done


def import_one(ledger: Ledger, one: ReadStatement, how: Importing) -> Imported:
    """Import one statement: booked, known already, or kept in quarantine with its reasons."""
    named = Imported(one.name, one.number, one.sequence, SHOWN, lines=len(one.lines))
    if one.message == "report":
        return named
    with ledger.reading() as reads:
        size = reads.size
        header = one.header(_account_of(reads, one.number))
        if one.message == "notice":
            lines = tuple(line for line, _ in _lines(reads, one, how))
            command: Command = RecordNotice(header=header, lines=lines)
        else:
            command = ImportStatement(
                header=header,
                lines=tuple(_to_book(reads, one, how)),
                assignee_id=how.assignee_id,
                faults=one.faults,
            )
    (receipt,) = ledger.execute_all([_request(command, header, how, size)])
    if receipt.refusal is not None:
        codes = (receipt.refusal.code.wire,)
        facts = tuple(f"{name} {fact}" for name, fact in sorted(receipt.refusal.facts.items()))
        return msgspec.structs.replace(named, verdict=REFUSED, codes=codes, facts=facts)
    if one.message == "notice":
        return msgspec.structs.replace(named, verdict=NOTICED if receipt.count else DUPLICATE)
    return _told(ledger, named, header, receipt)


def release(
    ledger: Ledger, quarantine_key: str, how: Importing, *, reason: str, sets_aside: bool
) -> Imported:
    """Book a statement out of quarantine, or set it aside; the actor names a second person.

    Raises:
        NotFound: nothing waits under this key, or its file is not kept any more.
        Refused: the rules say no.
    """
    with ledger.reading() as reads:
        command = releasing(reads, quarantine_key, how, reason=reason, sets_aside=sets_aside)
        size, header = reads.size, command.header
        one = _again(header, how)
    receipt = accepted(ledger.execute(_request(command, header, how, size)))
    named = Imported(one.name, one.number, one.sequence, SET_ASIDE, lines=len(one.lines))
    return named if sets_aside else _told(ledger, named, header, receipt)


def releasing(
    reads: Reads, quarantine_key: str, how: Importing, *, reason: str, sets_aside: bool
) -> ReleaseStatement:
    """Make the command that books a statement out of quarantine; `NotFound` as above."""
    waiting = reads.row(QUARANTINE, quarantine_key)
    if waiting is None:
        raise NotFound(f"nothing in quarantine under {quarantine_key[:40]}")
    one = _again(waiting.header, how)
    return ReleaseStatement(
        header=waiting.header,
        lines=() if sets_aside else tuple(_to_book(reads, one, how)),
        assignee_id=how.assignee_id,
        reason=reason,
        sets_aside=sets_aside,
    )


def _account_of(reads: Reads, number: str) -> str:
    found = reads.row(BANK_NUMBERS, number)
    return "" if found is None else found.bank_account_id


def _request(command: Command, header: Header, how: Importing, size: int) -> Request:
    """Ask under a key of its own for every state of the ledger: what waited is tried again."""
    name = (type(command).__name__, header.quarantine_key, canonical(command).hex(), str(size))
    key = key_at(how.at, *name)
    return Request(key=key, principal=how.actor.id, actor=how.actor, at=how.at, command=command)


def _told(ledger: Ledger, named: Imported, header: Header, receipt: Receipt) -> Imported:
    """Say what became of a statement by the entries it made."""
    change = msgspec.structs.replace
    with ledger.reading() as reads:
        if not receipt.count:
            waiting = reads.row(QUARANTINE, header.quarantine_key)
            if waiting is None or waiting.state != WAITING:
                return change(named, verdict=DUPLICATE)
            key = header.quarantine_key
            told = {"codes": waiting.codes, "facts": waiting.facts, "quarantine_key": key}
            return change(named, verdict=QUARANTINED, **told)
        entries = [one.event for one in reads.entries(receipt.first, receipt.first + receipt.count)]
    first = entries[0]
    if isinstance(first, StatementQuarantined):
        return change(
            named,
            verdict=QUARANTINED,
            codes=first.codes,
            facts=first.facts,
            quarantine_key=header.quarantine_key,
        )
    assert isinstance(first, StatementBooked), first.kind
    rules: dict[str, int] = {}
    waiting_count = 0
    for event in entries:
        for match in getattr(event, "matches", ()):
            rules[match.rule] = rules.get(match.rule, 0) + 1
        waiting_count += bool(getattr(event, "assignee_id", ""))
    return change(
        named,
        verdict=BOOKED,
        rules=dict(sorted(rules.items())),
        waiting=waiting_count,
        position=receipt.first,
    )


# Lines ------------------------------------------------------------------------


def line_id_of(bank_account_id: str, line: ReadLine) -> str:
    """Name a line for ever: by its account, the bank's reference, its place in the movement."""
    return derived_id("BL", bank_account_id, line.key, str(line.part))


def _lines(reads: Reads, one: ReadStatement, how: Importing) -> Iterator[tuple[BankLine, ReadLine]]:
    account_id = _account_of(reads, one.number)
    known = frozenset(
        name for payout in how.payouts for name in (payout.payout_id, payout.trace_id)
    )
    items = Items(reads, how.payouts)
    for read in one.lines:
        line = BankLine(
            line_id=line_id_of(account_id, read),
            amount_minor=read.amount_minor,
            booked_on=read.booked_on,
            valued_on=read.valued_on,
            code=read.code[:40],
            references=references_in(read.texts, known | items.transit_names),
            return_code=read.return_code[:10],
            charge_minor=read.charge_minor,
            is_reversal=read.is_reversal,
        )
        yield line, read


def _to_book(reads: Reads, one: ReadStatement, how: Importing) -> Iterator[LineToBook]:
    for line, decision in decided(reads, one, how):
        yield LineToBook(line, decision.matches, decision.reason)


def decided(
    reads: Reads, one: ReadStatement, how: Importing
) -> Iterator[tuple[BankLine, Decision]]:
    """Say for each line of a statement what it settles, or why it waits and what might fit.

    An item that a line settled is not offered to the next one.
    """
    account = reads.row(BANK_ACCOUNTS, _account_of(reads, one.number))
    currency = one.currency if account is None else account.currency
    items = Items(reads, how.payouts)
    for line, read in _lines(reads, one, how):
        party = items.party_of(read.other_number)
        found = items.for_line(line, party)
        decision = decide_line(Seen(line, currency, party), found, how.policy)
        items.use(decision.matches)
        yield line, decision


def _again(header: Header, how: Importing) -> ReadStatement:
    """Read a statement of a kept file again; `Conflict` when it reads otherwise now."""
    for one in how.read_again(header.file_sha256):
        if one.content_sha256 == header.content_sha256:
            return one
    raise Conflict(f"the kept file of {header.name} holds no such statement any more")


def _retry(ledger: Ledger, number: str, how: Importing) -> Imported:
    """Try the statements of an account that wait in quarantine, until one is booked."""
    nothing = Imported("", number, 0, SHOWN)
    with ledger.reading() as reads:
        waiting = [row for _, row in reads.rows(QUARANTINE, listed=WAITING)]
    for row in sorted(waiting, key=lambda each: each.header.sequence):
        if row.header.number != number or set(row.codes) - _MAY_COME_GOOD:
            continue
        try:
            one = _again(row.header, how)
        except (Conflict, NotFound):  # its file is gone or changed: it stays where it is
            continue
        told = import_one(ledger, one, how)
        if told.verdict == BOOKED:
            return told
    return nothing


_MAY_COME_GOOD = frozenset({"statement_gap", "opening_mismatch"})
