"""The town's bank, inside this process: it takes orders and writes statements.

What it is told stands in files as banks exchange them (pain.001, camt.053), and nowhere else: an
order is read from its bytes, a statement is bytes. Money to an account that was closed comes back
some days later.
"""

from datetime import date, timedelta
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from ledger.adapters.bank.elements import read_elements
from ledger.kernel.money import amount_text, parse_amount
from mobilegrid.demo.agreements import CURRENCY, OPENED_ON, OPENING_MINOR, OUR_IBAN

_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_CREDIT, _DEBIT, _CHARGE = "RCDT-ESCT", "ICDT-ESCT", "MDOP-CHRG"
_RETURN = "RCDT-RRTN"
_BACK_AFTER_DAYS = 4
ACCOUNT_CLOSED = "AC04"


class Movement(NamedTuple):
    """One line: its day, signed minor units, the bank's code, who, and what was written."""

    day: str
    amount_minor: int
    code: str
    other: str = ""
    text: str = ""
    end_to_end_id: str = ""
    return_code: str = ""


class Bank:
    """Keeps our account; what happened by a day is what its statement of that day tells."""

    def __init__(self, closed: frozenset[str]) -> None:
        """Begin with what the account held; `closed` are accounts elsewhere that are no more."""
        self._closed = closed
        self._lines: list[Movement] = []
        self._told = 0
        self._statements = 0
        self._held = OPENING_MINOR
        self._day = OPENED_ON

    def receive(self, day: str, amount_minor: int, other: str, text: str) -> None:
        """Take in a transfer for us."""
        self._lines.append(Movement(day, amount_minor, _CREDIT, other, text))

    def charge(self, day: str, amount_minor: int, text: str) -> None:
        """Take what the account costs."""
        self._lines.append(Movement(day, -amount_minor, _CHARGE, text=text))

    def execute(self, order: bytes) -> None:
        """Pay what an order (pain.001) says, on the day it says."""
        part = read_elements(order).need("CstmrCdtTrfInitn/PmtInf")
        day = part.get("ReqdExctnDt/Dt")
        for one in part.all("CdtTrfTxInf"):
            amount = parse_amount(one.get("Amt/InstdAmt"), CURRENCY, "InstdAmt")
            told = {
                "other": one.get("Cdtr/Nm"),
                "text": one.get("RmtInf/Ustrd"),
                "end_to_end_id": one.get("PmtId/EndToEndId"),
            }
            self._lines.append(Movement(day, -amount, _DEBIT, **told))
            if one.get("CdtrAcct/Id/IBAN") in self._closed:
                back = (date.fromisoformat(day) + timedelta(days=_BACK_AFTER_DAYS)).isoformat()
                returned = Movement(back, amount, _RETURN, **told, return_code=ACCOUNT_CLOSED)
                self._lines.append(returned)

    def statement(self, day: str) -> bytes:
        """Write the statement (camt.053) over everything since the last one, up to a day."""
        self._statements += 1
        due = sorted(
            (one for one in self._lines if self._day < one.day <= day), key=lambda one: one.day
        )
        closing = self._held + sum(one.amount_minor for one in due)
        document = Element("Document", xmlns=_NAMESPACE)
        body = SubElement(document, "BkToCstmrStmt")
        name = f"MG-2026-{self._statements:04}"
        _texts(SubElement(body, "GrpHdr"), MsgId=name, CreDtTm=f"{day}T20:00:00Z")
        statement = SubElement(body, "Stmt")
        _texts(statement, Id=name, ElctrncSeqNb=str(self._statements), CreDtTm=f"{day}T20:00:00Z")
        account = SubElement(statement, "Acct")
        _texts(SubElement(account, "Id"), IBAN=OUR_IBAN)
        _texts(account, Ccy=CURRENCY)
        _balance(statement, "OPBD", self._held, self._day)
        _balance(statement, "CLBD", closing, day)
        for one in due:
            self._told += 1
            _entry(statement, one, f"B-{self._told:06}")
        self._held, self._day = closing, day
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + bytes(tostring(document)) + b"\n"


def _balance(statement: Element, code: str, minor: int, day: str) -> None:
    balance = SubElement(statement, "Bal")
    _texts(SubElement(SubElement(balance, "Tp"), "CdOrPrtry"), Cd=code)
    _amount(balance, minor)
    _texts(SubElement(balance, "Dt"), Dt=day)


def _amount(parent: Element, minor: int) -> None:
    amount = SubElement(parent, "Amt", Ccy=CURRENCY)
    amount.text = amount_text(abs(minor), CURRENCY)
    _texts(parent, CdtDbtInd="DBIT" if minor < 0 else "CRDT")


def _entry(statement: Element, one: Movement, reference: str) -> None:
    entry = SubElement(statement, "Ntry")
    _amount(entry, one.amount_minor)
    _texts(SubElement(entry, "Sts"), Cd="BOOK")
    _texts(SubElement(entry, "BookgDt"), Dt=one.day)
    _texts(SubElement(entry, "ValDt"), Dt=one.day)
    _texts(entry, AcctSvcrRef=reference)
    family, _, sub_family = one.code.partition("-")
    domain = SubElement(SubElement(entry, "BkTxCd"), "Domn")
    _texts(domain, Cd="PMNT")
    _texts(SubElement(domain, "Fmly"), Cd=family, SubFmlyCd=sub_family)
    details = SubElement(SubElement(entry, "NtryDtls"), "TxDtls")
    _texts(SubElement(details, "Refs"), EndToEndId=one.end_to_end_id or "NOTPROVIDED")
    _amount(details, one.amount_minor)
    if one.other:
        side = "Cdtr" if one.amount_minor < 0 else "Dbtr"
        party = SubElement(SubElement(SubElement(details, "RltdPties"), side), "Pty")
        _texts(party, Nm=one.other)
    if one.text:
        _texts(SubElement(details, "RmtInf"), Ustrd=one.text)
    if one.return_code:
        reason = SubElement(SubElement(details, "RtrInf"), "Rsn")
        _texts(reason, Cd=one.return_code)


def _texts(parent: Element, **texts: str) -> None:
    for name, text in texts.items():
        SubElement(parent, name).text = text
