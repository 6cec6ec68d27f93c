"""Calls about the driver: profile, vehicles, devices, passkeys, privacy."""

from collections.abc import Mapping

from customer_app.api.calls import Calls, Versioned, path, read_answer
from customer_app.api.http import Ask
from customer_app.api.wire_account import (
    Consents,
    Devices,
    Erasure,
    Export,
    Exports,
    Passkeys,
    Profile,
    Vehicle,
    Vehicles,
)


class AccountCalls(Calls):
    """The driver's own data."""

    async def profile(self) -> Versioned[Profile]:
        """Give the driver's profile."""
        return await self._versioned(Profile, path("profile"))

    async def change_profile(self, etag: str, **changes: str) -> Versioned[Profile]:
        """Change some of the profile, if it still is as it was read."""
        answer = await self.transport.change(path("profile"), dict(changes), etag)
        return Versioned(read_answer(Profile, answer), answer.etag)

    async def vehicles(self) -> Vehicles:
        """List the driver's vehicles."""
        return await self._get(Vehicles, path("vehicles"))

    async def add_vehicle(self, about: Mapping[str, str | int], key: str) -> Vehicle:
        """Tell us a vehicle: `label`, `pack_class`, `packs_per_set`, perhaps `plate` and `vin`."""
        return await self._command(Vehicle, path("vehicles"), about, key)

    async def change_vehicle(self, vehicle_id: str, about: Mapping[str, str | int]) -> Vehicle:
        """Change some of a vehicle; what is not given stays."""
        ask = Ask("PATCH", path("vehicles", vehicle_id), body=dict(about))
        return read_answer(Vehicle, await self.transport.send(ask))

    async def remove_vehicle(self, vehicle_id: str) -> None:
        """Forget a vehicle."""
        await self.transport.delete(path("vehicles", vehicle_id))

    async def devices(self) -> Devices:
        """List where the driver is signed in."""
        return await self._get(Devices, path("devices"))

    async def remove_device(self, device_id: str) -> None:
        """Sign out on a device."""
        await self.transport.delete(path("devices", device_id))

    async def passkeys(self) -> Passkeys:
        """List the driver's passkeys."""
        return await self._get(Passkeys, path("passkeys"))

    async def remove_passkey(self, passkey_id: str) -> None:
        """Remove a passkey; the last one stays."""
        await self.transport.delete(path("passkeys", passkey_id))

    async def export_data(self, key: str) -> Export:
        """Ask for an archive of everything."""
        return await self._command(Export, path("exports"), {}, key)

    async def exports(self) -> Exports:
        """List the archives of the last days."""
        return await self._get(Exports, path("exports"))

    async def erase_me(self, key: str) -> Erasure:
        """Order the erasure of the driver's data."""
        return await self._command(Erasure, path("erasure"), {}, key)

    async def erasure(self) -> Erasure:
        """Say how far the erasure is."""
        return await self._get(Erasure, path("erasure"))

    async def withdraw_erasure(self, key: str) -> Erasure:
        """Take the erasure back."""
        return await self._command(Erasure, path("erasure", "withdraw"), {}, key)

    async def consents(self) -> Consents:
        """Say what the driver agreed to."""
        return await self._get(Consents, path("consents"))

    async def set_consent(self, purpose: str, *, granted: bool, text_version: str) -> Consents:
        """Agree, or take it back; `text_version` names the text that was read."""
        body = {"purpose": purpose, "granted": granted, "text_version": text_version}
        return (await self._put(Consents, path("consents"), body)).value
