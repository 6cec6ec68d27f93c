"""Orders of payouts have bytes of their own, and what a bank answers never confirms one."""

from hashlib import sha256

import msgspec
import pytest

from ledger.adapters.bank.orders import answered, approving, order_bytes, releasing, remittance
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.payout_batches import WithdrawPayouts
from ledger.domain.money.payout_plans import CancelPayout, InstructPayout
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.kernel.errors import Malformed, NotFound, TamperEvidence
from tests.support.ledgers import SYSTEM
from tests.support.settled_ledger import (
    MAY_2026,
    PAY_AT,
    settled_desk,
)
from tests.support.settling import (
    HOLDER,
    STM,
    approve,
    batch,
    issue,
    ordered,
    released,
    row_of,
)


@pytest.fixture
def desk(tmp_path):
    made = settled_desk(tmp_path)
    yield made
    made.ledger.close()


def test_many_statements_are_named_as_far_as_the_bank_has_room():
    names = tuple(f"STM-OP-1-2026-{month:02}" for month in range(1, 13))
    assert remittance(names[:2]) == "STM-OP-1-2026-01 STM-OP-1-2026-02"
    text = remittance(names)
    assert len(text) <= 140
    assert text.endswith(" and 5 more")
    assert remittance(("S" * 150, "T")) == "2 statements"


# Orders -----------------------------------------------------------------------


def test_an_order_has_the_same_bytes_at_every_run_and_names_payout_and_statement(desk):
    issue(desk)
    approve(desk)
    content = ordered(desk)
    with desk.ledger.reading() as reads:
        stored = row_of(desk, PAYOUTS, "PO-1")
        again = order_bytes(reads, batch(), HOLDER)
    assert again == content
    for text in (b"MGB-PB-1", b"MGE-PO-1-1", STM.encode(), b">9.00<", b"2026-06-06T00:00:00Z"):
        assert text in content
    assert stored.state == "APPROVED"


def test_a_file_altered_after_its_approval_is_evidence_and_not_released(desk):
    issue(desk)
    approve(desk)
    content = ordered(desk)
    with desk.ledger.reading() as reads:
        with pytest.raises(TamperEvidence, match="changed after its approval"):
            releasing(reads, "PB-1", content.replace(b"9.00", b"9.01"), HOLDER)
        with pytest.raises(TamperEvidence, match="another order"):
            releasing(reads, "PB-1", content, "Somebody Else")
        with pytest.raises(NotFound, match="no batch"):
            releasing(reads, "PB-9", content, HOLDER)


def test_a_processor_gets_the_same_facts_as_json(desk):
    issue(desk)
    approve(desk)
    account = PayeeAccount("Example Swaps GmbH", stripe_account="acct_1")
    payee = ApprovePayee(payee_id="PE-2", partner_id="OP-1", paid_to=account)
    desk.do(payee, at=MAY_2026)
    content = ordered(desk, route="stripe", payee="PE-2")
    assert msgspec.json.decode(content)["transfers"][0]["other_account"] == "acct_1"


def test_payouts_of_two_routes_make_no_order(desk):
    issue(desk)
    approve(desk)
    ordered(desk)
    row = row_of(desk, PAYOUTS, "PO-1")
    desk.do(WithdrawPayouts(batch_id="PB-1"), at=PAY_AT)
    desk.do(CancelPayout(payout_id="PO-1"), at=PAY_AT)
    plan = InstructPayout(
        payout_id="PO-2",
        partner_id="OP-1",
        statements=(STM,),
        currency="EUR",
        payee_id="PE-1",
        route="manual",
    )
    desk.do(plan, at=PAY_AT)
    both = batch(payouts=(row.payout_id, "PO-2"))
    with desk.ledger.reading() as reads, pytest.raises(Malformed, match="one route"):
        approving(reads, both, HOLDER)


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (batch(payouts=()), Malformed),
        (batch(payouts=("PO-9",)), NotFound),
        (msgspec.structs.replace(batch(), bank_account="BA-9"), NotFound),
    ],
    ids=["no payout", "unknown payout", "unknown account"],
)
def test_an_order_that_cannot_be_made_names_what_is_missing(desk, made, error):
    with desk.ledger.reading() as reads, pytest.raises(error):
        approving(reads, made, HOLDER)


# Answers ----------------------------------------------------------------------


def answer(desk, content):
    with desk.ledger.reading() as reads:
        found = answered(reads, content)
    for command in found.commands:
        desk.do(command, SYSTEM, at=PAY_AT)
    return found


def told(status="", reason="", group="", reference="MGE-PO-1-1", order="MGB-PB-1"):
    payment = (
        f"<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf></TxInfAndSts>"
    )
    part = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>{payment}</OrgnlPmtInfAndSts>"
    whole = f"<GrpSts>{group}</GrpSts>" if group else ""
    body = (
        f"<CstmrPmtStsRpt><GrpHdr><MsgId>A-1</MsgId></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>{order}</OrgnlMsgId>{whole}</OrgnlGrpInfAndSts>"
        f"{part if status else ''}</CstmrPmtStsRpt>"
    )
    space = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
    return f'<Document xmlns="{space}">{body}</Document>'.encode()


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (told("RJCT", "AC04"), "REJECTED"),
        (told("ACSP"), "ACCEPTED"),
        (told("ACSC"), "ACCEPTED"),
        (told("PDNG"), "RELEASED"),
        (told(group="RJCT"), "REJECTED"),
        (told(group="ACCP"), "ACCEPTED"),
        (told(group="PART"), "RELEASED"),
    ],
    ids=["refused", "taken", "settled there", "pending", "all refused", "all taken", "in part"],
)
def test_an_answer_of_the_bank_never_confirms_a_payout(desk, content, state):
    issue(desk)
    approve(desk)
    released(desk)
    answer(desk, content)
    assert row_of(desk, PAYOUTS, "PO-1").state == state


def test_an_answer_to_an_order_that_is_not_ours_is_a_case(desk):
    found = answer(desk, told("RJCT", order="MGB-PB-9"))
    assert found.commands[0].case_type == "PAYOUT_ORDER_UNKNOWN"


def test_a_refusal_of_an_attempt_that_ended_is_no_surprise_and_a_stranger_is_named(desk):
    issue(desk)
    approve(desk)
    released(desk)
    found = answer(desk, told("RJCT", reference="MGE-PO-7-1"))
    assert (found.commands, found.unread) == ((), ("MGE-PO-7-1",))
    old = answer(desk, told("RJCT", reference="MGE-PO-1-0"))
    assert (old.commands, old.unread) == ((), ())


def test_the_digest_of_a_batch_is_that_of_its_file(desk):
    issue(desk)
    approve(desk)
    content = ordered(desk)
    with desk.ledger.reading() as reads:
        command = releasing(reads, "PB-1", content, HOLDER)
    assert command.file_sha256 == sha256(content).hexdigest()
