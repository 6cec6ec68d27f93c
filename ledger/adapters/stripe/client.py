"""The client of Stripe: v1 and v2 only, retries always set, our own keys on every call.

Three traps of the library (16.1) are closed here: without a number it never retries; without our
key it sends a random one, useless after a restart; an address of its own is only for tests.
"""

import stripe

API_VERSION = "2026-10-28.endive"
RETRIES = 2


def make_client(
    api_key: str,
    *,
    base_url: str = "",
    http_client: stripe.HTTPClient | None = None,
    retries: int = RETRIES,
) -> stripe.StripeClient:
    """Make a client; `base_url` leads to a stand-in of Stripe."""
    return stripe.StripeClient(
        api_key,
        stripe_version=API_VERSION,
        base_addresses={"api": base_url} if base_url else None,
        http_client=http_client,
        max_network_retries=retries,
    )


def keyed(call_key: str) -> stripe.RequestOptions:
    """Give the options of a call that changes something: always under a key of ours."""
    return {"idempotency_key": call_key}
