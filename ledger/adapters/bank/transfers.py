"""Credit transfers to a bank: pain.001.001.09, the same bytes at every run.

The bytes are a function of the batch alone (its ids, the time it was approved, its payouts), so the
bank's own check for duplicates works for us and a person can sign the file's digest. Counts and
sums in the file are recomputed here from the payouts. Texts outside the characters that every bank
of the scheme takes are refused, never replaced: a holder's name is checked by the bank.

Names of the elements: ISO 20022 pain.001.001.09. For euro inside SEPA the service level is SEPA and
charges are shared by scheme (``SLEV``); other currencies go without a service level, charges
``SHAR``.
"""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.iban import check_bic, check_iban
from ledger.kernel.instants import as_datetime
from ledger.kernel.money import amount_text

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
PAYOUTS_MAX = 10_000
"""Payouts of one file."""

_TEXT = re.compile(r"^[A-Za-z0-9/\-?:().,'+ ]+$")
_REFERENCE_MAX = 35
_NAME_MAX = 70
_REMITTANCE_MAX = 140
_AMOUNT_MAX = 99_999_999_999


class OwnAccount(msgspec.Struct, frozen=True):
    """The account that pays: its holder, IBAN and bank."""

    holder: str
    iban: str
    bic: str = ""


class Transfer(msgspec.Struct, frozen=True):
    """One payout: who gets how much, and the words on his statement.

    `payout_id` and `attempt` make the reference that comes back on the bank's statement; a new
    attempt is a new reference. The payee has an `iban`, or another account id with the clearing
    member id of his bank.
    """

    payout_id: str
    attempt: int
    amount_minor: int
    holder: str
    remittance: str
    iban: str = ""
    bic: str = ""
    other_account: str = ""
    clearing_member: str = ""

    @property
    def end_to_end_id(self) -> str:
        """The reference that every bank on the way passes on."""
        return f"MGE-{self.payout_id}-{self.attempt}"


class TransferBatch(msgspec.Struct, frozen=True):
    """What one file orders: its id, when it was approved (us), the day to pay, one currency."""

    batch_id: str
    approved_at: int
    pay_on: str
    currency: str
    payer: OwnAccount
    transfers: tuple[Transfer, ...]


def write_transfers(batch: TransferBatch) -> bytes:
    """Write the file; `Malformed` names the payout and the rule for what no bank would take."""
    _check(batch)
    root = Element("Document", xmlns=NAMESPACE)
    order = SubElement(root, "CstmrCdtTrfInitn")
    total = amount_text(sum(one.amount_minor for one in batch.transfers), batch.currency)
    count = str(len(batch.transfers))
    header = SubElement(order, "GrpHdr")
    _texts(
        header,
        MsgId=f"MGB-{batch.batch_id}",
        CreDtTm=as_datetime(batch.approved_at).strftime("%Y-%m-%dT%H:%M:%SZ"),
        NbOfTxs=count,
        CtrlSum=total,
    )
    _texts(SubElement(header, "InitgPty"), Nm=batch.payer.holder)
    _instruction(order, batch, count, total)
    indent(root, space="  ")
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        + bytes(tostring(root, encoding="utf-8"))
        + b"\n"
    )


def _instruction(order: Element, batch: TransferBatch, count: str, total: str) -> None:
    is_sepa = batch.currency == "EUR" and all(one.iban for one in batch.transfers)
    part = SubElement(order, "PmtInf")
    _texts(part, PmtInfId=f"MGP-{batch.batch_id}-1", PmtMtd="TRF", NbOfTxs=count, CtrlSum=total)
    if is_sepa:
        _texts(SubElement(SubElement(part, "PmtTpInf"), "SvcLvl"), Cd="SEPA")
    _texts(SubElement(part, "ReqdExctnDt"), Dt=batch.pay_on)
    _texts(SubElement(part, "Dbtr"), Nm=batch.payer.holder)
    account = SubElement(part, "DbtrAcct")
    _texts(SubElement(account, "Id"), IBAN=batch.payer.iban)
    _texts(account, Ccy=batch.currency)
    institution = SubElement(SubElement(part, "DbtrAgt"), "FinInstnId")
    if batch.payer.bic:
        _texts(institution, BICFI=batch.payer.bic)
    else:
        _texts(SubElement(institution, "Othr"), Id="NOTPROVIDED")
    _texts(part, ChrgBr="SLEV" if is_sepa else "SHAR")
    for transfer in batch.transfers:
        _transfer(part, transfer, batch.currency)


