"""The app's reading of the door: what is missing, odd or new, beside the door's own structs."""

import dataclasses
import json
import types
import typing
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from customer_app.api import (
    wire_account,
    wire_bills,
    wire_journey,
    wire_money,
    wire_packs,
    wire_stations,
    wire_support,
    wire_trips,
)
from customer_app.api.fake_town import TownDoor
from customer_app.api.wire import NotUnderstood, decode, read
from partner_api.driver import (
    bodies_bills,
    bodies_journey,
    bodies_money,
    bodies_packs,
    bodies_profile,
    bodies_stations,
    bodies_support,
    bodies_trips,
)

NOW = datetime(2026, 11, 24, 13, tzinfo=UTC)
WIRES = (
    wire_account,
    wire_bills,
    wire_journey,
    wire_money,
    wire_packs,
    wire_stations,
    wire_support,
    wire_trips,
)
BODIES = (
    bodies_bills,
    bodies_journey,
    bodies_money,
    bodies_packs,
    bodies_profile,
    bodies_stations,
    bodies_support,
    bodies_trips,
)


def structs() -> dict[str, type[msgspec.Struct]]:
    """Name the door's answers as the app names them: without `Out`."""
    found = {}
    for module in BODIES:
        for name, kind in vars(module).items():
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                found[name.removesuffix("Out")] = kind
    return found


def shapes() -> list[tuple[str, Any]]:
    return [
        (f"{module.__name__.rpartition('.')[2]}.{name}", kind)
        for module in WIRES
        for name, kind in vars(module).items()
        if dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
    ]


@dataclasses.dataclass(frozen=True)
class Inner:
    n: int
    at: datetime | None = None


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    many: tuple[Inner, ...] = ()
    words: dict[str, str] = dataclasses.field(default_factory=dict)
    on: bool = False


GOOD: dict[str, Any] = {"name": "x", "inner": {"n": 1}}


def test_what_is_new_is_passed_over_and_what_may_be_missing_takes_its_default() -> None:
    found = decode(Outer, {**GOOD, "later": {"deep": [1]}})
    assert found == Outer("x", Inner(1))


