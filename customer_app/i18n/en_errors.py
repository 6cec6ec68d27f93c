"""English: what each code of the driver door means for pack and money.

`refused.<code>` may have gaps for the facts of the refusal; where a fact is missing the text of
`refused.<code>.plain` is said instead.
"""

TEXTS = {
    # J2
    "refused.no_pack_ready": (
        "The last pack was just taken. {name_1}, {distance_1} away, has {ready_1} ready."
    ),
    "refused.no_pack_ready.plain": "No pack of this class will be ready then. Nothing was charged.",
    "refused.no_pack_available": "No pack of this class will be ready then. Nothing was charged.",
    "refused.not_booked": "We could not book. No money was taken.",
    "refused.quote_expired": "The price is no longer locked. See the new price first.",
    "refused.booking_limit_reached": "You already hold a pack at {station}.",
    "refused.booking_limit_reached.plain": "You already hold a pack at another station.",
    "refused.pack_owed": "We owe you a pack since {since}. Collect it first; it is free.",
    "refused.pack_owed.plain": "We owe you a pack. Collect it first; it is free.",
    "refused.pack_surplus": "You have one pack more than your contract. Return it first.",
    "refused.entitlement_exceeded": "You have one pack more than your contract. Return it first.",
    "refused.station_closed": "The station is closed then. Opens {opens}.",
    "refused.station_closed.plain": "The station is closed then. Nothing was booked.",
    "refused.station_not_in_service": "This station takes no drivers now. Nothing was booked.",
    "refused.payment_method_missing": (
        "Add a way to pay first. Nothing is charged until you swap."
    ),
    "refused.card_missing": "Add a way to pay first. Nothing is charged until you swap.",
    "refused.authorisation_declined": (
        "Your bank declined the hold of {amount}. Nothing was taken."
    ),
    "refused.authorisation_declined.plain": "Your bank declined the hold. Nothing was taken.",
    "refused.invoice_overdue": (
        "Invoice {number}, {amount}, is unpaid since {since}. Pay it to book again."
    ),
    "refused.invoice_overdue.plain": "An invoice is overdue. Pay it to book again.",
    "refused.driver_blocked": "Booking is paused on your contract. We can explain.",
    "refused.class_mismatch": "Your contract or vehicle does not include this pack class.",
    "refused.window_invalid": "The station cannot take a booking for that time.",
    "refused.booking_window_invalid": "The station cannot take a booking for that time.",
    "refused.booking_window_passed": "The time of this booking has passed. Please book again.",
    "refused.vehicle_missing": "Tell us your vehicle first, so that the pack fits.",
    # J3
    "refused.extension_refused": "The hold cannot be extended further.",
    "refused.booking_ended": "This booking has ended. You can book again at any time.",
    "refused.booking_stage": "The booking has moved on; this is how it stands now.",
    "refused.booking_unknown": "There is no such booking of yours.",
    # J4
    "refused.ticket_used": "This code was already used at {used}.",
    "refused.ticket_used.plain": "This code was already used. If that was not you, tell us.",
    "refused.ticket_invalid": "The station could not read this code. Show a new one.",
    "refused.ticket_expired": "This code has run out. Show a new one.",
    "refused.wrong_station": "Your booking is at {station}.",
    "refused.wrong_station.plain": "Your booking is at another station.",
    "refused.slot_unknown": "We do not know this slot. Show your code at the station instead.",
    "refused.lane_busy": "The lane is in use. You are next in about {wait_min} min.",
    "refused.lane_busy.plain": "The lane is in use. You are next.",
    "refused.station_offline": "This station is not reporting, so a swap cannot start.",
    "refused.station_unknown": "We do not know this station.",
    # J5
    "refused.swap_exists": "A swap of yours is going on already.",
    "refused.swap_stage": "The swap has moved on; this is how it stands now.",
    "refused.swap_unknown": "There is no such swap of yours.",
    "refused.swap_kind_invalid": "This swap does not have that step.",
    "refused.swap_balance": "The packs in and out do not match yet. We sort it out with you.",
    # J6, wallet
    "refused.payment_action_needed": "Your bank wants you to confirm this. Nothing was taken.",
    "refused.code_not_usable": "This code cannot be used. Nothing was changed.",
    "refused.last_method": "This way to pay stays while an invoice is open.",
    "refused.method_last": "This way to pay stays while an invoice is open.",
    "refused.invoice_not_payable": "This invoice has nothing left to pay.",
    "refused.invoice_state": "This invoice has nothing left to pay.",
    "refused.invoice_unknown": "There is no such invoice of yours.",
    "refused.wallet_too_low": (
        "The wallet has {available} of the {amount} that is set aside for this booking: {missing} "
        "is missing. Nothing was taken."
    ),
    "refused.wallet_too_low.plain": "The wallet has too little. Nothing was taken.",
    "refused.amount_limit": "That amount cannot be taken. Nothing was charged.",
    "refused.subscription_state": "Your plan does not allow this now. Nothing was changed.",
    "refused.price_plan_unknown": "This plan is no longer offered.",
    "refused.subscription_unknown": "You have no plan.",
    "refused.currency_mismatch": "That is another currency than that of your contract.",
    # J7
    "refused.receipt_unknown": "No such receipt in your account.",
    "refused.dispute_exists": "We are looking at this line already. You need not pay it now.",
    "refused.dispute_state": "This dispute has moved on; see its case.",
    "refused.swap_not_billable": "Nothing is to be paid for this swap.",
    # J9
    "refused.file_type": "File must be a picture or PDF up to 10 MiB.",
    "refused.file_too_large": "File must be a picture or PDF up to 10 MiB.",
    "refused.case_closed": "This case is closed. Please write a new message.",
    "refused.case_ended": "This case is closed. Please write a new message.",
    "refused.case_unknown": "There is no such message of yours.",
    # J0, J10
    "refused.step_up_needed": "Please confirm with your passkey. Nothing was changed.",
    "refused.step_up_needed.title": "Is it you?",
    "refused.last_passkey": "Your last passkey stays, or you could not sign in any more.",
    "refused.passkey_last": "Your last passkey stays, or you could not sign in any more.",
    "refused.pack_held": "Return your pack first.",
    "refused.subject_holds_pack": "Return your pack first.",
    "refused.open_case": "Finish the open case first.",
    "refused.case_open": "Finish the open case first.",
    "refused.open_balance": "Settle {amount} first.",
    "refused.open_balance.plain": "Settle what is open first.",
    "refused.subject_erased": "Your erasure is ordered already.",
    "refused.erasure_not_ordered": "No erasure is ordered. Nothing is erased.",
    "refused.export_pending": "An archive is being made already.",
    # every door
    "refused.malformed": "Something in your entry cannot be taken. Nothing was changed.",
    "refused.not_authenticated": "You have been signed out. Your booking is safe.",
    "refused.not_allowed": "There is nothing here for you.",
    "refused.not_found": "This does not exist, or it is not yours.",
    "refused.not_signed_yet": "Recorded; the signed proof follows within a minute.",
    "refused.conflict": "Something changed in between. Nothing was charged; please try again.",
    "refused.refused": "That is not possible now. Nothing was charged.",
    "refused.body_too_large": "That is too much at once. Nothing was sent.",
    "refused.command_in_flight": "This is being done already; one moment.",
    "refused.idempotency_key_reused": "This was sent before with other content. Please try again.",
    "refused.stale": "This was changed elsewhere. Here is the present state.",
    "refused.precondition_failed": "This was changed elsewhere. Here is the present state.",
    "refused.rate_limited": "Too many requests. Try again in {s} s.",
    "refused.integrity_check_failed": (
        "A check of our records failed. A person looks at it; nothing was charged."
    ),
    "refused.internal_error": "Something is wrong on our side. No money was taken.",
    "refused.unavailable": "The service is busy. Nothing was changed; please try again.",
    "refused.view_behind": "Your change is not shown everywhere yet; one moment.",
    "refused.connection_lost": "The connection broke off. We check whether it went through.",
    "refused.quote_differs": "The price was for something else. See the new price first.",
    "refused.price_missing": "There is no price there for that time. Nothing was booked.",
    "refused.check_in_invalid": "The station could not read this code. Show a new one.",
    "refused.code_wrong": "That code is not right.",
    "refused.code_used_up": "This code no longer works. Ask for a new one.",
    "refused.sign_in_ended": "This sign-in has run out. Please start again.",
    "refused.csrf_missing": "Please reload the app. Nothing was changed.",
    "refused.passkey_refused": "We could not confirm it is you. Nothing was changed.",
    "refused.too_many": "There are as many as there may be. Nothing was changed.",
    "refused.precondition_missing": "This was changed elsewhere. Here is the present state.",
    "refused.media_type": "File must be a picture or PDF up to 10 MiB.",
    "refused.booking_of_another_driver": "This does not exist, or it is not yours.",
}
