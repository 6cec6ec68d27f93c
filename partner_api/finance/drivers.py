"""Drivers: invoices, credit notes, payments, refunds, disputes with the card issuer."""

from ledger.domain.money.credit_notes import CREDIT_NOTES, IssueCreditNote
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments import (
    CaptureReserved,
    PlanCharge,
    ReleaseReserved,
    ReserveCard,
)
from ledger.domain.money.payments_disputes import DISPUTES, SubmitEvidence
from ledger.domain.money.payments_refunds import REFUNDS, PlanRefund
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_CALLS
from ledger.domain.money.pending_rows import PENDINGS, WALLETS
from partner_api.finance.making import commands, lists, reads

ROUTES = (
    lists("/invoices", "list_invoices", "List invoices; `status` names a driver.", INVOICES),
    reads("/invoices/{invoice_no:str}", "read_invoice", "Give an invoice.", INVOICES),
    commands(
        "/invoices/{invoice_no:str}/credit-notes",
        "issue_credit_note",
        "Credit lines of an invoice.",
        IssueCreditNote,
        by_two=True,
    ),
    lists("/credit-notes", "list_credit_notes", "List credit notes.", CREDIT_NOTES),
    reads("/credit-notes/{credit_note_no:str}", "read_credit_note", "Give a note.", CREDIT_NOTES),
    lists("/payments", "list_payments", "List payments by card.", CARD_PAYMENTS),
    reads("/payments/{payment_id:str}", "read_payment", "Give a payment.", CARD_PAYMENTS),
    commands("/payments", "plan_charge", "Charge a saved card for an invoice.", PlanCharge),
    commands("/payments/reserve", "reserve_card", "Reserve money on a saved card.", ReserveCard),
    commands(
        "/payments/{payment_id:str}/capture",
        "capture_reserved",
        "Take what was reserved, or less.",
        CaptureReserved,
    ),
    commands(
        "/payments/{payment_id:str}/release",
        "release_reserved",
        "Let go of what was reserved.",
        ReleaseReserved,
    ),
    commands(
        "/payments/{payment_id:str}/refunds",
        "plan_refund",
        "Pay back what a credit note gives.",
        PlanRefund,
        by_two=True,
    ),
    lists("/refunds", "list_refunds", "List refunds.", REFUNDS),
    lists("/payment-calls", "list_payment_calls", "List calls of the processor.", PAYMENT_CALLS),
    lists("/chargebacks", "list_chargebacks", "List disputes with card issuers.", DISPUTES),
    reads("/chargebacks/{dispute_ref:str}", "read_chargeback", "Give a dispute.", DISPUTES),
    commands(
        "/chargebacks/{dispute_ref:str}/evidence",
        "submit_evidence",
        "Answer a dispute with what the ledger knows.",
        SubmitEvidence,
    ),
    lists("/pending", "list_pending", "List reserved money.", PENDINGS),
    lists("/wallets", "list_wallets", "List wallets.", WALLETS),
)
