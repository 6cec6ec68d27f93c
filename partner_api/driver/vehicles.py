"""Vehicles of a driver: what packs they take is in the ledger, what names them in the vault."""

from typing import Any

from litestar import Response, delete, get, patch, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from ledger.domain.vehicles import VEHICLES, RemoveVehicle, SetVehicle, Vehicle
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import derived_id
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, parts_of, read_body
from partner_api.driver.bodies_profile import VehicleIn, VehicleOut, VehiclePatch, VehiclesOut
from partner_api.driver.own import Own, read_own
from partner_api.driver.profile import texts_of, tidy
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, principal_of, submitted

VEHICLES_MAX = 10
SHOWN_AT_END = 4
MASK = "•"


def masked(text: str) -> str:
    """Show the end of what names a vehicle, and how long it is.

    >>> masked("VF1AAAAA123456789"), masked("AB-1")
    ('•••••••••••••6789', '•••1')
    """
    shown = SHOWN_AT_END if len(text) > 2 * SHOWN_AT_END else 1
    return MASK * (len(text) - shown) + text[-shown:]


def field_of(vehicle_id: str) -> str:
    """Name the field of the vault that names a vehicle."""
    return f"vehicle_{vehicle_id.lower().replace('-', '_')}"


def _out(row: Vehicle, named: Any) -> VehicleOut:
    return VehicleOut(
        id=row.vehicle_id,
        pack_class=row.pack_class,
        packs_per_set=row.packs_per_set,
        label=named.get("label", ""),
        vin=masked(named["vin"]) if "vin" in named else "",
        plate=masked(named["plate"]) if "plate" in named else "",
    )


def _named(own: Own, rows: list[Vehicle]) -> list[VehicleOut]:
    texts = own.parts.texts
    names = [field_of(row.vehicle_id) for row in rows]
    known = texts.read(own.driver_id, names) if texts is not None and names else {}
    return [_out(row, known.get(field_of(row.vehicle_id), {})) for row in rows]


def _one(own: Own, vehicle_id: str) -> Vehicle:
    row = own.row(VEHICLES, vehicle_id)
    if row.is_removed:
        raise NotFound("no vehicle of his")
    return row


@get("/vehicles", operation_id="list_vehicles", opt=asks(Action.READ_DRIVER))
async def list_vehicles(request: HttpRequest) -> Response[VehiclesOut]:
    """List the driver's vehicles."""
    return await read_own(
        request, lambda own: own.answer(VehiclesOut(_named(own, own.rows(VEHICLES))))
    )


@post(
    "/vehicles",
    operation_id="keep_vehicle",
    opt=asks(Action.WRITE_DRIVER, body=VehicleIn),
    status_code=201,
)
async def keep_vehicle(request: HttpRequest) -> Response[VehicleOut]:
    """Keep a vehicle of the driver; its number and plate are sealed and shown masked."""
    body, key = await read_body(request, VehicleIn), idempotency_key(request)
    driver_id = principal_of(request).id
    vehicle_id = derived_id("VH", driver_id, key)
    given = {"label": tidy(body.label, "label")}
    given |= _given(body.vin, "vin") | _given(body.plate, "plate")

    def count(own: Own) -> bool:
        if own.reads.row(VEHICLES, vehicle_id) is not None:
            return True
        if len(own.rows(VEHICLES)) >= VEHICLES_MAX:
            raise DoorProblem("too_many", f"at most {VEHICLES_MAX} vehicles")
        return False

    is_known = await read_own(request, count)
    named = None if is_known else await _kept(request, vehicle_id, given)
    command = SetVehicle(
        vehicle_id=vehicle_id,
        driver_id=driver_id,
        pack_class=body.pack_class,
        packs_per_set=body.packs_per_set,
        named=named,
    )
    receipt = await submitted(request, command, key)
    said = await read_own(request, lambda own: _named(own, [_one(own, vehicle_id)])[0])
    return created(said, receipt)


@patch(
    "/vehicles/{vehicle_id:str}",
    operation_id="change_vehicle",
    opt=asks(Action.WRITE_DRIVER, body=VehiclePatch),
)
async def change_vehicle(request: HttpRequest, vehicle_id: FromPath[str]) -> Response[VehicleOut]:
    """Change a vehicle of the driver; what is absent stays."""
    row = await read_own(request, lambda own: _one(own, vehicle_id))
    body = await read_body(request, VehiclePatch)
    given = _given(body.vin, "vin") | _given(body.plate, "plate")
    if isinstance(body.label, str):
        given["label"] = tidy(body.label, "label")
    named = await _kept(request, vehicle_id, given) if given else None
    command = SetVehicle(
        vehicle_id=vehicle_id,
        driver_id=row.driver_id,
        pack_class=row.pack_class if body.pack_class is UNSET else body.pack_class,
        packs_per_set=row.packs_per_set if body.packs_per_set is UNSET else body.packs_per_set,
        named=named,
    )
    await submitted(request, command, fresh_key(request))
    return await read_own(request, lambda own: own.answer(_named(own, [_one(own, vehicle_id)])[0]))


@delete(
    "/vehicles/{vehicle_id:str}",
    operation_id="remove_vehicle",
    opt=asks(Action.WRITE_DRIVER),
    status_code=204,
)
async def remove_vehicle(request: HttpRequest, vehicle_id: FromPath[str]) -> None:
    """Let a vehicle of the driver go; what named it is forgotten."""
    row = await read_own(request, lambda own: _one(own, vehicle_id))
    command = RemoveVehicle(vehicle_id=vehicle_id, driver_id=row.driver_id)
    await submitted(request, command, fresh_key(request))
    texts = parts_of(request).texts
    if texts is not None:
        await sync_to_thread(texts.keep, row.driver_id, {field_of(vehicle_id): {}})


def fresh_key(request: HttpRequest) -> str:
    """Give the key of a command that is repeatable by nature: the one sent, or a new one."""
    if "idempotency-key" in request.headers:
        return idempotency_key(request)
    return parts_of(request).ids.key().hex()


def _given(text: str | UnsetType, name: str) -> dict[str, str]:
    """Read what names a vehicle; "" takes it away."""
    if isinstance(text, UnsetType):
        return {}
    return {name: tidy(text, name) if text else ""}


async def _kept(request: HttpRequest, vehicle_id: str, given: dict[str, str]) -> bytes:
    """Keep what names a vehicle, over what is known; give the commitment of the whole."""
    texts, driver_id = texts_of(request), principal_of(request).id
    name = field_of(vehicle_id)

    def keep() -> bytes:
        before = texts.read(driver_id, (name,)).get(name, {})
        assert isinstance(before, dict), "it was kept as one"
        named = {field: text for field, text in (before | given).items() if text}
        return texts.keep(driver_id, {name: named})[name]

    return await sync_to_thread(keep)


ROUTES = (list_vehicles, keep_vehicle, change_vehicle, remove_vehicle)
