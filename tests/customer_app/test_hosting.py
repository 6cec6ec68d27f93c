"""The app's host: paths, headers, packing, ranges, tiles, letters, and who opens the socket."""

import asyncio
import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import brotli
import flet_web
import httpx
import pytest

from customer_app.hosting import tiles
from customer_app.hosting.asgi import AppHost, HostSettings, _as_somebody, handshake_of
from customer_app.hosting.drops import LIFE_S, OPEN_MOST, PATH, Drops
from customer_app.hosting.runtime import LIST, WEB, Runtime

ORIGIN = "http://127.0.0.1:8000"


async def draw_nothing(_page):
    """The smallest app there is."""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return AppHost(draw_nothing, HostSettings(ORIGIN, tmp_path_factory.mktemp("packed")))


def get(host, path, *, method="GET", **headers):
    async def asking():
        transport = httpx.ASGITransport(app=host)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=given)

    return asyncio.run(asking())


# Pages and files ----------------------------------------------------------------------------------


def test_health_answers_without_a_session(host):
    found = get(host, "/app/_health")
    assert (found.status_code, found.content) == (204, b"")
    assert found.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/station/ST-1", "/app/nowhere/at/all"])
def test_every_route_of_the_app_is_the_same_page(host, path):
    found = get(host, path)
    assert found.status_code == 200
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["cache-control"] == "no-cache"
    assert f"/app/_rt/{host.runtime.version}/" in found.text
    assert "{" + "runtime}" not in found.text


def test_the_page_names_the_client_it_was_made_for():
    text = (WEB / "index.html").read_text()
    assert f"flet-web {flet_web.version.version}." in text


def test_the_page_lets_nothing_in_from_elsewhere(host):
    policy = get(host, "/app/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    hosts = re.findall(r"\b(?:https?|wss?)://[^\s;]+", policy)
    assert hosts == ["ws://127.0.0.1:8000"]


def test_the_page_gives_the_renderer_no_threads(host):
    found = get(host, "/app/").headers
    assert found["cross-origin-opener-policy"] == "same-origin"
    assert "cross-origin-embedder-policy" not in found


def test_where_there_is_no_network_a_page_of_our_own_is_shown(host):
    worker = get(host, "/app/sw.js")
    assert worker.headers["content-type"] == "text/javascript"
    assert worker.headers["cache-control"] == "no-cache"
    assert re.search(r'"mg-offline-[0-9a-f]{8}"', worker.text)
    page = get(host, "/app/offline.html")
    assert page.headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert '<base href="/app/">' in page.text
    assert "data-offline" in page.text


def test_a_secure_origin_stays_secure(tmp_path):
    host = AppHost(draw_nothing, HostSettings("https://app.example", tmp_path))
    found = get(host, "/app/").headers
    assert found["strict-transport-security"] == "max-age=31536000"
    assert "wss://app.example" in found["content-security-policy"]


def test_who_has_the_page_is_told_so(host):
    tag = get(host, "/app/").headers["etag"]
    found = get(host, "/app/", if_none_match=tag)
    assert (found.status_code, found.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/app/_rt/0.0.0-00000000/main.dart.wasm", "/app/secret.py", "/app/_other", "/app/index.php"],
)
def test_a_file_that_is_none_is_not_found(host, path):
    assert get(host, path).status_code == 404


@pytest.mark.parametrize("path", ["../index.html", "pyodide/pyodide.mjs", "main.dart.js.map", "x"])
def test_the_runtime_has_only_its_own_files(host, path):
    found = get(host, f"/app/_rt/{host.runtime.version}/{path}")
    assert found.status_code == 404 or "html" in found.headers["content-type"]


def test_only_reading_is_served(host):
    found = get(host, "/app/", method="POST")
    assert (found.status_code, found.headers["allow"]) == (405, "GET, HEAD")
    head = get(host, "/app/", method="HEAD")
    assert head.content == b""
    assert int(head.headers["content-length"]) == len(get(host, "/app/").content)


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=9999999-", 416, slice(0, 0)),
        ("bytes=5-2", 416, slice(0, 0)),
        ("words", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
    ],
)
def test_ranges_of_a_file(host, asked, status, part):
    whole = (WEB / "icons" / "icon-512.png").read_bytes()
    found = get(host, "/app/icons/icon-512.png", range=asked)
    assert found.status_code == status
    assert found.content == whole[part]


# The runtime --------------------------------------------------------------------------------------


def runtime_path(host, name):
    return f"/app/_rt/{host.runtime.version}/{name}"


