"""Payments: cards, money kept ready, refunds, disputes with card issuers, the provider's news."""

from ledger.domain.money.invoices import PAYMENTS, RecordPayment
from ledger.domain.money.payments import (
    CaptureReserved,
    PlanCharge,
    ReleaseReserved,
    ReserveCard,
)
from ledger.domain.money.payments_disputes import DISPUTES
from ledger.domain.money.payments_inbox import PROVIDER_NEWS, EndNews
from ledger.domain.money.payments_refunds import REFUNDS, PlanRefund
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_CALLS
from ledger.domain.money.pending import PostPending, VoidPending
from ledger.domain.money.pending_rows import PENDINGS, WALLETS
from partner_api.finance.making import commands, lists, reads

ROUTES = (
    lists("/payments", "list_payments", "List payments by card.", CARD_PAYMENTS),
    reads("/payments/{payment_id:str}", "read_payment", "Give a payment.", CARD_PAYMENTS),
    commands("/payments", "plan_charge", "Charge a saved card for an invoice.", PlanCharge),
    commands("/payments/reserve", "reserve_card", "Reserve money on a saved card.", ReserveCard),
    lists("/payments-by-hand", "list_payments_by_hand", "List payments noted by hand.", PAYMENTS),
    commands(
        "/payments-by-hand",
        "record_payment",
        "Note a payment that came by no other way.",
        RecordPayment,
        by_two=True,
    ),
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
    lists("/pending", "list_pending", "List reserved money.", PENDINGS),
    reads("/pending/{pending_id:str}", "read_pending", "Give reserved money.", PENDINGS),
    commands(
        "/pending/{pending_id:str}/void", "void_pending", "Let go of reserved money.", VoidPending
    ),
    commands("/pending/{pending_id:str}/post", "post_pending", "Take reserved money.", PostPending),
    lists("/wallets", "list_wallets", "List wallets.", WALLETS),
    lists("/provider-news", "list_provider_news", "List messages of the provider.", PROVIDER_NEWS),
    commands(
        "/provider-news/{news_ref:str}/end",
        "end_news",
        "Say what became of a message that could not be followed.",
        EndNews,
        by_two=True,
    ),
)
