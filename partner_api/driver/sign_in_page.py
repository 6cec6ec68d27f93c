"""Our own page for signing in: plain HTML, one script and one style of our own, no stranger's.

The page is told nothing secret; what it does is checked step by step by `signin.py`.
"""

from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Literal

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie

Mode = Literal["sign_in", "step_up", "create", "message"]
Language = Literal["en", "zh"]

# scripts of our own only, nobody may frame the page, and forms go nowhere but here
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language",
}
FILES = {"sign_in.js": "text/javascript", "sign_in.css": "text/css"}
_SPOKEN_BY_SCRIPT = (
    "cancelled",
    "exists",
    "offline",
    "unsupported",
    "sent",
    "going",
    "code_wrong",
    "code_used_up",
    "sign_in_ended",
    "passkey_refused",
    "rate_limited",
    "malformed",
    "unavailable",
    "failed",
)


@cache
def words() -> dict[Language, dict[str, str]]:
    """Give every text of the page by language; the languages have the same keys."""
    return msgspec.json.decode(file_of("words.json"), type=dict[Language, dict[str, str]])


@cache
def file_of(name: str) -> bytes:
    """Read a file of the page."""
    return files("partner_api.driver").joinpath("pages", name).read_bytes()


def language_of(accepted: str) -> Language:
    """Choose the language of a page by the header Accept-Language: Chinese if wanted first.

    >>> language_of("zh-CN,en;q=0.5"), language_of("fr,zh;q=0.9")
    ('zh', 'en')
    """
    return "zh" if accepted.strip().lower().startswith("zh") else "en"


def page(
    request: Request[Any, Any, Any],
    mode: Mode,
    *,
    said: str = "",
    again: str = "/auth/sign-in",
    status: int = 200,
    cookies: list[Cookie] | None = None,
) -> Response[str]:
    """Make the page; `said` is the key of a text that stands above it, `again` starts anew."""
    lang = language_of(request.headers.get("accept-language", ""))
    texts = words()[lang]
    spoken = {name: texts[name] for name in _SPOKEN_BY_SCRIPT}
    shown = {name: escape(text) for name, text in texts.items()}
    shown |= {
        "lang": lang,
        "mode": mode,
        "title": shown[f"title_{mode}"],
        "lead": shown[f"lead_{mode}"],
        "said": shown[said] if said else "",
        "kind": said,
        "words": escape(msgspec.json.encode(spoken).decode()),
        "again": escape(again),
        "hide_passkey": "" if mode in {"sign_in", "step_up"} else " hidden",
        "hide_code": "" if mode == "sign_in" else " hidden",
    }
    text = Template(file_of("sign_in.html").decode()).substitute(shown)
    return Response(
        text,
        status_code=status,
        media_type="text/html",
        headers=HEADERS | {"Content-Language": lang},
        cookies=cookies,
    )
