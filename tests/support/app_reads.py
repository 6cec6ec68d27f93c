"""What the app's client reads of a driver without naming a thing."""

READS = (
    "profile",
    "vehicles",
    "devices",
    "passkeys",
    "consents",
    "exports",
    "erasure",
    "bookings",
    "swaps",
    "my_packs",
    "wallet",
    "wallet_entries",
    "methods",
    "plans",
    "subscription",
    "receipts",
    "invoices",
    "cases",
    "notices",
    "notice_settings",
)
