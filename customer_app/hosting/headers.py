"""Headers of the app's answers: what the page may load, and how long each answer is good.

Flutter's client compiles WebAssembly and starts workers from blobs; everything else stays as shut
as a page can be. No request may leave our origin: there is no host in this policy but our own.
"""

Headers = list[tuple[bytes, bytes]]

FOREVER = b"public, max-age=31536000, immutable"
DAY = b"public, max-age=86400"
FRESH = b"no-cache"

_POLICY = (
    "default-src 'self'; "
    "script-src 'self' 'wasm-unsafe-eval' 'unsafe-inline' blob:; "
    "worker-src 'self' blob:; "
    "connect-src 'self' blob: {socket}; "
    "img-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)

EVERYWHERE: Headers = [
    (b"cross-origin-opener-policy", b"same-origin"),
    # no embedder policy: with it the client's renderer draws in threads, which corrupt its memory
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]


def socket_origin(origin: str) -> str:
    """Give the origin of the socket of a web origin: `wss` for `https`, `ws` for `http`."""
    return "ws" + origin.removeprefix("http")


def page_headers(origin: str) -> Headers:
    """Give the headers of the page itself, which is served at `origin`."""
    found = [
        *EVERYWHERE,
        (b"content-security-policy", _POLICY.format(socket=socket_origin(origin)).encode()),
        (b"permissions-policy", b"geolocation=(self), camera=(), microphone=()"),
        (b"cache-control", FRESH),
    ]
    if origin.startswith("https:"):
        found.append((b"strict-transport-security", b"max-age=31536000"))
    return found