def _transfer(part: Element, transfer: Transfer, currency: str) -> None:
    line = SubElement(part, "CdtTrfTxInf")
    _texts(SubElement(line, "PmtId"), EndToEndId=transfer.end_to_end_id)
    amount = SubElement(SubElement(line, "Amt"), "InstdAmt", Ccy=currency)
    amount.text = amount_text(transfer.amount_minor, currency)
    if transfer.bic or transfer.clearing_member:
        institution = SubElement(SubElement(line, "CdtrAgt"), "FinInstnId")
        if transfer.bic:
            _texts(institution, BICFI=transfer.bic)
        else:
            _texts(SubElement(institution, "ClrSysMmbId"), MmbId=transfer.clearing_member)
    _texts(SubElement(line, "Cdtr"), Nm=transfer.holder)
    account = SubElement(SubElement(line, "CdtrAcct"), "Id")
    if transfer.iban:
        _texts(account, IBAN=transfer.iban)
    else:
        _texts(SubElement(account, "Othr"), Id=transfer.other_account)
    _texts(SubElement(line, "RmtInf"), Ustrd=transfer.remittance)


def _texts(parent: Element, **texts: str) -> None:
    for name, text in texts.items():
        SubElement(parent, name).text = text


# What no bank takes -----------------------------------------------------------


def _check(batch: TransferBatch) -> None:
    if not 0 < len(batch.transfers) <= PAYOUTS_MAX:
        raise Malformed(f"a file has 1 to {PAYOUTS_MAX} payouts", field="transfers")
    _check_text(batch.payer.holder, _NAME_MAX, "payer.holder")
    _check_text(f"MGP-{batch.batch_id}-1", _REFERENCE_MAX, "batch_id")
    check_iban(batch.payer.iban, "payer.iban")
    if batch.payer.bic:
        check_bic(batch.payer.bic, "payer.bic")
    _check_once([one.end_to_end_id for one in batch.transfers])
    for transfer in batch.transfers:
        _check_transfer(transfer, f"payout {transfer.payout_id}")


def _check_transfer(transfer: Transfer, place: str) -> None:
    if not 0 < transfer.amount_minor <= _AMOUNT_MAX:
        raise Malformed(f"an amount is 1 to {_AMOUNT_MAX} minor units", field=f"{place} amount")
    _check_text(transfer.holder, _NAME_MAX, f"{place} holder")
    _check_text(transfer.remittance, _REMITTANCE_MAX, f"{place} remittance")
    _check_text(transfer.end_to_end_id, _REFERENCE_MAX, f"{place} reference")
    if bool(transfer.iban) == bool(transfer.other_account):
        raise Malformed("either an IBAN or another account", field=f"{place} account")
    if transfer.iban:
        check_iban(transfer.iban, f"{place} iban")
    else:
        _check_text(transfer.other_account, _REFERENCE_MAX - 1, f"{place} other_account")
        _check_text(transfer.clearing_member, _REFERENCE_MAX, f"{place} clearing_member")
    if transfer.bic:
        check_bic(transfer.bic, f"{place} bic")


def _check_once(references: Sequence[str]) -> None:
    seen: set[str] = set()
    for reference in references:
        if reference in seen:
            raise Malformed(f"{reference} stands twice", field="transfers")
        seen.add(reference)


def _check_text(text: str, longest: int, field: str) -> None:
    """Refuse texts that banks of the scheme would refuse or change."""
    if not 0 < len(text) <= longest:
        raise Malformed(f"1 to {longest} characters, got {len(text)}", field=field)
    if not _TEXT.match(text) or text.startswith("/") or text.endswith("/") or "//" in text:
        raise Malformed(
            "only letters A to Z, digits and / - ? : ( ) . , ' + and blanks, "
            "no slash at an end and no two together",
            field=field,
        )
