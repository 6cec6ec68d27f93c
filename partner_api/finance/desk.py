"""All routes of finance, theme by theme."""

from partner_api.finance import (
    answers,
    approvals,
    bank,
    books,
    closing,
    drivers,
    files,
    partners,
    pricing,
    reports,
    statements,
)

ROUTES = (
    *books.ROUTES,
    *approvals.ROUTES,
    *pricing.ROUTES,
    *drivers.ROUTES,
    *partners.ROUTES,
    *statements.ROUTES,
    *answers.ROUTES,
    *bank.ROUTES,
    *files.ROUTES,
    *closing.ROUTES,
    *reports.ROUTES,
)
