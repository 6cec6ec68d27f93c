"""All routes of drivers, theme by theme."""

from litestar.handlers import HTTPRouteHandler

from partner_api.driver import (
    bookings,
    checkouts,
    events,
    invoices,
    methods,
    notices,
    packs,
    papers,
    payments,
    plans,
    privacy,
    profile,
    quotes,
    receipts,
    signin,
    signin_pages,
    stations,
    stations_ahead,
    support,
    swaps,
    tickets,
    trips,
    vehicles,
    waitlist,
    wallet,
)

ROUTES: tuple[HTTPRouteHandler, ...] = (
    *profile.ROUTES,
    *vehicles.ROUTES,
    *privacy.ROUTES,
    *events.ROUTES,
    *stations.ROUTES,
    *stations_ahead.ROUTES,
    *trips.ROUTES,
    *quotes.ROUTES,
    *bookings.ROUTES,
    *tickets.ROUTES,
    *swaps.ROUTES,
    *packs.ROUTES,
    *waitlist.ROUTES,
    *wallet.ROUTES,
    *checkouts.ROUTES,
    *methods.ROUTES,
    *payments.ROUTES,
    *plans.ROUTES,
    *receipts.ROUTES,
    *invoices.ROUTES,
    *papers.ROUTES,
    *support.ROUTES,
    *notices.ROUTES,
)
"""Below `/driver/v1`; each theme adds its own `ROUTES`."""

AUTH_ROUTES: tuple[HTTPRouteHandler, ...] = (*signin_pages.ROUTES, *signin.ROUTES)
"""Below `/auth`: signing in."""
