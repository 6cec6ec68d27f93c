"""A module whose server is killed: no wrong answer, and work again when the server is back."""

import os
import time
from collections.abc import Iterator

import pytest

from ledger.signer.devices import Device, DeviceOut, DeviceSettings, verifies
from ledger.signer.driver import Module, ProcessDriver
from tests.contract.hsm.peers import SOFTHSM, SocketServer, library, short_folder, softhsm_token
from tests.support.devices import VirtualClock, made, surroundings

pytestmark = [pytest.mark.tool, pytest.mark.slow, pytest.mark.xdist_group("hsm")]

KILLS = int(os.environ.get("MOBILEGRID_HSM_KILLS", "50"))
RECOVERY_SECONDS = 2.0


@pytest.fixture
def server() -> Iterator[SocketServer]:
    with short_folder() as folder:
        server = SocketServer(folder)
        server.start()
        yield server
        server.kill()


def test_after_each_kill_of_the_server_the_device_signs_again_within_two_seconds(
    server: SocketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.place.environ.items():
        monkeypatch.setenv(name, value)
    driver = ProcessDriver(Module(server.place.setup.loader, server.place.setup.argument))
    settings = DeviceSettings("a", "123456", label="mobilegrid-a")
    (key,) = made(driver, settings, {"station": "p-256"})
    clock = VirtualClock()
    device = Device(
        DeviceSettings("a", "123456", label="mobilegrid-a", keys=(key,)),
        driver,
        surroundings(clock),
    )
    slowest = 0.0
    try:
        for number in range(KILLS):
            message = b"observation %d" % number
            assert verifies(key, message, device.sign(key, message))
            server.kill()
            if number % 2:  # asked while the server is away: an explicit answer, then a rest
                with pytest.raises(DeviceOut):
                    device.sign(key, message)
                assert device.state.state == "cooling"
                clock.pass_seconds(60)
            began = time.monotonic()
            server.start()
            assert verifies(key, message, device.sign(key, message))
            slowest = max(slowest, time.monotonic() - began)
    finally:
        driver.stop()
    assert slowest < RECOVERY_SECONDS, f"{KILLS} kills, the slowest recovery took {slowest:.3f} s"


def test_a_killed_driver_process_is_started_again_and_the_caller_sees_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with short_folder() as folder:
        for name, value in softhsm_token(folder).items():
            monkeypatch.setenv(name, value)
        driver = ProcessDriver(Module("mobilegrid.devices:load_pkcs11", library(*SOFTHSM)))
        settings = DeviceSettings("a", "123456", label="mobilegrid-a")
        (key,) = made(driver, settings, {"checkpoint-a": "ed25519"})
        device = Device(
            DeviceSettings("a", "123456", label="mobilegrid-a", keys=(key,)),
            driver,
            surroundings(VirtualClock()),
        )
        seen = set()
        for number in range(5):
            message = b"checkpoint %d" % number
            assert verifies(key, message, device.sign(key, message))
            seen.add(driver.process_id)
            os.kill(driver.process_id, 9)
        driver.stop()
        assert (len(seen), device.state.state) == (5, "up")
