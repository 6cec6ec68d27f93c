"""Where a browser goes to sign a driver in or out: pages and redirects."""

import re
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.datastructures import Cookie
from litestar.params import FromPath

from ledger.kernel.errors import Malformed, NotFound, Unavailable
from ledger.kernel.instants import SECOND
from partner_api.auth import Action
from partner_api.deps import asked, asks, parts_of
from partner_api.driver.sign_in_page import FILES, Mode, file_of, page
from partner_api.driver_sessions import COOKIE, SESSION_US, cookie_in, cookie_name
from partner_api.problems import DoorProblem
from partner_api.sign_in_flow import START_US, SignInFlow
from partner_api.sign_in_steps import APP, HOME, WEB, Start, check_challenge, safe_return

START_COOKIE = "mg_sign_in"
STATE = re.compile(r"[A-Za-z0-9._~/?=&%@:+-]{0,512}")
PROMPTS = ("login", "step_up", "create")
PAGE: dict[str, Any] = {"is_page": True}
"""Marks a route of pages: what goes wrong is told on a page too."""

_AUTHORIZE = (
    "client_id",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
    "prompt",
)

HttpRequest = Request[Any, Any, Any]


def flow_of(request: HttpRequest) -> SignInFlow:
    """Give what signs drivers in; `Unavailable` where nothing does."""
    flow = parts_of(request).sign_in
    if flow is None:
        raise Unavailable("no driver can sign in here")
    return flow


def start_cookie(request: HttpRequest) -> str:
    """Give the cookie of the sign-in that this browser began; `sign_in_ended` without one."""
    url = parts_of(request).settings.public_url
    found = request.cookies.get(cookie_name(START_COOKIE, url), "")
    if not found:
        raise DoorProblem("sign_in_ended")
    return found


def session_cookie(request: HttpRequest) -> str:
    """Give the cookie of the session in this browser, "" without one."""
    return cookie_in(request.cookies, parts_of(request).settings.public_url)


def made_cookie(request: HttpRequest, name: str, value: str, lasts_us: int) -> Cookie:
    """Make a cookie that scripts cannot read; no time left takes it away."""
    url = parts_of(request).settings.public_url
    return Cookie(
        key=cookie_name(name, url),
        value=value,
        max_age=lasts_us // SECOND,
        path="/",
        secure=url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )


def device_label(user_agent: str) -> str:
    """Name a device by what its browser says of itself, coarsely.

    >>> device_label("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile")
    'Chrome, Android'
    """
    browsers = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome"}
    systems = {
        "Android": "Android",
        "iPhone": "iPhone",
        "iPad": "iPad",
        "Windows": "Windows",
        "Mac OS": "Mac",
        "Linux": "Linux",
    }
    rest = {"Safari": "Safari"}
    browser = next((name for mark, name in (browsers | rest).items() if mark in user_agent), "")
    system = next((name for mark, name in systems.items() if mark in user_agent), "")
    return ", ".join(filter(None, (browser, system))) or "Unknown device"


# Pages ------------------------------------------------------------------------


@get(
    "/sign-in", operation_id="show_sign_in", opt=asks(Action.SIGN_IN, "return_to", "prompt") | PAGE
)
async def show_sign_in(request: HttpRequest) -> Response[str]:
    """Show the page on which a driver signs in; afterwards he is back in the app."""
    query = asked(request).query
    return_to = safe_return(query.get("return_to", HOME))
    return await _shown(request, Start(WEB, return_to), query.get("prompt", ""))


@get("/step-up", operation_id="show_step_up", opt=asks(Action.SIGN_IN, "return_to") | PAGE)
async def show_step_up(request: HttpRequest) -> Response[str]:
    """Show the page on which a driver who is signed in proves himself once more."""
    return_to = safe_return(asked(request).query.get("return_to", HOME))
    return await _shown(request, Start(WEB, return_to), "step_up")


