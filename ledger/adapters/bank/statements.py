"""Bank statements: camt.053 (booked days), camt.054 (single movements), camt.052 (the running day).

Read are the versions 02 to 14, by local names; the status of a movement stands as text in old
versions and as a code inside it from version 08 on. One file may hold several statements of several
accounts. Amounts become signed minor units: what came in is positive. Only booked movements count;
a batch's single payments must sum to it. `faults_of` says what makes a statement unfit to be posted
as a whole (money handbook 10.1); whether it follows its predecessor is the ledger's to know.
"""

import re
from collections import Counter
from datetime import date, datetime
from hashlib import sha256

import msgspec

from ledger.adapters.bank.elements import Element, read_elements
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed
from ledger.kernel.money import parse_amount

MESSAGES = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}
"""By message: its root and the name of one statement inside."""

_NAMESPACE = re.compile(r"^urn:iso:std:iso:20022:tech:xsd:(camt\.05[234])\.001\.([0-9]{2})$")
_VERSIONS = range(2, 15)
_SEQUENCE = re.compile(r"^[0-9]{1,18}$")
_SIGNS = {"CRDT": 1, "DBIT": -1}
_STATUSES = frozenset({"BOOK", "PDNG", "INFO", "FUTR"})

OPENING, CLOSING = ("OPBD", "PRCD"), ("CLBD",)
"""Codes of the booked balance at the start and at the end; `PRCD` is yesterday's closing."""


class Payment(msgspec.Struct, frozen=True):
    """One payment inside a movement; texts are empty where the bank says nothing.

    `amount_minor` is signed as the account sees it, `account` is the other side's, `charge_minor`
    what the bank kept, `return_code` why it came back.
    """

    end_to_end_id: str
    amount_minor: int
    message_id: str = ""
    payment_information_id: str = ""
    name: str = ""
    account: str = ""
    remittance: str = ""
    return_code: str = ""
    charge_minor: int = 0


class Movement(msgspec.Struct, frozen=True):
    """One line of a statement.

    `key` is the bank's own reference, or where it gives none a digest of the line with a running
    number, so that two equal lines of one statement stay two. `booked_on` and `valued_on` are days
    (``YYYY-MM-DD``), empty where absent; `code` is the bank transaction code.
    """

    key: str
    amount_minor: int
    currency: str
    status: str
    is_reversal: bool
    booked_on: str
    valued_on: str
    code: str
    payments: tuple[Payment, ...]


class BankStatement(msgspec.Struct, frozen=True):
    """What a bank says about one account. Balances are absent where the message has none."""

    statement_id: str
    account: str
    currency: str
    sequence: int | None
    created_at: str
    opening_minor: int | None
    closing_minor: int | None
    closed_on: str
    movements: tuple[Movement, ...]

    def booked_minor(self) -> int:
        """Sum the booked movements."""
        return sum(one.amount_minor for one in self.movements if one.status == "BOOK")


class UnreadStatement(msgspec.Struct, frozen=True):
    """A statement that could not be read: its place in the file from 1, its id, field and rule."""

    number: int
    statement_id: str
    field: str
    rule: str