def test_a_time_is_read_in_utc() -> None:
    found = decode(Inner, {"n": 1, "at": "2026-11-24T14:05:00+01:00"})
    assert found.at == datetime(2026, 11, 24, 13, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "body.name"),
        ({"name": 7}, "body.name"),
        ({"inner": {}}, "body.inner.n"),
        ({"inner": {"n": True}}, "body.inner.n"),
        ({"inner": {"n": 1.0}}, "body.inner.n"),
        ({"inner": {"n": "1"}}, "body.inner.n"),
        ({"inner": {"n": 1, "at": "yesterday"}}, "body.inner.at"),
        ({"inner": {"n": 1, "at": "2026-11-24T14:05:00"}}, "body.inner.at"),
        ({"inner": {"n": 1, "at": 7}}, "body.inner.at"),
        ({"inner": []}, "body.inner"),
        ({"many": {}}, "body.many"),
        ({"many": [{"n": 1}, {"n": None}]}, "body.many.1.n"),
        ({"words": {"a": 1}}, "body.words.a"),
        ({"on": "true"}, "body.on"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_field(
    change: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotUnderstood) as caught:
        decode(Outer, {**GOOD, **change})
    assert caught.value.field == field


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b"null"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(NotUnderstood) as caught:
        read(Outer, body)
    assert caught.value.field == "body"


@pytest.mark.parametrize(("name", "shape"), shapes())
def test_every_answer_has_the_members_of_the_doors_own(name: str, shape: Any) -> None:
    """A member that the app needs must be one that the door always sends."""
    struct = structs()[name.rpartition(".")[2]]
    theirs = {each.name: each for each in msgspec.structs.fields(struct)}
    ours = {each.name: each for each in dataclasses.fields(shape)}
    assert set(ours) == set(theirs)
    for each in ours.values():
        needed = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        may_be_left_out = struct.__struct_config__.omit_defaults and not theirs[each.name].required
        assert not (needed and may_be_left_out), each.name


@pytest.mark.parametrize(("name", "shape"), shapes())
def test_every_member_has_the_kind_of_the_doors_own(name: str, shape: Any) -> None:
    struct = structs()[name.rpartition(".")[2]]
    ours, theirs = typing.get_type_hints(shape), typing.get_type_hints(struct)
    for member, kind in ours.items():
        assert plain(kind) == plain(theirs[member]), member


def plain(kind: Any) -> object:
    """Compare kinds across the wall: times travel as text, tuples as lists, answers by name."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        kept = [a for a in typing.get_args(kind) if a not in {types.NoneType, msgspec.UnsetType}]
        return plain(kept[0])
    if typing.get_origin(kind) is typing.Literal:
        return str
    if kind is datetime:
        return str
    if typing.get_origin(kind) in {list, tuple}:
        return ("many", plain(typing.get_args(kind)[0]))
    if typing.get_origin(kind) is dict:
        return ("by name", plain(typing.get_args(kind)[1]))
    if isinstance(kind, type):
        return kind.__name__.removesuffix("Out") if kind not in {str, int, bool} else kind
    return kind


# Which struct each answer of the fake door has, so that the fake cannot drift from the real one
FAKED: dict[str, type[msgspec.Struct]] = {
    "/stations": bodies_stations.StationsOut,
    "/stations/map": bodies_stations.MapOut,
    "/stations/st_mitte": bodies_stations.StationSheetOut,
    "/stations/st_mitte/availability": bodies_stations.AvailabilityOut,
    "/stations/st_mitte/hours": bodies_stations.HoursOut,
    "/offers": bodies_stations.OffersOut,
    "/public/packs/AB12": bodies_packs.PublicPackOut,
    "/bookings": bodies_journey.BookingsOut,
    "/bookings/bk_1": bodies_journey.BookingOut,
    "/bookings/bk_1/ticket": bodies_journey.TicketOut,
    "/swaps": bodies_journey.SwapsOut,
    "/swaps/sw_1": bodies_journey.SwapOut,
    "/packs/mine": bodies_packs.MyPacksOut,
    "/packs/pk_new": bodies_packs.MyPackOut,
    "/packs/pk_new/health": bodies_packs.HealthOut,
    "/packs/pk_new/passport": bodies_packs.PassportOut,
    "/wallet": bodies_money.WalletOut,
    "/wallet/entries": bodies_money.WalletEntriesOut,
    "/methods": bodies_money.MethodsOut,
    "/plans": bodies_money.PlansOut,
    "/subscription": bodies_money.SubscriptionOut,
    "/receipts": bodies_bills.ReceiptsOut,
    "/receipts/sw_low": bodies_bills.ReceiptOut,
    "/invoices": bodies_bills.InvoicesOut,
    "/invoices/in_1": bodies_bills.InvoiceOut,
    "/profile": bodies_profile.ProfileOut,
    "/vehicles": bodies_profile.VehiclesOut,
    "/devices": bodies_profile.DevicesOut,
    "/passkeys": bodies_profile.PasskeysOut,
    "/consents": bodies_profile.ConsentsOut,
    "/exports": bodies_profile.ExportsOut,
    "/erasure": bodies_profile.ErasureOut,
    "/cases": bodies_support.CasesListOut,
    "/notices": bodies_support.NoticesOut,
    "/notice-settings": bodies_support.NoticeSettings,
}


@pytest.mark.parametrize(("path", "struct"), FAKED.items())
def test_the_fake_door_answers_as_the_real_one_would(
    path: str, struct: type[msgspec.Struct]
) -> None:
    door = TownDoor(lambda: NOW)
    door.put_booking()
    door.put_swap()
    for state in ("ACCEPTED", "HALF_IN", "COMPLETED"):
        door.step("sw_1", state)
    found = door.things[path]
    body = json.dumps(found() if callable(found) else found)
    made = msgspec.json.decode(body, type=struct)
    known = {each.name for each in msgspec.structs.fields(struct)}
    assert set(json.loads(body)) <= known
    assert isinstance(made, struct)
