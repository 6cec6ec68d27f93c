"""Settings of the driver, and his data: export, consents, erasure."""

import re
from collections.abc import Awaitable, Callable

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.errors import STEP_UP, ApiError, Kind
from customer_app.api.wire_account import (
    Consent,
    Device,
    Erasure,
    Export,
    Passkey,
    Profile,
    Vehicle,
)
from customer_app.api.wire_money import Wallet
from customer_app.models.base import Model
from customer_app.models.commands import Means

CONSENT_TEXT = "2026-11"  # of the texts `data.consent.<purpose>`
LABEL_CHARACTERS, NAME_CHARACTERS = 40, 80
PLATE_CHARACTERS, VIN_CHARACTERS = 16, 17
VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
SETS = (1, 2, 3, 4)
OPEN_BALANCE = "open_balance"


@observable
class SettingsModel(Model):
    """Profile, vehicles, devices and passkeys."""

    def __init__(self, client: ApiClient, means: Means) -> None:
        Model.__init__(self)
        self._client = client
        self._adding = means.intention()
        self._etag = ""
        self.profile: Profile | None = None
        self.vehicles: tuple[Vehicle, ...] = ()
        self.devices: tuple[Device, ...] = ()
        self.passkeys: tuple[Passkey, ...] = ()
        self.label = ""
        self.pack_class = ""
        self.packs_per_set = 1
        self.plate = ""
        self.vin = ""
        self.changing = ""  # the id of the vehicle that is being changed
        self.wrong_fields: frozenset[str] = frozenset()
        self.changed_elsewhere = False

    @override
    async def fetch(self) -> None:
        """Read all four."""
        found = await self._client.profile()
        self.profile, self._etag = found.value, found.etag
        self.vehicles = (await self._client.vehicles()).items
        self.devices = (await self._client.devices()).items
        self.passkeys = (await self._client.passkeys()).items
        if not self.pack_class:
            self.pack_class = next(iter(self.classes()), "")

    def classes(self) -> tuple[str, ...]:
        """List the classes of packs that the contract knows."""
        contract = self.profile.contract if self.profile else None
        return contract.pack_classes if contract else ()

    async def set_language(self, language: str) -> None:
        """Tell the service in which language to write; what others changed meanwhile is shown."""
        self.changed_elsewhere = False

        async def send() -> None:
            try:
                found = await self._client.change_profile(self._etag, language=language)
            except ApiError as error:
                if error.kind is not Kind.CONFLICT:
                    raise
                await self.fetch()
                self.changed_elsewhere = True
            else:
                self.profile, self._etag = found.value, found.etag

        await self.attempt(send)

    # Vehicles, devices, passkeys ------------------------------------------------------------

    def type_label(self, text: str) -> None:
        """Take what is typed of a vehicle's name."""
        self.label, self.wrong_fields = text[:LABEL_CHARACTERS], frozenset()

    def type_plate(self, text: str) -> None:
        """Take what is typed of a vehicle's number plate."""
        self.plate, self.wrong_fields = text[:PLATE_CHARACTERS], frozenset()

    def type_vin(self, text: str) -> None:
        """Take what is typed of a vehicle's identification number (ISO 3779)."""
        self.vin, self.wrong_fields = text[:VIN_CHARACTERS].upper(), frozenset()

    def choose_class(self, pack_class: str) -> None:
        """Say which packs the vehicle takes."""
        self.pack_class = pack_class if pack_class in self.classes() else self.pack_class

    def choose_set(self, packs: str) -> None:
        """Say how many packs the vehicle takes at once."""
        if packs in map(str, SETS):
            self.packs_per_set = int(packs)

    async def add_vehicle(self) -> bool:
        """Tell us the vehicle that was typed."""
        given = self._typed()
        if given is None or not self.pack_class:
            return False

        async def send() -> None:
            await self._adding.run(
                lambda key: self._client.add_vehicle(given, key), tuple(given.items())
            )
            self.leave_vehicle()
            self.vehicles = (await self._client.vehicles()).items

        return await self.attempt(send)

    def _typed(self) -> dict[str, str | int] | None:
        """Give what was typed as the door takes it; nothing when a field of it is wrong."""
        label, plate, vin = self.label.strip(), self.plate.strip(), self.vin.strip()
        wrong = [] if label else ["label"]
        wrong += ["vin"] if vin and not VIN.fullmatch(vin) else []
        wrong += ["plate"] if plate and not plate.isprintable() else []
        self.wrong_fields = frozenset(wrong)
        if wrong:
            return None
        found: dict[str, str | int] = {
            "label": label,
            "pack_class": self.pack_class,
            "packs_per_set": self.packs_per_set,
        }
        # what stays empty stays as it is: the door shows plate and number masked
        return found | {name: text for name, text in (("plate", plate), ("vin", vin)) if text}

    def begin_changing(self, vehicle_id: str) -> None:
        """Put a vehicle into the form; plate and number are typed anew, for they come masked."""
        for each in self.vehicles:
            if each.id == vehicle_id:
                self.changing, self.label = each.id, each.label
                self.pack_class, self.packs_per_set = each.pack_class, each.packs_per_set
                self.plate, self.vin, self.wrong_fields = "", "", frozenset()

    def leave_vehicle(self) -> None:
        """Empty the form."""
        self.changing = self.label = self.plate = self.vin = ""
        self.wrong_fields = frozenset()

    async def change_vehicle(self) -> bool:
        """Change the vehicle in the form."""
        given, vehicle_id = self._typed(), self.changing
        if given is None or not vehicle_id:
            return False

        async def send() -> None:
            await self._client.change_vehicle(vehicle_id, given)
            self.leave_vehicle()
            self.vehicles = (await self._client.vehicles()).items

        return await self.attempt(send)

    async def remove_vehicle(self, vehicle_id: str) -> None:
        """Forget a vehicle."""

        async def send() -> None:
            await self._client.remove_vehicle(vehicle_id)
            self.vehicles = (await self._client.vehicles()).items

        await self.attempt(send)

    async def remove_device(self, device_id: str) -> None:
        """Sign out on another device."""

        async def send() -> None:
            await self._client.remove_device(device_id)
            self.devices = (await self._client.devices()).items

        await self.attempt(send)

    async def remove_passkey(self, passkey_id: str) -> None:
        """Remove a passkey; the door keeps the last one."""

        async def send() -> None:
            await self._client.remove_passkey(passkey_id)
            self.passkeys = (await self._client.passkeys()).items

        await self.attempt(send)