class BankFile(msgspec.Struct, frozen=True):
    """A whole file: message (``camt.053``), version, the bank's id of it, its statements.

    One statement that cannot be read does not hold up the others: it stands in `unread`.
    """

    message: str
    version: int
    message_id: str
    statements: tuple[BankStatement, ...]
    unread: tuple[UnreadStatement, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """Why a statement is not posted: a stable code and the fact."""

    code: str
    fact: str


def read_bank_file(content: bytes) -> BankFile:
    """Read a file of a bank; `Malformed` where it is none, naming element and rule.

    A namespace that is none of ours is the rule ``CAMT_VERSION``.
    """
    root = read_elements(content)
    matched = _NAMESPACE.match(root.namespace)
    if root.name != "Document" or matched is None or int(matched[2]) not in _VERSIONS:
        raise Malformed(
            f"CAMT_VERSION: camt.052, 053, 054 of versions 02 to 14, got {root.namespace[-60:]!r}",
            field=root.name,
        )
    outer, inner = MESSAGES[matched[1]]
    body = root.need(outer)
    statements, unread = [], []
    for number, found in enumerate(body.all(inner), start=1):
        try:
            statements.append(_statement(found))
        except Malformed as error:
            unread.append(UnreadStatement(number, found.get("Id")[:35], error.field, error.rule))
    if not statements and not unread:
        raise Malformed("no statement inside", field=f"{body.path}/{inner}")
    return BankFile(
        message=matched[1],
        version=int(matched[2]),
        message_id=body.get("GrpHdr/MsgId"),
        statements=tuple(statements),
        unread=tuple(unread),
    )


def faults_of(statement: BankStatement, *, needs_balances: bool = True) -> tuple[Fault, ...]:
    """Say what contradicts itself inside a statement: no balances, sums that do not add up."""
    if statement.opening_minor is None or statement.closing_minor is None:
        return (Fault("BALANCE_MISSING", "opening or closing"),) if needs_balances else ()
    moved = statement.closing_minor - statement.opening_minor
    faults = []
    if moved != statement.booked_minor():
        faults.append(
            Fault("SUM_MISMATCH", f"closing - opening = {moved}, lines {statement.booked_minor()}")
        )
    for movement in statement.movements:
        parts = sum(payment.amount_minor for payment in movement.payments)
        kept = sum(payment.charge_minor for payment in movement.payments)
        has_parts = any(payment.amount_minor for payment in movement.payments)
        if has_parts and movement.amount_minor not in (parts, parts - kept):
            faults.append(
                Fault("SUM_MISMATCH", f"{movement.key}: {movement.amount_minor}, parts {parts}")
            )
    return tuple(faults)


# One statement ----------------------------------------------------------------


def _statement(found: Element) -> BankStatement:
    account = found.get("Acct/Id/IBAN") or found.get("Acct/Id/Othr/Id")
    if not account:
        raise Malformed("an account is an IBAN or another id", field=f"{found.path}/Acct/Id")
    balances = {_balance_code(one): one for one in found.all("Bal")}
    currency = found.get("Acct/Ccy") or _currency_of(found, balances)
    opening = next((balances[code] for code in OPENING if code in balances), None)
    closing = next((balances[code] for code in CLOSING if code in balances), None)
    return BankStatement(
        statement_id=found.need("Id").text,
        account=account,
        currency=currency,
        sequence=_sequence(found),
        created_at=found.get("CreDtTm"),
        opening_minor=None if opening is None else _signed(opening, currency),
        closing_minor=None if closing is None else _signed(closing, currency),
        closed_on="" if closing is None else _day(closing, "Dt"),
        movements=_movements(found, currency),
    )


def _balance_code(balance: Element) -> str:
    return balance.get("Tp/CdOrPrtry/Cd") or balance.get("Tp/CdOrPrtry/Prtry")


def _currency_of(found: Element, balances: dict[str, Element]) -> str:
    amounts = [*balances.values(), *found.all("Ntry")]
    if not amounts:
        raise Malformed("is missing, and nothing else names it", field=f"{found.path}/Acct/Ccy")
    return amounts[0].need("Amt").attributes.get("Ccy", "")


def _sequence(found: Element) -> int | None:
    text = found.get("ElctrncSeqNb")
    if text and not _SEQUENCE.match(text):
        raise Malformed(f"not a number: {text[:20]!r}", field=f"{found.path}/ElctrncSeqNb")
    return int(text) if text else None


def _movements(found: Element, currency: str) -> tuple[Movement, ...]:
    seen: Counter[str] = Counter()
    movements = []
    for entry in found.all("Ntry"):
        movement = _movement(entry, currency)
        if not movement.key:
            digest = sha256(canonical(msgspec.to_builtins(movement))).hexdigest()
            seen[digest] += 1
            movement = msgspec.structs.replace(movement, key=f"{digest}-{seen[digest]}")
        else:
            seen[movement.key] += 1
            if seen[movement.key] > 1:  # some banks repeat the reference of a batch
                again = f"{movement.key}-{seen[movement.key]}"
                movement = msgspec.structs.replace(movement, key=again)
        movements.append(movement)
    return tuple(movements)


def _movement(entry: Element, currency: str) -> Movement:
    status = entry.get("Sts/Cd") or entry.get("Sts")
    if status not in _STATUSES:
        raise Malformed(f"not a status: {status[:10]!r}", field=f"{entry.path}/Sts")
    sign = _sign(entry)
    domain = entry.find("BkTxCd/Domn")
    code = (
        f"{domain.get('Cd')}-{domain.get('Fmly/Cd')}-{domain.get('Fmly/SubFmlyCd')}"
        if domain is not None
        else entry.get("BkTxCd/Prtry/Cd")
    )
    return Movement(
        key=entry.get("AcctSvcrRef"),
        amount_minor=sign * _amount(entry.need("Amt"), currency),
        currency=currency,
        status=status,
        is_reversal=entry.get("RvslInd") in {"true", "1"},
        booked_on=_day(entry, "BookgDt"),
        valued_on=_day(entry, "ValDt"),
        code=code,
        payments=tuple(_payment(one, sign, currency) for one in entry.all("NtryDtls/TxDtls")),
    )


def _payment(found: Element, entry_sign: int, currency: str) -> Payment:
    sign = _sign(found) if found.find("CdtDbtInd") is not None else entry_sign
    amount = found.find("Amt")
    if amount is None:
        told = found.find("AmtDtls/TxAmt/Amt")  # in the currency of the payer, perhaps
        is_ours = told is not None and told.attributes.get("Ccy") == currency
        amount = told if is_ours else None
    other = "Dbtr" if sign > 0 else "Cdtr"
    parties = found.find("RltdPties")
    side = parties.find(other) if parties is not None else None
    where = f"RltdPties/{other}Acct/Id"
    return Payment(
        end_to_end_id=_reference(found, "EndToEndId"),
        amount_minor=sign * _amount(amount, currency) if amount is not None else 0,
        message_id=_reference(found, "MsgId"),
        payment_information_id=_reference(found, "PmtInfId"),
        name=(side.get("Pty/Nm") or side.get("Nm")) if side is not None else "",
        account=found.get(f"{where}/IBAN") or found.get(f"{where}/Othr/Id"),
        remittance="\n".join(one.text for one in found.all("RmtInf/Ustrd") if one.text),
        return_code=found.get("RtrInf/Rsn/Cd") or found.get("RtrInf/Rsn/Prtry"),
        charge_minor=sum(_amount(one.need("Amt"), currency) for one in found.all("Chrgs/Rcrd")),
    )


def _reference(found: Element, name: str) -> str:
    text = found.get(f"Refs/{name}")
    return "" if text == "NOTPROVIDED" else text


# Values -----------------------------------------------------------------------


def _sign(found: Element) -> int:
    text = found.get("CdtDbtInd")
    if text not in _SIGNS:
        raise Malformed(f"CRDT or DBIT, got {text[:10]!r}", field=f"{found.path}/CdtDbtInd")
    return _SIGNS[text]


def _signed(found: Element, currency: str) -> int:
    return _sign(found) * _amount(found.need("Amt"), currency)


def _amount(found: Element, currency: str) -> int:
    if found.attributes.get("Ccy") != currency:
        raise Malformed(
            f"the account is in {currency}, got {found.attributes.get('Ccy', '')[:10]!r}",
            field=f"{found.path}@Ccy",
        )
    amount = parse_amount(found.text, currency, found.path)
    if amount < 0:
        raise Malformed("an amount has no sign", field=found.path)
    return amount


def _day(found: Element, name: str) -> str:
    """Give the day of a date or of a time; empty where the element is absent."""
    text = found.get(f"{name}/Dt") or found.get(f"{name}/DtTm")
    if not text:
        return ""
    try:
        return (
            date.fromisoformat(text)
            if len(text) == len("YYYY-MM-DD")
            else datetime.fromisoformat(text).date()
        ).isoformat()
    except ValueError as error:
        raise Malformed(f"not a date: {text[:30]!r}", field=f"{found.path}/{name}") from error
