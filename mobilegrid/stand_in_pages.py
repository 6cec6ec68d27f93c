"""The hosted pages of the stand-in: what a driver of the demo sees instead of the provider's page.

One page with buttons, in plain HTML without a script. It says on top that no money moves.
"""

from collections.abc import Callable
from html import escape
from typing import Any, get_args
from urllib.parse import urlencode, urlsplit

import httpx
from litestar import Litestar, Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money import payments_rows as ops
from ledger.kernel.errors import Malformed
from ledger.kernel.money import amount_text
from mobilegrid.stand_in_provider import Choice, StandIn, Thing, choices_of

_STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 Roboto, system-ui, sans-serif; max-width: 26rem; margin: 3rem auto;
  padding: 0 1rem }
.note { border: 2px dashed #b26a00; border-radius: .75rem; padding: .5rem 1rem }
.amount { font-size: 2rem; margin: 1rem 0 }
button { font: inherit; width: 100%; min-height: 3rem; margin: .25rem 0; border-radius: 1.5rem;
  border: 1px solid #00796b; background: transparent; color: inherit; cursor: pointer }
button.first { background: #00796b; color: #fff }
.error { color: #b3261e; font-weight: 500 }
@media (prefers-color-scheme: dark) { .error { color: #f2b8b5 } }
"""
_NOTE = "This page stands in for the payment provider. No money moves and no card is asked for."
_WORDS: dict[str, str] = {
    "pay": "Pay",
    "decline": "Have the card declined",
    "good": "Save a card that pays",
    "declined": "Save a card that is declined",
    "confirms": "Save a card whose bank asks you",
    "leave": "Leave without finishing",
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FORM_MAX = 1_000
_CHOICES: tuple[Choice, ...] = get_args(Choice)


def pages_app(provider: StandIn, app_url: str, after: Callable[[], object]) -> Litestar:
    """Make the app that serves the pages.

    Args:
        provider: whose pages.
        app_url: scheme and host to whose routes the pages lead back.
        after: called when a driver finished, to bring messages to our own door.
    """

    @get("/pages/{ref:str}", media_type="text/html")
    async def show(ref: FromPath[str]) -> Response[str]:
        """Show a page."""
        thing = provider.page(ref)
        if thing is None:
            return _html("This page is over", "<p>Go back to the app.</p>", status=404)
        return _html(*_page(thing))

    @post("/pages/{ref:str}", media_type="text/html", status_code=200)
    async def choose(request: Request[Any, Any, Any], ref: FromPath[str]) -> Response[str]:
        """Do what was chosen, and lead back to the app."""
        text = (await request.body())[:_FORM_MAX].decode("ascii", "replace")
        wanted: Choice = next((one for one in _CHOICES if text == f"choice={one}"), "none")
        try:
            thing, is_over = provider.choose(ref, wanted)
        except Malformed:
            return _html("This page is over", "<p>Go back to the app.</p>", status=404)
        if not is_over:
            return _html(*_page(thing, "The card was declined. Nothing was taken. Try again."))
        await sync_to_thread(after)  # our own door may be served by this very loop
        outcome = "left" if wanted == "leave" else "back"
        way = back_url(app_url, thing, outcome)
        return Response("", status_code=303, headers=HEADERS | {"Location": way})

    return Litestar(
        route_handlers=[show, choose],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=_FORM_MAX,
    )


def back_url(app_url: str, thing: Thing, outcome: str) -> str:
    """Say where a page leads back to, with how the driver came back."""
    place = urlsplit(app_url)
    way = thing.body.return_to or f"/app/?{urlencode({'page': thing.told.ref})}"
    mark = "&" if "?" in way else "?"
    return f"{place.scheme}://{place.netloc}{way}{mark}outcome={outcome}"


def _page(thing: Thing, error: str = "") -> tuple[str, str]:
    if thing.body.operation == ops.SETUP:
        title, amount = "Save a card", ""
    else:
        title = "Confirm the payment" if thing.told.ref.startswith("pi") else "Pay"
        minor, currency = thing.body.amount_minor, thing.body.currency
        amount = f'<p class="amount">{amount_text(minor, currency)} {escape(currency)}</p>'
    what = escape(thing.body.group)
    buttons = "".join(
        f'<button name="choice" value="{one}"{" class=first" if not at else ""}>{_WORDS[one]}'
        "</button>"
        for at, one in enumerate(choices_of(thing))
    )
    alert = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    note = f"<p>{what}</p>" if what else ""
    return title, f'{note}{amount}{alert}<form method="post">{buttons}</form>'


def _html(title: str, content: str, *, status: int = 200) -> Response[str]:
    page = (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f'<body><main><p class="note">{_NOTE}</p><h1>{escape(title)}</h1>{content}</main>'
        "</body></html>\n"
    )
    return Response(page, status_code=status, headers=HEADERS, media_type="text/html")


def deliver_to(door_url: str) -> Callable[[bytes, str], None]:
    """Make what posts messages to our own door.

    It raises `httpx.HTTPError` when the door is away or does not take one.
    """

    def deliver(body: bytes, signature: str) -> None:
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        answer = httpx.post(f"{door_url}/webhooks/stripe", content=body, headers=headers, timeout=5)
        answer.raise_for_status()

    return deliver