@observable
class DataModel(Model):
    """Export and erasure, each under a fresh passkey, and what the driver agreed to.

    Erasing asks for a word first (`word`, in the driver's language); `step_up_for` is what was
    being done when the door asked for the passkey.
    """

    def __init__(self, client: ApiClient, means: Means, word: str) -> None:
        Model.__init__(self)
        self._client = client
        self._exporting = means.intention()
        self._erasing = means.intention()
        self._withdrawing = means.intention()
        self.word = word
        self.typed = ""
        self.typed_is_wrong = False
        self.asks_to_erase = False
        self.export: Export | None = None
        self.erasure: Erasure | None = None
        self.consents: tuple[Consent, ...] = ()
        self.step_up_for = ""
        self.is_unconfirmed = False
        self.owed: Wallet | None = None

    @override
    async def fetch(self) -> None:
        """Read what was asked for before, and the consents."""
        self.consents = (await self._client.consents()).items
        self.erasure = await self._client.erasure()
        self.owed = None
        if OPEN_BALANCE in self.erasure.obstacles:
            self.owed = await self._client.wallet()
        archives = (await self._client.exports()).items
        self.export = max(archives, key=lambda each: each.asked_at, default=None)

    def wants(self, kind: str, _object_id: str) -> bool:
        """Follow the archive and the erasure."""
        return kind.startswith(("export", "erasure"))

    @property
    def is_ordered(self) -> bool:
        """Whether an erasure is ordered and can still be taken back."""
        return self.erasure is not None and self.erasure.state == "WAITING"

    async def ask_export(self) -> bool:
        """Ask for an archive."""

        async def send() -> None:
            self.export = await self._exporting.run(self._client.export_data)

        return await self._stepped("export", send)

    async def follow(self) -> None:
        """Ask again while an archive is being made; call this every few seconds."""
        if self.export is not None and self.export.state == "WAITING":
            await self.load()

    # Erasing --------------------------------------------------------------------------------

    def begin_erasing(self) -> None:
        """Show what goes and what stays."""
        self.asks_to_erase, self.typed, self.typed_is_wrong = True, "", False

    def give_up(self) -> None:
        """Close the question."""
        self.asks_to_erase = False

    def type_word(self, text: str) -> None:
        """Take what is typed."""
        self.typed, self.typed_is_wrong = text[:20], False

    async def erase(self) -> bool:
        """Order the erasure, once the word was typed."""
        if self.typed.strip() != self.word:
            self.typed_is_wrong = True
            return False

        async def send() -> None:
            self.erasure = await self._erasing.run(self._client.erase_me)
            self.asks_to_erase = False

        return await self._stepped("erase", send)

    async def withdraw(self) -> bool:
        """Take the erasure back."""

        async def send() -> None:
            self.erasure = await self._withdrawing.run(self._client.withdraw_erasure)

        return await self.attempt(send)

    async def set_consent(self, purpose: str, *, granted: bool) -> None:
        """Agree to something, or take it back."""
        if purpose not in {each.purpose for each in self.consents}:
            return

        async def send() -> None:
            found = await self._client.set_consent(
                purpose, granted=granted, text_version=CONSENT_TEXT
            )
            self.consents = found.items

        await self.attempt(send)

    async def _stepped(self, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Do what needs a fresh passkey, and remember what it was while the driver proves it.

        Who comes back and is asked again has not proven it.
        """
        before = self.step_up_for
        done = await self.attempt(work)
        asked = self.error is not None and self.error.code == STEP_UP
        self.step_up_for = name if asked else ""
        self.is_unconfirmed = asked and name == "erase" == before
        return done
