"""A driver himself: his profile, where he is signed in, and his passkeys.

Name, language, currency and preferences are personal and lie in the vault; packs, plan and blocks
are what the ledger says.
"""

import re
import unicodedata
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Response, delete, get, patch
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.blocks import DRIVER_BLOCKS
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.money.plans import SUBSCRIPTIONS
from ledger.domain.saga import SWAPS
from ledger.domain.vehicles import VEHICLES
from ledger.kernel.errors import Malformed, Unavailable
from ledger.kernel.instants import as_text
from ledger.runtime.personal_texts import PersonalTexts
from partner_api.auth import Action
from partner_api.deps import asks, parts_of, read_body
from partner_api.driver.bodies_profile import (
    BalanceReasonOut,
    BlockOut,
    ContractOut,
    DeviceOut,
    DevicesOut,
    PasskeyOut,
    PasskeysOut,
    Preferences,
    ProfileIn,
    ProfileOut,
)
from partner_api.driver.own import Own, read_own
from partner_api.driver.signin_pages import flow_of
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, principal_of

FIELDS = ("display_name", "language", "currency", "preferences")
_TAG = re.compile(r'"[0-9a-f]{32}"')


def texts_of(request: HttpRequest) -> PersonalTexts:
    """Give what keeps personal fields; `Unavailable` where no vault is open."""
    texts = parts_of(request).texts
    if texts is None:
        raise Unavailable("no personal data can be kept here")
    return texts


def tidy(text: str, field: str) -> str:
    """Give a name in its one form: composed, without blanks around; `Malformed` for no name."""
    found = unicodedata.normalize("NFC", text).strip()
    if not found or not found.isprintable():
        raise Malformed("visible characters", field=field)
    return found


# Profile ----------------------------------------------------------------------


def profile_of(own: Own) -> ProfileOut:
    """Make the profile of the driver who asks."""
    texts = own.parts.texts
    known = texts.read(own.driver_id, FIELDS) if texts is not None else {}
    packs = own.rows(DRIVER_PACKS)
    plan = own.reads.row(SUBSCRIPTIONS, own.driver_id)
    entitled = [row for row in packs if row.entitled]
    balance = sum(row.deviation for row in packs)
    shown = {name: str(known[name]) for name in FIELDS[:3] if name in known}
    return ProfileOut(
        id=own.driver_id,
        driver_id=own.driver_id,
        contract=ContractOut(
            sum(row.entitled for row in entitled),
            sorted(row.pack_class for row in entitled),
            plan.plan_id if plan is not None else "",
        ),
        balance_packs=balance,
        balance_reason=_balance_reason(own) if balance else msgspec.UNSET,
        block=_block(own),
        preferences=msgspec.convert(known.get("preferences", {}), Preferences),
        **shown,
    )


def _balance_reason(own: Own) -> BalanceReasonOut | msgspec.UnsetType:
    open_swaps = [row for row in own.rows(SWAPS) if row.balance()]
    if not open_swaps:
        return msgspec.UNSET
    return BalanceReasonOut(max(open_swaps, key=lambda row: row.since_at).swap_id)


def _block(own: Own) -> BlockOut | msgspec.UnsetType:
    row = own.reads.row(DRIVER_BLOCKS, own.driver_id)
    if row is None or not row.reasons:
        return msgspec.UNSET
    code, _, about = row.reasons[0].partition(" ")
    return BlockOut(code.lower(), about)


def _tagged(own: Own, said: ProfileOut) -> Response[ProfileOut]:
    answer = own.answer(said)
    answer.headers["ETag"] = tag_of(said)
    return answer


def tag_of(said: ProfileOut) -> str:
    """Name a profile by its content; the same content has the same name."""
    return f'"{sha256(msgspec.json.encode(said)).hexdigest()[:32]}"'


@get("/profile", operation_id="read_profile", opt=asks(Action.READ_DRIVER))
async def read_profile(request: HttpRequest) -> Response[ProfileOut]:
    """Give the profile of the driver who asks, with the tag that a change names."""
    return await read_own(request, lambda own: _tagged(own, profile_of(own)))


