"""The app's client before the real door of drivers: every call is understood, on both sides."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from customer_app.api.client import ApiClient
from customer_app.api.client_money import CheckoutWish
from customer_app.api.client_support import Question
from customer_app.api.errors import ApiError, Kind
from customer_app.api.http import Transport
from customer_app.models.booking import BookingModel, ReserveModel
from customer_app.models.commands import Means
from customer_app.models.swap import SlotModel
from customer_app.models.trip import way_between
from tests.support.app_reads import READS
from tests.support.doors import URL
from tests.support.driver_money import MoneyTown, money_town
from tests.support.driver_town import CENTRAL, DRIVER, DriverTown, driver_town
from tests.support.ledgers import sqlite_url
from tests.support.pictures import PNG
from tests.support.told_anew import SWAP

STATION = CENTRAL.station_id
Work = Callable[[ApiClient], Awaitable[None]]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[DriverTown]:
    with driver_town(sqlite_url(tmp_path)) as made:
        yield made


@pytest.fixture
def paying(tmp_path: Path) -> Iterator[MoneyTown]:
    with money_town(sqlite_url(tmp_path), tmp_path) as made:
        yield made


def now(town: DriverTown) -> datetime:
    return datetime.fromtimestamp(town.clock.at / 1_000_000, UTC)


def means(town: DriverTown) -> Means:
    numbers = iter(range(1000))
    return Means(lambda: now(town), lambda: f"app-{next(numbers)}", anyio.sleep)


def ask(town: DriverTown | MoneyTown, work: Work, who: str = DRIVER) -> None:
    """Do something with a client of this driver; "" is nobody in particular."""

    async def run() -> None:
        transport = httpx.ASGITransport(town.doors.app, raise_app_exceptions=True)
        headers = town.doors.headers(who) if who else {}
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            await work(ApiClient(Transport(http, headers)))

    anyio.run(run)


def test_anybody_finds_stations(town: DriverTown) -> None:
    async def work(client: ApiClient) -> None:
        sheet = await client.station(STATION)
        near = (sheet.lat_e7, sheet.lon_e7)
        found = await client.stations_near(near, filters={"open_now": True, "radius_m": 20_000})
        assert STATION in {each.id for each in found.items}
        box = (near[1] - 10**6, near[0] - 10**6, near[1] + 10**6, near[0] + 10**6)
        assert (await client.stations_map(box, 13)).stations
        pack_class = sheet.ready[0].pack_class
        begin = now(town)
        ahead = await client.prediction(STATION, pack_class, begin, begin + timedelta(hours=2))
        assert ahead.items
        hours = await client.busy_hours(STATION, pack_class)
        assert len(hours.ready) == 7
        with pytest.raises(ApiError) as caught:
            await client.station("a/../b")
        assert caught.value.kind is Kind.NOT_FOUND

    ask(town, work, who="")


def test_a_short_way_is_driven_without_a_stop(town: DriverTown) -> None:
    async def work(client: ApiClient) -> None:
        here = await client.station(STATION)
        way = way_between((here.lat_e7, here.lon_e7), (here.lat_e7 + 100_000, here.lon_e7))
        plan = await client.plan_trip(way, 50_000, here.ready[0].pack_class)
        assert plan.is_covered
        assert STATION in {each.station.id for each in plan.items}
        assert not [each for each in plan.items if each.is_stop]

    ask(town, work)


def test_every_list_of_a_driver_is_understood(paying: MoneyTown) -> None:
    async def work(client: ApiClient) -> None:
        failed: dict[str, Any] = {}
        for name in READS:
            try:
                await getattr(client, name)()
            except ApiError as error:
                failed[name] = (error.status, error.code, error.detail)
        assert failed == {}

    ask(paying, work, "DR-1")


def test_a_pack_is_reserved_extended_shown_and_called_off(town: DriverTown) -> None:
    async def work(client: ApiClient) -> None:
        parts = means(town)
        model = ReserveModel(client, parts, STATION)
        await model.load()
        assert model.error is None, model.error.detail
        await model.ask_price()
        assert model.quote is not None, model.error
        assert await model.reserve(), model.error
        assert model.booking is not None
        booking = BookingModel(client, parts, model.booking.id)
        await booking.load()
        assert booking.booking is not None
        assert booking.booking.price_locked
        code = await client.check_in_code(booking.booking_id)
        assert len(code.text) <= 300
        assert len(code.offline) <= 3
        if booking.can_extend:
            assert await booking.extend(), booking.error
        booking.ask_to_cancel()
        assert await booking.cancel(), booking.error
        assert booking.booking.state == "CANCELED"

    ask(town, work)


def test_a_swap_starts_at_a_sticker_and_is_stopped(town: DriverTown) -> None:
    async def work(client: ApiClient) -> None:
        landing = SlotModel(client, means(town), STATION, "1")
        await landing.load()
        assert landing.error is None
        assert await landing.start(), landing.error
        assert landing.swap is not None
        swap = await client.swap(landing.swap.id)
        assert swap.state in {"REQUESTED", "AUTHORISED", "ACCEPTED"}
        stopped = await client.stop_swap(swap.id, "changed my mind", "k-stop")
        assert stopped.id == swap.id

    ask(town, work)


def test_the_drivers_own_is_changed(paying: MoneyTown) -> None:
    async def work(client: ApiClient) -> None:
        profile = await client.profile()
        changed = await client.change_profile(profile.etag, language="zh")
        assert changed.value.language == "zh"
        with pytest.raises(ApiError) as caught:
            await client.change_profile(profile.etag, language="en")
        assert (caught.value.kind, caught.value.status) == (Kind.CONFLICT, 412)
        classes = changed.value.contract.pack_classes
        vehicle = await client.add_vehicle(
            {"label": "Van", "pack_class": classes[0], "packs_per_set": 1}, "k-vehicle"
        )
        assert vehicle.id in {each.id for each in (await client.vehicles()).items}
        changed_one = await client.change_vehicle(
            vehicle.id, {"label": "Van", "plate": "B-MG 2041"}
        )
        assert changed_one.plate.endswith("2041")
        await client.remove_vehicle(vehicle.id)
        settings = await client.notice_settings()
        kinds = tuple(replace(each, sms=True) for each in settings.value.kinds)
        saved = await client.set_notices(replace(settings.value, kinds=kinds), settings.etag)
        assert all(each.sms for each in saved.value.kinds)
        said = await client.set_consent("marketing", granted=True, text_version="2026-11")
        assert {each.purpose: each.granted for each in said.items}["marketing"]
        export = await client.export_data("k-export")
        assert export.id in {each.id for each in (await client.exports()).items}

    ask(paying, work, "DR-1")


def test_the_bill_of_a_swap_is_read_line_by_line(paying: MoneyTown) -> None:
    async def work(client: ApiClient) -> None:
        receipt = await client.receipt(SWAP)
        assert receipt.swap_id == SWAP
        assert receipt.state in {"PENDING", "PRICED", "UNBILLED"}
        rows = (await client.receipts()).items
        assert SWAP in {each.swap_id for each in rows}

    ask(paying, work, "DR-1")


def test_a_case_is_opened_answered_and_given_a_file(paying: MoneyTown) -> None:
    async def work(client: ApiClient) -> None:
        made = await client.open_case(Question("Stuck", "question", "Why?"), "k-case")
        assert (await client.open_case(Question("Stuck", "question", "Why?"), "k-case")) == made
        await client.reply(made.case_id, "Still?", "k-reply")
        thread = await client.case(made.case_id)
        assert [each.text for each in thread.messages] == ["Why?", "Still?"]
        file = await client.attach(made.case_id, "image/png", PNG, "k-file")
        assert [each.file_id for each in (await client.case(made.case_id)).files] == [file.file_id]

    ask(paying, work, "DR-1")


def test_what_the_door_turns_down_is_a_refusal_with_a_reference(paying: MoneyTown) -> None:
    async def work(client: ApiClient) -> None:
        with pytest.raises(ApiError) as caught:
            await client.promo("NOPE", "k-promo")
        assert caught.value.is_refusal
        assert len(caught.value.reference) == 10
        for call in (
            client.booking("bk_none"),
            client.swap("sw_none"),
            client.receipt("sw_none"),
            client.invoice("in_none"),
            client.case("cs_none"),
            client.passport("pk_none"),
        ):
            with pytest.raises(ApiError) as caught:
                await call
            assert caught.value.kind is Kind.NOT_FOUND
        with pytest.raises(ApiError) as caught:
            await client.checkout(CheckoutWish("top_up", "/pay", 2500, "EUR"), "k-checkout")
        assert caught.value.code

    ask(paying, work, "DR-1")


def test_without_a_credential_the_door_asks_for_one(town: DriverTown) -> None:
    async def work(client: ApiClient) -> None:
        with pytest.raises(ApiError) as caught:
            await client.wallet()
        assert caught.value.kind is Kind.UNAUTHORISED

    ask(town, work, who="")