def test_the_client_is_packed_and_kept_for_ever(host):
    found = get(host, runtime_path(host, "main.dart.mjs"), accept_encoding="gzip")
    assert found.headers["content-encoding"] == "gzip"
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert found.headers["vary"] == "accept-encoding"
    assert found.content == host.runtime.raw("main.dart.mjs")  # httpx unpacks it


def test_who_takes_no_packing_gets_the_file_as_it_is(host):
    found = get(host, runtime_path(host, "main.dart.mjs"), accept_encoding="identity")
    assert "content-encoding" not in found.headers
    assert found.content == host.runtime.raw("main.dart.mjs")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("canvaskit/skwasm.wasm", "application/wasm"),
        ("main.dart.mjs", "text/javascript"),
        ("assets/FontManifest.json", "application/json"),
        ("assets/fonts/roboto.woff2", "font/woff2"),
    ],
)
def test_files_have_their_kinds(host, name, kind):
    assert get(host, runtime_path(host, name)).headers["content-type"] == kind


def test_the_client_loads_no_fonts_of_formulas_and_no_service_worker(host):
    fonts = get(host, runtime_path(host, "assets/FontManifest.json")).text
    assert "KaTeX" not in fonts
    assert "Roboto" in fonts
    starter = get(host, runtime_path(host, "flutter_bootstrap.js")).text
    assert "serviceWorkerSettings: {" not in starter


def test_brotli_is_served_once_it_is_packed(tmp_path):
    runtime = Runtime(tmp_path)
    said: list[str] = []
    assert runtime.get("main.dart.mjs", "br, gzip")[1] == "gzip"
    assert runtime.pack(said.append, ("main.dart.mjs",)) == said == ["main.dart.mjs"]
    for one in (runtime, Runtime(tmp_path)):
        data, packing = one.get("main.dart.mjs", "gzip;q=1.0, br")
        assert packing == "br"
        assert brotli.decompress(data) == runtime.raw("main.dart.mjs")
    assert not runtime.is_small  # the client itself is not packed yet


def test_a_packed_file_that_was_changed_is_never_served(tmp_path):
    runtime = Runtime(tmp_path)
    runtime.get("main.dart.mjs", "gzip")
    packed = next(tmp_path.rglob("main.dart.mjs.gz"))
    packed.write_bytes(gzip.compress(b"something else"))
    data, _ = Runtime(tmp_path).get("main.dart.mjs", "gzip")
    assert gzip.decompress(data) == runtime.raw("main.dart.mjs")


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"size": 1}}'])
def test_a_list_of_packed_files_that_cannot_be_read_is_made_anew(tmp_path, text):
    runtime = Runtime(tmp_path)
    (tmp_path / runtime.version / LIST).write_text(text)
    data, packing = Runtime(tmp_path).get("main.dart.mjs", "gzip")
    assert packing == "gzip"
    assert gzip.decompress(data) == runtime.raw("main.dart.mjs")


def test_many_browsers_may_come_first(tmp_path):
    runtime = Runtime(tmp_path)
    small = [name for name in runtime.names if len(runtime.raw(name)) < 50_000][:12]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: runtime.get(name, "gzip"), small * 8))
    assert len(found) == len(small) * 8
    kept = json.loads((tmp_path / runtime.version / LIST).read_text())
    packed = {name for name, (_, packing) in zip(small * 8, found, strict=True) if packing}
    assert {f"{name}.gz" for name in packed} == set(kept)


def test_no_such_file(tmp_path):
    with pytest.raises(KeyError, match="nothing"):
        Runtime(tmp_path).get("nothing", "gzip")


# Letters and maps ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["sc", "hk", "tc", "jp", "kr"])
def test_slices_of_the_chinese_font(host, family):
    path = runtime_path(host, f"fallback/notosans{family}/v37/abc_-9.118.woff2")
    found = get(host, path)
    assert found.headers["content-type"] == "font/woff2"
    assert found.content == (WEB / "fonts/noto-sans-sc/118.woff2").read_bytes()


@pytest.mark.parametrize(
    "name",
    ["notosanssc/v37/a.7.woff2", "notosansxx/v37/a.118.woff2", "notosanssc/v37/../118.woff2"],
)
def test_other_slices_are_not_found(host, name):
    assert get(host, runtime_path(host, f"fallback/{name}")).status_code == 404


def test_the_fonts_carry_their_licence():
    assert "SIL OPEN FONT LICENSE" in (WEB / "fonts/noto-sans-sc/LICENSE").read_text().upper()


@pytest.mark.parametrize("theme", tiles.THEMES)
def test_a_square_of_the_map_is_a_picture(host, theme):
    found = get(host, f"/app/_tiles/{theme}/14/8800/5373.png")
    assert found.headers["content-type"] == "image/png"
    assert found.headers["cache-control"] == "public, max-age=86400"
    assert found.content == tiles.tile(theme, 14, 8800, 5373)


