"""Devices for tests: a virtual clock, no real waiting, and devices on any driver."""

from random import Random  # noqa: TID251  seeded, as the style asks

from typing_extensions import override

from ledger.kernel.instants import Clock, Instant
from ledger.signer import operations as ops
from ledger.signer.devices import Device, DeviceSettings, Surroundings
from ledger.signer.driver import Driver
from ledger.signer.pkcs11_sessions import key_id_of
from ledger.signer.ports import PublicKey

START = 1_800_000_000_000_000


class VirtualClock(Clock):
    """A clock that moves when it is told."""

    def __init__(self) -> None:
        self.at = START

    @override
    def now(self) -> Instant:
        return Instant(self.at)

    def pass_seconds(self, seconds: float) -> None:
        self.at += round(seconds * 1_000_000)

    def sleep(self, duration_us: int) -> None:
        """Let time pass, as simulated devices ask for it."""
        self.at += duration_us


def surroundings(clock: VirtualClock, seed: int = 7) -> Surroundings:
    """Give a device virtual time, waiting that passes it, and seeded chance."""
    return Surroundings(clock, clock.pass_seconds, Random(seed).random)


def pinned(label: str, public_key: bytes, device: str, algorithm: str = "ed25519") -> PublicKey:
    return PublicKey(label, algorithm, public_key, key_id_of(public_key).hex(), device)


def made(driver: Driver, settings: DeviceSettings, labels: dict[str, str]) -> tuple[PublicKey, ...]:
    """Make signing keys on a token, label to algorithm: their public halves, to be pinned."""
    log_in = ops.LogIn(settings.pin, settings.serial, settings.label, writes=True)
    assert isinstance(driver.call(log_in, 30), ops.Answer)
    keys = []
    for label, algorithm in labels.items():
        answer = driver.call(ops.MakeSigningKey(label, algorithm), 30)
        assert isinstance(answer, ops.Answer), answer
        keys.append(pinned(label, answer.data, settings.device, algorithm))
    assert isinstance(driver.call(ops.LogOut(), 30), ops.Answer)
    return tuple(keys)


__all__ = ["START", "Device", "VirtualClock", "made", "pinned", "surroundings"]
