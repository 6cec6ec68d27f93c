"""What a driver can do next about each error: one action for every code and every kind.

The words of an action are `action.<name>`. A screen says which of them it can carry out itself;
the others lead somewhere by `ROUTES`.
"""

from customer_app.api.errors import ApiError, Kind

ACTIONS = {
    # J2
    "no_pack_ready": "next_best",
    "no_pack_available": "next_best",
    "quote_expired": "quote",
    "quote_differs": "quote",
    "price_missing": "other_time",
    "check_in_invalid": "code",
    "sign_in_ended": "sign_in",
    "csrf_missing": "reload",
    "passkey_refused": "confirm",
    "booking_limit_reached": "open_booking",
    "pack_owed": "where",
    "pack_surplus": "where",
    "entitlement_exceeded": "where",
    "station_closed": "other_time",
    "station_not_in_service": "next_best",
    "payment_method_missing": "add_method",
    "card_missing": "add_method",
    "authorisation_declined": "other_method",
    "invoice_overdue": "pay",
    "driver_blocked": "call",
    "class_mismatch": "classes",
    "window_invalid": "other_time",
    "booking_window_invalid": "other_time",
    "booking_window_passed": "other_time",
    "vehicle_missing": "vehicles",
    # J3 to J5
    "extension_refused": "refresh",
    "booking_ended": "home",
    "booking_stage": "refresh",
    "booking_unknown": "home",
    "ticket_used": "not_me",
    "ticket_invalid": "code",
    "ticket_expired": "code",
    "wrong_station": "open_booking",
    "slot_unknown": "help",
    "lane_busy": "retry",
    "station_offline": "call",
    "station_unknown": "home",
    "swap_exists": "refresh",
    "swap_stage": "refresh",
    "swap_unknown": "home",
    "swap_kind_invalid": "help",
    "swap_balance": "help",
    # money
    "payment_action_needed": "pay",
    "code_not_usable": "help",
    "last_method": "wallet",
    "method_last": "wallet",
    "wallet_too_low": "other_method",
    "invoice_not_payable": "receipts",
    "invoice_state": "receipts",
    "invoice_unknown": "receipts",
    "swap_not_billable": "receipts",
    "receipt_unknown": "receipts",
    "dispute_exists": "cases",
    "dispute_state": "cases",
    "case_closed": "help",
    "case_ended": "help",
    "case_unknown": "help",
    # who and what is theirs
    "step_up_needed": "confirm",
    "pack_held": "where",
    "subject_holds_pack": "where",
    "open_case": "cases",
    "case_open": "cases",
    "open_balance": "pay",
    "internal_error": "retry",
}
SECOND = {"station_offline": "next_best"}  # what else can be done
OF_KINDS = {
    Kind.OFFLINE: "retry",
    Kind.TIMEOUT: "retry",
    Kind.UNAUTHORISED: "sign_in",
    Kind.PAYMENT: "wallet",
    Kind.FORBIDDEN: "home",
    Kind.NOT_FOUND: "home",
    Kind.CONFLICT: "retry",
    Kind.INVALID: "help",
    Kind.TOO_MANY: "retry",
    Kind.SERVER: "retry",
    Kind.MALFORMED: "reload",
    Kind.RENDER: "retry",
}
ROUTES = {
    "home": "/",
    "next_best": "/",
    "where": "/",
    "other_time": "/",
    "classes": "/settings",
    "vehicles": "/settings",
    "pay": "/receipts",
    "wallet": "/wallet",
    "add_method": "/wallet",
    "other_method": "/wallet",
    "receipts": "/receipts",
    "cases": "/help",
    "help": "/help",
    "not_me": "/help",
}


def action_of(error: ApiError) -> str:
    """Name what a driver can do about an error.

    >>> action_of(ApiError(Kind.CONFLICT, 409, "quote_expired"))
    'quote'
    """
    return ACTIONS.get(error.code) or OF_KINDS[error.kind]


def route_of(error: ApiError) -> str:
    """Name where the action of an error leads, as far as the error itself says; else nothing.

    >>> route_of(ApiError(Kind.PAYMENT, 402, "invoice_overdue", {"invoice_id": "inv_7"}))
    '/invoices/inv_7'
    """
    action = action_of(error)
    for fact, place in (("invoice_id", "/invoices/"), ("case_id", "/help/")):
        if action in {"pay", "cases"} and error.facts.get(fact):
            return f"{place}{error.facts[fact]}"
    if action in {"open_booking", "pay"} and error.facts.get("booking_id"):
        return f"/booking/{error.facts['booking_id']}"
    return ROUTES.get(action, "")
