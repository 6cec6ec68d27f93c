"""Words of the drivers' door for what the rules call otherwise: status and title of each code."""

CODES: dict[str, tuple[int, str]] = {
    "no_pack_ready": (409, "No pack is ready there"),
    "quote_expired": (409, "The price is kept no longer; ask again"),
    "pack_owed": (409, "A pack is owed to you; collect it first"),
    "pack_surplus": (409, "You have a pack more than your contract; bring it back first"),
    "station_closed": (409, "The station does not serve then"),
    "station_offline": (409, "The station does not report"),
    "slot_unknown": (409, "There is no such slot at that station"),
    "lane_busy": (409, "The lane is in use"),
    "ticket_used": (409, "That check-in code was used"),
    "wrong_station": (409, "That is for another station"),
    "payment_method_missing": (402, "There is no such way to pay, or too little in it"),
    "authorisation_declined": (402, "The money could not be reserved"),
    "invoice_overdue": (402, "An invoice is overdue"),
    "driver_blocked": (403, "Booking is paused"),
    "class_mismatch": (422, "That class of packs is not of the contract or the vehicle"),
    "window_invalid": (422, "The station takes no booking for that time"),
    "quote_differs": (422, "The quote is for something else"),
    "price_missing": (422, "There is no price there for that time"),
    "check_in_invalid": (422, "That is no check-in code of ours, or its time is over"),
}
"""By code; `partner_api.problems` joins them to its own."""