@patch(
    "/profile",
    operation_id="change_profile",
    opt=asks(Action.WRITE_DRIVER, body=ProfileIn) | {"also": (412, 428)},
)
async def change_profile(request: HttpRequest) -> Response[ProfileOut]:
    """Change name, language, currency or preferences of the profile that `If-Match` names."""
    body = await read_body(request, ProfileIn)
    sent = request.headers.getall("if-match", [])
    if not sent:
        raise DoorProblem("precondition_missing")
    texts = texts_of(request)
    given: dict[str, Any] = msgspec.to_builtins(body)
    if "display_name" in given:
        given["display_name"] = tidy(given["display_name"], "display_name")

    def change(own: Own) -> None:
        if len(sent) != 1 or sent[0] != tag_of(profile_of(own)):
            raise DoorProblem("precondition_failed")
        if "preferences" in given:
            _check_vehicle(own, given["preferences"].get("default_vehicle_id", ""))
            before = texts.read(own.driver_id, ("preferences",)).get("preferences", {})
            assert isinstance(before, dict), "it was kept as one"
            given["preferences"] = before | given["preferences"]
        if given:
            texts.keep(own.driver_id, given)

    await read_own(request, change)
    return await read_own(request, lambda own: _tagged(own, profile_of(own)))


def _check_vehicle(own: Own, vehicle_id: str) -> None:
    """See that the vehicle he usually drives is his; another's is like none."""
    row = own.reads.row(VEHICLES, vehicle_id) if vehicle_id else None
    if vehicle_id and (row is None or row.driver_id != own.driver_id or row.is_removed):
        raise Malformed("no vehicle of yours", field="preferences.default_vehicle_id")


# Devices and passkeys ---------------------------------------------------------


@get("/devices", operation_id="list_devices", opt=asks(Action.READ_DRIVER))
async def list_devices(request: HttpRequest) -> Response[DevicesOut]:
    """List where the driver is signed in."""
    principal, sessions = principal_of(request), flow_of(request).sessions
    rows = await sync_to_thread(sessions.devices, principal.id)
    items = [
        DeviceOut(
            id=row.session_id,
            label=row.label,
            signed_in_at=as_text(row.made_at),
            last_seen_at=as_text(row.seen_at),
            current=row.session_id == principal.device_id,
        )
        for row in rows
    ]
    return Response(DevicesOut(items))


@delete(
    "/devices/{device_id:str}",
    operation_id="remove_device",
    opt=asks(Action.WRITE_DRIVER),
    status_code=204,
)
async def remove_device(request: HttpRequest, device_id: FromPath[str]) -> None:
    """Sign the driver out on a device of his; nothing that it holds works any more."""
    principal, sessions = principal_of(request), flow_of(request).sessions
    await sync_to_thread(sessions.end_device, principal.id, device_id)


@get("/passkeys", operation_id="list_passkeys", opt=asks(Action.READ_DRIVER))
async def list_passkeys(request: HttpRequest) -> Response[PasskeysOut]:
    """List the driver's passkeys."""
    rows = await sync_to_thread(flow_of(request).passkeys_of, principal_of(request).id)
    items = [
        PasskeyOut(row.passkey_id, row.label, as_text(row.made_at), as_text(row.used_at))
        for row in rows
    ]
    return Response(PasskeysOut(items))


@delete(
    "/passkeys/{passkey_id:str}",
    operation_id="remove_passkey",
    opt=asks(Action.WRITE_DRIVER, step_up=True),
    status_code=204,
)
async def remove_passkey(request: HttpRequest, passkey_id: FromPath[str]) -> None:
    """Forget a passkey of the driver; the last one stays."""
    flow, driver_id = flow_of(request), principal_of(request).id
    await sync_to_thread(flow.remove_passkey, driver_id, passkey_id)


ROUTES = (
    read_profile,
    change_profile,
    list_devices,
    remove_device,
    list_passkeys,
    remove_passkey,
)
