"""Prices: tariffs, subscription plans, and how bills are paid and dunned."""

from ledger.domain.money.invoice_policy import SetBillingPolicy
from ledger.domain.money.plans import ALLOWANCES, PLANS, SUBSCRIPTIONS, PublishPlan
from ledger.domain.money.subscriptions import (
    BeginSubscription,
    EndSubscription,
    InvoiceSubscription,
)
from ledger.domain.money.tariffs import TARIFFS, PublishTariff
from partner_api.finance.making import commands, lists, reads

ROUTES = (
    lists("/tariffs", "list_tariffs", "List tariffs, every version of each.", TARIFFS),
    reads("/tariffs/{tariff_id:str}", "read_tariff", "Give a tariff with its versions.", TARIFFS),
    commands(
        "/tariffs/{tariff_id:str}/versions",
        "publish_tariff",
        "Publish a version of a tariff.",
        PublishTariff,
    ),
    lists("/plans", "list_plans", "List subscription plans.", PLANS),
    reads("/plans/{plan_id:str}", "read_plan", "Give a plan with its versions.", PLANS),
    commands(
        "/plans/{plan_id:str}/versions", "publish_plan", "Publish a version of a plan.", PublishPlan
    ),
    lists("/subscriptions", "list_subscriptions", "List subscriptions.", SUBSCRIPTIONS),
    commands("/subscriptions", "subscribe_driver", "Subscribe a driver.", BeginSubscription),
    commands(
        "/subscriptions/{driver_id:str}/end",
        "unsubscribe_driver",
        "End a subscription with a month.",
        EndSubscription,
    ),
    commands(
        "/subscriptions/{driver_id:str}/invoices",
        "invoice_subscription",
        "Invoice a month of a subscription.",
        InvoiceSubscription,
    ),
    lists("/allowances", "list_allowances", "List what subscriptions have left.", ALLOWANCES),
    commands(
        "/billing-policies",
        "set_billing_policy",
        "Set limits of credit notes and the steps of dunning.",
        SetBillingPolicy,
    ),
)