def pixels(theme, zoom, x, y):
    from io import BytesIO  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    return Image.open(BytesIO(tiles.tile(theme, zoom, x, y))).convert("RGB")


def test_streets_go_on_across_the_edges_of_squares():
    left, right = pixels("light", 15, 17600, 10746), pixels("light", 15, 17601, 10746)
    assert left.size == (256, 256)
    across = [left.getpixel((255, y)) == right.getpixel((0, y)) for y in range(256)]
    assert sum(across) > 200  # blocks may change their shade at an edge, streets do not
    streets = {(255, 255, 255), (251, 231, 182)}
    rows = [y for y in range(256) if left.getpixel((200, y)) in streets]
    assert [y for y in range(256) if right.getpixel((60, y)) in streets][:1] == rows[:1] or rows


@pytest.mark.parametrize(
    "name", ["light/2/0/0.png", "light/19/0/0.png", "light/5/32/0.png", "pink/5/1/1.png", "x.png"]
)
def test_squares_outside_of_the_map(host, name):
    assert get(host, f"/app/_tiles/{name}").status_code == 404


def test_other_sockets_are_not_served(host):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "headers": [], "path": "/app/other", "raw_path": b"/app/other"}
    asyncio.run(host(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 404}]


def test_two_drivers_are_two_to_flet_even_in_one_tab():
    agents = set()
    for cookie in (b"mg_session=a", b"mg_session=b", b""):
        scope = {"headers": [(b"cookie", cookie), (b"user-agent", b"Browser")], "client": None}
        marked = dict(_as_somebody(scope, handshake_of(scope))["headers"])
        assert marked[b"user-agent"].startswith(b"Browser ")
        assert b"mg_session" not in marked[b"user-agent"]
        agents.add(marked[b"user-agent"])
    assert len(agents) == 3


# The handshake ------------------------------------------------------------------------------------


def told(*headers):
    return handshake_of({"headers": list(headers), "client": ("203.0.113.9", 1)})


def test_the_session_learns_who_opens_the_socket():
    found = told(
        (b"cookie", b"other=1; mg_session=abc; more=2"),
        (b"accept-language", b"zh-CN,zh;q=0.9"),
        (b"origin", ORIGIN.encode()),
    )
    assert found.session_cookie == "mg_session=abc"
    assert (found.accept_language, found.address) == ("zh-CN,zh;q=0.9", "203.0.113.9")
    assert "abc" not in repr(found)


def test_the_strict_cookie_wins():
    found = told((b"cookie", b"mg_session=old; __Host-mg_session=new"))
    assert found.session_cookie == "__Host-mg_session=new"


@pytest.mark.parametrize("cookie", [b"", b"other=1", b"mg_session", b"\xff=;;=="])
def test_no_cookie_is_nobody(cookie):
    assert told((b"cookie", cookie)).session_cookie == ""


def test_the_host_lives_with_its_server(tmp_path):
    @asynccontextmanager
    async def living():
        host = AppHost(draw_nothing, HostSettings(ORIGIN, tmp_path))
        await host.startup()
        yield host
        await host.shutdown()

    async def once():
        async with living() as host:
            return host.runtime.is_small

    assert asyncio.run(once()) is False


# Files that browsers leave ------------------------------------------------------------------------


def leave(host, drop_url, content, origin=ORIGIN):
    async def asking():
        transport = httpx.ASGITransport(app=host)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            return await client.put(drop_url, content=content, headers={"origin": origin})

    return asking()


def test_a_file_is_left_once_by_our_own_page_and_no_larger_than_asked_for(host):
    async def leaving():
        drop = host.drops.open(8)
        foreign = await leave(host, drop.url, b"12345678", "https://else.example")
        first = await leave(host, drop.url, b"12345678")
        second = await leave(host, drop.url, b"12345678")
        large = host.drops.open(8)
        refused = await leave(host, large.url, b"123456789")
        statuses = [each.status_code for each in (foreign, first, second, refused)]
        assert statuses == [403, 200, 404, 413]
        assert (await drop.content(), await large.content()) == (b"12345678", b"")

    asyncio.run(leaving())


def test_places_for_files_are_few_and_end():
    async def opening():
        now = [0.0]
        drops = Drops(lambda: now[0])
        oldest = drops.open(8)
        for _ in range(OPEN_MOST):
            newest = drops.open(8)
        now[0] = LIFE_S - 1
        assert len(drops._open) == OPEN_MOST
        assert oldest.url.removeprefix(PATH) not in drops._open
        now[0] = LIFE_S + 1
        drops.open(8)
        assert newest.url.removeprefix(PATH) not in drops._open

    asyncio.run(opening())
