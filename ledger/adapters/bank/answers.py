"""A bank's answer to our transfers: pain.002, by group, instruction and payment.

A positive status never confirms a payout: only a booked line of a statement does. A refusal of a
group or an instruction holds for every payment inside it that has no status of its own.
"""

import re

import msgspec

from ledger.adapters.bank.elements import Element, read_elements
from ledger.kernel.errors import Malformed

_NAMESPACE = re.compile(r"^urn:iso:std:iso:20022:tech:xsd:pain\.002\.001\.([0-9]{2})$")
_VERSIONS = range(3, 16)

STATUSES = frozenset({"ACTC", "ACCP", "ACSP", "ACSC", "ACWC", "PDNG", "PART", "RCVD", "RJCT"})
"""Statuses of ISO 20022 that we know; another one is refused and kept for a person."""


class PaymentAnswer(msgspec.Struct, frozen=True):
    """One payment's status, with the reason's code and the bank's words, empty where absent."""

    end_to_end_id: str
    status: str
    reason: str = ""
    words: str = ""


class TransferAnswer(msgspec.Struct, frozen=True):
    """An answer to one file: our message id, the group's status (empty where absent), payments.

    `instructions` are the statuses of whole instructions by their id.
    """

    message_id: str
    original_message_id: str
    group_status: str
    group_reason: str
    instructions: tuple[tuple[str, str], ...]
    payments: tuple[PaymentAnswer, ...]


def read_answer(content: bytes) -> TransferAnswer:
    """Read a pain.002; `Malformed` names the element and the rule."""
    root = read_elements(content)
    matched = _NAMESPACE.match(root.namespace)
    if root.name != "Document" or matched is None or int(matched[1]) not in _VERSIONS:
        raise Malformed(
            f"PAIN_VERSION: pain.002 of versions 03 to 15, got {root.namespace[-60:]!r}",
            field=root.name,
        )
    body = root.need("CstmrPmtStsRpt")
    group = body.need("OrgnlGrpInfAndSts")
    instructions, payments = [], []
    for part in body.all("OrgnlPmtInfAndSts"):
        status = _status(part, "PmtInfSts")
        if status:
            instructions.append((part.need("OrgnlPmtInfId").text, status))
        payments += [_payment(one, status) for one in part.all("TxInfAndSts")]
    return TransferAnswer(
        message_id=body.get("GrpHdr/MsgId"),
        original_message_id=group.need("OrgnlMsgId").text,
        group_status=_status(group, "GrpSts"),
        group_reason=_reason(group),
        instructions=tuple(instructions),
        payments=tuple(payments),
    )


def _payment(found: Element, inherited: str) -> PaymentAnswer:
    return PaymentAnswer(
        end_to_end_id=found.need("OrgnlEndToEndId").text,
        status=_status(found, "TxSts") or inherited,
        reason=_reason(found),
        words=" ".join(one.text for one in found.all("StsRsnInf/AddtlInf")),
    )


def _status(found: Element, name: str) -> str:
    text = found.get(name)
    if text and text not in STATUSES:
        raise Malformed(f"not a status that we know: {text[:10]!r}", field=f"{found.path}/{name}")
    return text


def _reason(found: Element) -> str:
    return found.get("StsRsnInf/Rsn/Cd") or found.get("StsRsnInf/Rsn/Prtry")
