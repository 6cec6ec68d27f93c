"""From a bank's file to the statements and lines that the rules know.

A movement that holds several payments becomes a line for each of them: each is matched on its own,
and they sum to the movement. Only booked movements become lines.
"""

from collections.abc import Iterator
from hashlib import sha256

import msgspec

from ledger.adapters.bank.statements import (
    BankFile,
    BankStatement,
    Movement,
    Payment,
    faults_of,
    read_bank_file,
)
from ledger.kernel.envelope import canonical
from ledger.runtime.reconciliation_import import ReadLine, ReadStatement

_MESSAGES = {"camt.053": "statement", "camt.054": "notice", "camt.052": "report"}


def read_statements(content: bytes) -> tuple[BankFile, list[ReadStatement]]:
    """Read a file of a bank; `Malformed` where it is none.

    What could not be read stands in `unread` of the file and is no statement.
    """
    file = read_bank_file(content)
    digest = sha256(content).hexdigest()
    return file, [_statement(file.message, one, digest) for one in file.statements]


def _statement(message: str, one: BankStatement, file_sha256: str) -> ReadStatement:
    opening, closing = one.opening_minor, one.closing_minor
    has_balances = opening is not None and closing is not None
    faults = faults_of(one, needs_balances=False)
    return ReadStatement(
        message=_MESSAGES[message],
        number=one.account,
        currency=one.currency,
        name=one.statement_id,
        sequence=one.sequence or 0,
        opening_minor=opening or 0,
        closing_minor=closing or 0,
        closed_on=one.closed_on,
        has_balances=has_balances,
        content_sha256=sha256(canonical(msgspec.to_builtins(one))).hexdigest(),
        file_sha256=file_sha256,
        lines=tuple(line for movement in one.movements for line in _lines(movement)),
        faults=tuple(fault.fact for fault in faults),
    )


def _lines(movement: Movement) -> Iterator[ReadLine]:
    if movement.status != "BOOK" or not movement.amount_minor:
        return
    if len(movement.payments) > 1 and any(one.amount_minor for one in movement.payments):
        for part, payment in enumerate(movement.payments, start=1):
            if payment.amount_minor:
                texts = _texts(payment)
                yield _line(movement, payment, (part, payment.amount_minor), texts)
        return
    only = movement.payments[0] if len(movement.payments) == 1 else Payment("", 0)
    texts = tuple(text for payment in movement.payments for text in _texts(payment))
    yield _line(movement, only, (0, movement.amount_minor), texts)


def _texts(payment: Payment) -> tuple[str, ...]:
    """Give the texts in which a payer or a bank may name references of ours."""
    ids = (payment.end_to_end_id, payment.message_id, payment.payment_information_id)
    return tuple(text for text in (*ids, payment.remittance) if text)


def _line(
    movement: Movement, payment: Payment, place: tuple[int, int], texts: tuple[str, ...]
) -> ReadLine:
    part, amount_minor = place
    return ReadLine(
        key=movement.key,
        part=part,
        amount_minor=amount_minor,
        booked_on=movement.booked_on or movement.valued_on,
        valued_on=movement.valued_on,
        code=movement.code,
        texts=texts,
        other_number=payment.account,
        name=payment.name,
        return_code=payment.return_code,
        charge_minor=payment.charge_minor,
        is_reversal=movement.is_reversal,
    )
