"""The typed client of the driver door: every call that the app makes, in one object."""

import httpx

from customer_app.api.client_account import AccountCalls
from customer_app.api.client_journey import JourneyCalls
from customer_app.api.client_money import MoneyCalls
from customer_app.api.client_stations import StationCalls
from customer_app.api.client_support import SupportCalls
from customer_app.api.client_trips import TripCalls
from customer_app.api.http import Transport


class ApiClient(StationCalls, TripCalls, JourneyCalls, MoneyCalls, SupportCalls, AccountCalls):
    """All calls of one session; each gives a frozen dataclass or raises `ApiError`."""


def make_client(http: httpx.AsyncClient, session_cookie: str = "", cookie: str = "") -> ApiClient:
    """Make the client of a session; the cookie is its credential and is never shown.

    `cookie` is the name under which the door takes it: `__Host-mg_session`, or `mg_session` on
    plain http of this machine.
    """
    headers = {"Cookie": f"{cookie}={session_cookie}"} if session_cookie and cookie else {}
    return ApiClient(Transport(http, headers))
