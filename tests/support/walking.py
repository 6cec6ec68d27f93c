"""What drivers do in the open town, step by step: sign in, reserve, swap."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.browsing import Visitor
from tests.support.open_town import OpenTown

ANA, WEI = "ana@example.net", "wei@example.net"
STATION = "ST-CENTRAL"
SWAP_MS = 120_000
"""How long a swap may take to begin, on a machine that has other things to do."""

_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def prove(visitor: Visitor, passkeys: Sequence[Any] = ()) -> Callable[[], list[Any]]:
    """Give the browser an authenticator with these passkeys; gives how to read those it has."""
    line = visitor.context.new_cdp_session(visitor.page)
    line.send("WebAuthn.enable")
    made = line.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})
    for each in passkeys:
        line.send("WebAuthn.addCredential", {**made, "credential": each})
    return lambda: list(line.send("WebAuthn.getCredentials", made)["credentials"])


def step_up(visitor: Visitor, town: OpenTown, address: str, route: str) -> None:
    """Prove once more who is there, as the app asks for now and then; ends at a route of it."""
    prove(visitor, town.passkeys[address])
    visitor.page.goto(f"{town.origin}/auth/step-up?return_to=/app{route}")
    visitor.page.click("#use-passkey")
    visitor.page.wait_for_url(f"**/app{route}")
    visitor.drawn()


def sign_in(visitor: Visitor, town: OpenTown, address: str) -> None:
    """Sign in on the page for it with a one-time code, making a passkey on the way."""
    page = visitor.page
    before = town.codes_told(address)
    page.click("#by-code summary")
    page.fill("#address", address)
    page.click("#ask-code button")
    page.fill("#code", town.code_for(address, before))
    page.click("#check-code button")
    page.click("#make-passkey")
    page.wait_for_url("**/app/**")
    visitor.drawn()


def ask_price(visitor: Visitor, station: str = STATION) -> None:
    """Choose a pack at a station for as soon as may be, and see what it costs."""
    visitor.go(f"/station/{station}")
    visitor.tap("reserve")
    visitor.tap("reserve-arrival")
    soon = visitor.page.get_by_role("button", name=re.compile("^in 15 min"))
    visitor.press("in 15 min")
    visitor.waits(lambda: soon.count() == 0)  # an open menu takes the next tap for itself
    visitor.see("reserve-price")


def reserve(visitor: Visitor, station: str = STATION) -> str:
    """Reserve a pack for as soon as may be; gives the booking's id."""
    ask_price(visitor, station)
    return confirm(visitor)


def confirm(visitor: Visitor) -> str:
    """Reserve at the price on the screen; gives the booking's id."""
    visitor.press("Reserve now")
    visitor.see("booking-code")
    return visitor.page.url.rpartition("/")[2]


def cancel(visitor: Visitor) -> None:
    """Call the booking on the screen off, and say yes when asked."""
    visitor.tap("booking-cancel")
    visitor.tap("cancel-yes")
    visitor.hears("Booking canceled.")


def swap(visitor: Visitor, station: str = STATION) -> str:
    """Reserve, show the code to the station, and wait for the swap; gives its id."""
    reserve(visitor, station)
    visitor.tap("booking-code")
    visitor.page.wait_for_url("**/app/swap/**", timeout=SWAP_MS)
    return visitor.page.url.rpartition("/")[2]
