"""The app put together: whose cookie a client carries, codes, proofs, ports, the two behind one."""

import asyncio
import socket
from io import BytesIO
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from customer_app.api.errors import ApiError, Kind
from customer_app.session import Handshake
from ledger.kernel.errors import Misconfigured
from mobilegrid import app_wiring
from mobilegrid.demo.opened import check_ports
from mobilegrid.mounting import Mounted
from mobilegrid.settings import AppSettings, Settings
from partner_api.driver_sessions import CSRF_HEADER, csrf_of

ORIGIN = "http://localhost:8000"


class Door:
    """A door that writes down who asked, and finds nobody."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def asked_by(handshake: Handshake) -> Any:
    door = Door()
    client = app_wiring.clients_of(door, ORIGIN)(handshake)
    with pytest.raises(ApiError) as told:
        asyncio.run(client.profile())
    assert told.value.kind is Kind.NOT_FOUND
    [scope] = door.scopes
    return scope


def test_a_client_carries_the_cookie_of_its_own_session() -> None:
    scope = asked_by(Handshake("mg_session=secret", address="203.0.113.7"))
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    assert headers["cookie"] == "mg_session=secret"
    assert headers[CSRF_HEADER.lower()] == csrf_of("secret")
    assert scope["client"][0] == "203.0.113.7"


def test_a_stranger_carries_nothing() -> None:
    names = {name for name, _ in asked_by(Handshake())["headers"]}
    assert not names & {b"cookie", CSRF_HEADER.lower().encode(), b"authorization"}


def test_a_code_is_read_back() -> None:
    picture = Image.open(BytesIO(app_wiring.qr_png("MG1.text")))
    assert picture.mode == "1"
    assert [one.text for one in zxingcpp.read_barcodes(picture.convert("L"))] == ["MG1.text"]


@pytest.mark.parametrize("bundle", [b"", b"c2sp.org/tlog-proof@v1\n", b"\xff" * 40])
def test_what_is_no_proof_is_said_so_and_raises_nothing(bundle: bytes) -> None:
    policy = "log a.example+07c0ddd2+AfzpRgFpCTSVs/ZGTFTw6wOr/zhA9tHKRPN+8ONZiYLz\nquorum none\n"
    for given in (policy, "", "nonsense"):
        verdict = app_wiring.check_offline(bundle, given, 1)
        assert not verdict.ok
        assert verdict.detail


def test_the_app_is_told_how_it_behaves() -> None:
    said = app_wiring.app_settings(
        Settings(mode="production", app=AppSettings(support_phone="+33299000000"))
    )
    assert (said.support_phone, said.is_production) == ("+33299000000", True)
    assert app_wiring.app_settings(Settings()).is_production is False
    office = AppSettings(support_from="08:00", support_until="20:00")
    told = app_wiring.app_settings(Settings(app=office))
    assert (told.support_from, told.support_until) == ("08:00", "20:00")


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"port {port} is taken"):
            check_ports(port)
        with pytest.raises(Misconfigured, match=f"port {port} is taken"):
            check_ports(port - 1)


# The app beside the doors ---------------------------------------------------------------------


class Host(Door):
    """The app's host: it writes down what reached it, and when it lived."""

    lived: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.lived = []

    async def startup(self) -> None:
        self.lived.append("started")

    async def shutdown(self) -> None:
        self.lived.append("ended")


def through(scope: dict[str, Any], *messages: str) -> tuple[Door, Host, list[Any]]:
    door, host = Door(), Host()
    mounted = Mounted(door, host)  # type: ignore[arg-type]  # both write down alone
    sent: list[Any] = []
    waiting = [{"type": name} for name in messages]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(mounted(scope, receive, send))
    return door, host, sent


def http(path: str, method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": []}


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/station/ST-1", "/app/ws"])
def test_what_is_the_apps_reaches_the_app(path: str) -> None:
    door, host, _ = through(http(path))
    assert (len(door.scopes), len(host.scopes)) == (0, 1)


@pytest.mark.parametrize("path", ["/apples", "/driver/v1/profile", "/auth/sign-in", "//app"])
def test_everything_else_reaches_the_doors(path: str) -> None:
    door, host, _ = through(http(path))
    assert (len(door.scopes), len(host.scopes)) == (1, 0)


def test_a_visitor_is_led_to_the_app() -> None:
    _, _, sent = through(http("/"))
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"location"]) == (307, b"/app/")
    door, _, _ = through(http("/", "POST"))
    assert len(door.scopes) == 1


def test_a_socket_elsewhere_is_closed() -> None:
    door, _, sent = through({"type": "websocket", "path": "/x"}, "websocket.connect")
    assert not door.scopes
    assert sent == [{"type": "websocket.close", "code": 404, "reason": ""}]


def test_the_app_lives_as_long_as_the_server() -> None:
    _, host, sent = through({"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown")
    assert host.lived == ["started", "ended"]
    ends = ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [one["type"] for one in sent] == ends