@get("/authorize", operation_id="authorize_app", opt=asks(Action.SIGN_IN, *_AUTHORIZE) | PAGE)
async def authorize_app(request: HttpRequest) -> Response[str]:
    """Begin to sign a driver in for an app: the web app, or the app of a phone with PKCE."""
    query = asked(request).query
    state = query.get("state", "")
    if not STATE.fullmatch(state):
        raise Malformed("at most 512 of A-Z a-z 0-9 and . _ ~ / ? = & % @ : + -", field="state")
    if query.get("response_type", "code") != "code":
        raise Malformed("must be code", field="response_type")
    client = query.get("client_id", "")
    if client == WEB:
        return_to = safe_return(f"/app{state}" if state.startswith("/") else HOME)
        return await _shown(request, Start(WEB, return_to), query.get("prompt", ""))
    if client != APP:
        raise Malformed("web or app", field="client_id")
    known = parts_of(request).settings.app_redirects.split(",")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in filter(None, (each.strip() for each in known)):
        raise Malformed("is not where this app is sent back to", field="redirect_uri")
    challenge = check_challenge(
        query.get("code_challenge", ""), query.get("code_challenge_method", "")
    )
    start = Start(
        APP, redirect_uri=redirect_uri, state=quote(state, safe=""), code_challenge=challenge
    )
    return await _shown(request, start, "")


async def _shown(request: HttpRequest, start: Start, prompt: str) -> Response[str]:
    """Begin a sign-in, and show its page; without a session there is nothing to step up."""
    if prompt and prompt not in PROMPTS:
        raise Malformed(f"one of {', '.join(PROMPTS)}", field="prompt")
    flow = flow_of(request)
    mode: Mode = "sign_in"
    if prompt in {"step_up", "create"}:
        cookie = session_cookie(request)
        session = await sync_to_thread(flow.sessions.session_of_cookie, cookie)
        if session is not None:
            start = Start(
                WEB, start.return_to, session_id=session.session_id, driver_id=session.driver_id
            )
            stepped_up = session.step_up_until > parts_of(request).clock.now()
            mode = "create" if prompt == "create" and stepped_up else "step_up"
            if prompt == "create" and not stepped_up:
                # first the old passkey, then the page again for the new one
                place = f"/auth/sign-in?prompt=create&return_to={quote(start.return_to, safe='')}"
                start = Start(
                    WEB, place, session_id=session.session_id, driver_id=session.driver_id
                )
    begun = await sync_to_thread(flow.begin, start)
    kept = made_cookie(request, START_COOKIE, begun.cookie, START_US)
    again = f"{request.scope['path']}?{request.scope['query_string'].decode('ascii')}".rstrip("?")
    return page(request, mode, again=again, cookies=[kept])


@get("/finish", operation_id="finish_sign_in", opt=asks(Action.SIGN_IN, "code") | PAGE)
async def finish_sign_in(request: HttpRequest) -> Response[Any]:
    """Give the browser that began a sign-in its session, and send it back into the app."""
    flow = flow_of(request)
    code = asked(request).query.get("code", "")
    label = device_label(request.headers.get("user-agent", ""))
    try:
        opened, place = await sync_to_thread(
            flow.finish, start_cookie(request), code, label, session_cookie(request)
        )
    except DoorProblem as error:
        return page(request, "message", said=error.code, status=422)
    cookies = [
        made_cookie(request, COOKIE, opened.cookie, SESSION_US),
        made_cookie(request, START_COOKIE, "", 0),
    ]
    return Response(
        b"",
        status_code=303,
        headers={"Location": place, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
        cookies=cookies,
    )


@get(
    "/bye",
    operation_id="say_bye",
    opt=asks(Action.SIGN_IN, "return_to") | {"also": (204,)},
    status_code=303,
)
async def say_bye(request: HttpRequest) -> Response[Any]:
    """End the session of this browser and take its cookies away; 303 where `return_to` says so."""
    flow = flow_of(request)
    session = await sync_to_thread(flow.sessions.session_of_cookie, session_cookie(request))
    if session is not None:
        await sync_to_thread(flow.sessions.end, session.session_id)
    gone = [made_cookie(request, name, "", 0) for name in (COOKIE, START_COOKIE)]
    headers = {"Cache-Control": "no-store", "Clear-Site-Data": '"cache"'}
    return_to = asked(request).query.get("return_to", "")
    if return_to:
        headers["Location"] = safe_return(return_to)
    return Response(
        b"", status_code=303 if return_to else 204, headers=headers, cookies=gone, media_type=None
    )


@get("/pages/{name:str}", operation_id="read_sign_in_file", opt=asks(Action.READ_DOCUMENTS))
async def read_sign_in_file(name: FromPath[str]) -> Response[bytes]:
    """Give the script or the style of the page."""
    if name not in FILES:
        raise NotFound("no such file")
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(file_of(name), media_type=FILES[name], headers=headers)


ROUTES = (
    show_sign_in,
    show_step_up,
    authorize_app,
    finish_sign_in,
    say_bye,
    read_sign_in_file,
)
