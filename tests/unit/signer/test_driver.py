"""Driver processes: started fresh, one message at a time, ended when they hang."""

from collections.abc import Callable, Iterator

import pytest

from ledger.kernel.errors import Misconfigured
from ledger.signer import operations as ops
from ledger.signer.devices import Device, DeviceOut, DeviceSettings
from ledger.signer.driver import Module, ProcessDriver, load
from ledger.signer.faults import Names
from mobilegrid.devices import PKCS11_LOADER, SIMULATED_LOADER, module_of
from tests.support.devices import VirtualClock, made, surroundings

SUPPORT = "tests.support.simulated"
LOG_IN = ops.LogIn("123456", label="mobilegrid-a", writes=True)
Start = Callable[[str, str], ProcessDriver]


@pytest.fixture
def start() -> Iterator[Start]:
    drivers: list[ProcessDriver] = []

    def started(loader: str, argument: str) -> ProcessDriver:
        drivers.append(ProcessDriver(Module(f"{SUPPORT}:{loader}", argument)))
        return drivers[-1]

    yield started
    for driver in drivers:
        driver.stop()


def test_a_driver_starts_with_its_first_call_and_keeps_its_session(start: Start) -> None:
    driver = start("load_full", "full")
    assert driver.process_id == 0
    assert isinstance(driver.call(LOG_IN, 30), ops.Answer)
    process_id = driver.process_id
    assert isinstance(driver.call(ops.ListKeys(), 30), ops.Answer)
    assert driver.process_id == process_id > 0


def test_a_driver_that_hangs_is_ended_by_the_deadline(start: Start) -> None:
    driver = start("load_hanging", "generate_keypair")
    assert isinstance(driver.call(LOG_IN, 30), ops.Answer)
    reply = driver.call(ops.MakeSigningKey("documents-a", "ed25519"), 0.2)
    assert isinstance(reply, ops.Fault)
    assert reply.name == Names.HUNG
    assert driver.process_id == 0


def test_after_a_hang_the_next_call_meets_a_new_process(start: Start) -> None:
    driver = start("load_hanging", "generate_keypair")
    driver.call(LOG_IN, 30)
    first = driver.process_id
    driver.call(ops.MakeSigningKey("documents-a", "ed25519"), 0.2)
    assert driver.call(ops.ListKeys(), 30) == ops.Fault("SessionClosed", "not logged in")
    assert driver.process_id not in {0, first}


def test_a_hanging_device_rests_and_is_asked_again(start: Start) -> None:
    """The key is made by one driver; the one that signs hangs at every signature."""
    key = made(start("load_full", "full"), DeviceSettings("a", "123456", label="mobilegrid-a"),
               {"checkpoint-a": "ed25519"})[0]  # fmt: skip
    clock = VirtualClock()
    driver = start("load_hanging", "find_objects")
    settings = DeviceSettings("a", "123456", label="mobilegrid-a", keys=(key,))
    device = Device(settings, driver, surroundings(clock))
    for _ in range(2):
        with pytest.raises(DeviceOut, match=Names.HUNG):
            device.sign(key, b"head")
        assert (device.state.state, driver.process_id) == ("cooling", 0)
        clock.pass_seconds(61)


@pytest.mark.parametrize(
    ("loader", "reason"),
    [("load_dying", "OSError: no such library"), ("load_nothing", "there is no loader")],
)
def test_a_module_that_does_not_load_is_a_dead_driver_with_its_reason(
    start: Start, loader: str, reason: str
) -> None:
    reply = start(loader, "no such library").call(LOG_IN, 30)
    assert isinstance(reply, ops.Fault)
    assert reply.name == Names.DIED
    assert reason in reply.text


def test_a_loader_that_is_not_there_is_named() -> None:
    with pytest.raises(Misconfigured, match="there is no loader nowhere:load"):
        load(Module("nowhere:load", ""))


def test_a_missing_library_is_named() -> None:
    pytest.importorskip("pkcs11", reason="python-pkcs11 (extra hsm) is not installed")
    reply = ProcessDriver(Module(PKCS11_LOADER, "/no/such/module.so")).call(LOG_IN, 30)
    assert isinstance(reply, ops.Fault)
    assert "cannot load the module /no/such/module.so" in reply.text


def test_simulated_devices_are_refused_in_production() -> None:
    assert module_of("sim:a.device", is_production=False).loader == SIMULATED_LOADER
    assert module_of("/lib/module.so", is_production=True).loader == PKCS11_LOADER
    with pytest.raises(Misconfigured, match="refused in production"):
        module_of("sim:a.device", is_production=True)
