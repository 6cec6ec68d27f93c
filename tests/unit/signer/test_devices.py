"""One device and its breaker: what is done about each class of fault, and how often a PIN is tried.

The matrix goes over every name we know and three we do not; a scripted driver gives the faults.
"""

import pytest

from ledger.kernel.instants import SECOND
from ledger.signer.devices import (
    COOL_DOWN_MAX,
    COOL_DOWN_MIN,
    Device,
    DeviceOut,
    DeviceSettings,
    verifies,
)
from ledger.signer.faults import FAULT_CLASSES, FaultClass, Names, fault_class, name_of
from ledger.signer.ports import PublicKey
from tests.support.devices import VirtualClock, pinned, surroundings
from tests.support.scripted import ScriptedDriver, Trouble

LABEL = "checkpoint-a"
FOR_EVER = 1_000_000
NAMES = sorted({*FAULT_CLASSES, "SomethingNew", "ValueError"})


class Bench:
    """A device with one key on a scripted driver."""

    def __init__(self, pin: str = "123456", *, counts_pins: bool = True) -> None:
        self.clock = VirtualClock()
        self.driver = ScriptedDriver((LABEL,))
        self.key = pinned(LABEL, self.driver.public(LABEL), "a")
        self.device = self.with_keys((self.key,), pin, counts_pins=counts_pins)

    def with_keys(
        self, keys: tuple[PublicKey, ...], pin: str = "123456", *, counts_pins: bool = True
    ) -> Device:
        settings = DeviceSettings("a", pin, label="t", keys=keys, counts_pins=counts_pins)
        return Device(settings, self.driver, surroundings(self.clock))

    def signs(self, message: bytes = b"head") -> bool:
        """Ask for a signature: a right one, or an explicit refusal; nothing else may come."""
        try:
            signature = self.device.sign(self.key, message)
        except DeviceOut:
            return False
        assert verifies(self.key, message, signature)
        return True

    @property
    def state(self) -> str:
        return self.device.state.state


# The matrix -----------------------------------------------------------------------------------

ONCE = {
    FaultClass.SESSION: (True, "up"),
    FaultClass.DEVICE: (True, "up"),
    FaultClass.BUSY: (True, "up"),
    FaultClass.OPERATOR: (False, "blocked"),
    FaultClass.HANG: (False, "cooling"),
    FaultClass.WRONG_SIGNATURE: (True, "up"),
    FaultClass.KEY_CHANGED: (False, "blocked"),
    FaultClass.REQUEST: (False, "up"),
}
"""Whether the caller is served all the same, and how the device stands then."""

ALWAYS = {
    **ONCE,
    FaultClass.SESSION: (False, "cooling"),
    FaultClass.DEVICE: (False, "cooling"),
    FaultClass.BUSY: (False, "cooling"),
    FaultClass.WRONG_SIGNATURE: (False, "blocked"),
}


def test_the_matrix_knows_forty_kinds_of_errors_at_least() -> None:
    assert len(set(NAMES)) >= 40


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("after", [False, True], ids=["before the work", "reply lost"])
@pytest.mark.parametrize("times", [1, FOR_EVER], ids=["once", "for ever"])
def test_each_fault_has_its_reaction(name: str, times: int, *, after: bool) -> None:
    bench = Bench()
    assert bench.signs()
    tried = len(bench.driver.pins_tried)
    bench.driver.trouble(Trouble(name, "Sign", times, after))
    expected = (ONCE if times == 1 else ALWAYS)[fault_class(name)]
    assert (bench.signs(), bench.state) == expected
    assert len(bench.driver.pins_tried) <= tried + 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("after", [False, True], ids=["before the PIN", "after it"])
def test_a_fault_at_the_login_costs_one_pin_try_at_most(name: str, *, after: bool) -> None:
    bench = Bench()
    bench.driver.trouble(Trouble(name, "LogIn", FOR_EVER, after))
    assert not bench.signs()
    assert len(bench.driver.pins_tried) <= 1
    assert bench.state in {"cooling", "blocked", "up"}


@pytest.mark.parametrize("name", NAMES)
def test_a_device_that_hangs_is_ended_and_asked_again_later(name: str) -> None:
    """Whatever fault came first: a hang after it ends the driver, and the device comes back."""
    bench = Bench()
    assert bench.signs()
    bench.driver.trouble(Trouble(name), Trouble(Names.HUNG))
    for _ in range(2):
        bench.signs()
        bench.clock.pass_seconds(61)
    if bench.state == "blocked":
        assert fault_class(name) in {FaultClass.OPERATOR, FaultClass.KEY_CHANGED}
        bench.driver.troubles.clear()
        bench.device.unblock()
    assert bench.signs()
    assert bench.state == "up"


# The breaker ----------------------------------------------------------------------------------


def test_the_cool_down_doubles_to_a_minute_and_starts_again_after_a_success() -> None:
    bench = Bench()
    assert bench.signs()
    for _ in range(2):
        bench.driver.trouble(Trouble("DeviceError", "Sign", FOR_EVER))
        rests = []
        for _ in range(6):
            assert not bench.signs()
            since = bench.clock.now()
            calls = bench.driver.calls["Sign"]
            while bench.driver.calls["Sign"] == calls:
                bench.clock.at += SECOND
                bench.signs()
            rests.append((bench.clock.now() - since) // SECOND)
            bench.clock.at += COOL_DOWN_MAX  # over the rest that this try began
        bench.driver.troubles.clear()
        assert rests[0] == COOL_DOWN_MIN // SECOND
        assert max(rests) == COOL_DOWN_MAX // SECOND
        assert bench.signs()


def test_a_resting_device_is_not_asked() -> None:
    bench = Bench()
    assert bench.signs()
    bench.driver.trouble(Trouble(Names.HUNG))
    assert not bench.signs()
    calls = bench.driver.calls.total()
    bench.clock.pass_seconds(4.9)
    assert not bench.signs()
    assert bench.driver.calls.total() == calls
    bench.clock.pass_seconds(0.2)
    assert bench.signs()


def test_a_blocked_device_is_not_asked_however_long_it_takes() -> None:
    bench = Bench()
    bench.driver.trouble(Trouble("NoSuchKey"))
    assert not bench.signs()
    calls = bench.driver.calls.total()
    bench.clock.pass_seconds(1_000_000)
    assert not bench.signs()
    assert bench.driver.calls.total() == calls
    bench.device.unblock()
    assert bench.signs()


def test_a_busy_device_is_waited_for_three_times_longer_each_time() -> None:
    bench = Bench()
    assert bench.signs()
    before = bench.clock.now()
    bench.driver.trouble(Trouble("SessionCount", times=3))
    assert bench.signs()
    assert 0 < bench.clock.now() - before < SECOND
    bench.driver.trouble(Trouble("SessionCount", times=4))
    assert not bench.signs()
    assert bench.state == "cooling"


def test_a_device_error_is_mended_by_starting_the_module_anew() -> None:
    bench = Bench()
    assert bench.signs()
    bench.driver.trouble(Trouble("DeviceError", times=2))
    assert bench.signs()
    assert bench.driver.calls["Reinitialise"] == 1


# PINs -----------------------------------------------------------------------------------------


def test_a_wrong_pin_is_tried_once_and_never_again() -> None:
    bench = Bench(pin="wrong")
    for _ in range(50):
        assert not bench.signs()
        bench.clock.pass_seconds(3600)
    assert bench.driver.pins_tried == ["wrong"]
    assert bench.state == "blocked"


@pytest.mark.parametrize("name", ["DeviceError", Names.HUNG, Names.DIED, "SessionCount"])
@pytest.mark.parametrize("shows", [True, False], ids=["token with flags", "token without"])
def test_a_wrong_pin_whose_answer_was_lost_is_not_tried_again(name: str, *, shows: bool) -> None:
    bench = Bench(pin="wrong", counts_pins=shows)
    bench.driver.shows_flags = shows
    bench.driver.trouble(Trouble(name, "LogIn", 1, after=True))
    for _ in range(50):
        assert not bench.signs()
        bench.clock.pass_seconds(3600)
    assert bench.driver.pins_tried == ["wrong"]


def test_a_pin_changed_behind_our_back_is_tried_once() -> None:
    bench = Bench()
    assert bench.signs()
    bench.driver.pin = "changed"
    bench.driver.is_in = False
    tried = len(bench.driver.pins_tried)
    bench.driver.trouble(Trouble("DeviceError", "LogIn", 1, after=True))
    for _ in range(50):
        assert not bench.signs()
        bench.clock.pass_seconds(3600)
    assert len(bench.driver.pins_tried) == tried + 1


def test_a_person_who_unblocks_a_device_allows_one_try() -> None:
    bench = Bench(pin="wrong")
    assert not bench.signs()
    bench.device.unblock()
    assert not bench.signs()
    assert bench.driver.pins_tried == ["wrong", "wrong"]
    assert bench.state == "blocked"


def test_a_device_that_is_off_costs_no_pin_try() -> None:
    bench = Bench()
    bench.driver.trouble(Trouble("NoSuchToken", "LogIn", FOR_EVER))
    for _ in range(10):
        assert not bench.signs()
        bench.clock.pass_seconds(61)
    assert bench.driver.pins_tried == []
    bench.driver.troubles.clear()
    assert bench.signs()


# Signatures and keys --------------------------------------------------------------------------


def test_a_wrong_signature_never_leaves() -> None:
    bench = Bench()
    bench.driver.flips = 1
    assert bench.signs()
    bench.driver.flips = 2
    assert not bench.signs()
    assert (bench.state, bench.device.state.last_error) == ("blocked", Names.WRONG_SIGNATURE)


def test_a_key_that_is_not_the_pinned_one_blocks_the_device() -> None:
    bench = Bench()
    other = ScriptedDriver((LABEL,), seed=9).public(LABEL)
    bench.device = bench.with_keys((pinned(LABEL, other, "a"),))
    assert not bench.signs()
    assert (bench.state, bench.device.state.last_error) == ("blocked", "NoSuchKey")


def test_keys_are_compared_again_at_every_login() -> None:
    bench = Bench()
    assert bench.signs()
    bench.driver.keys[LABEL] = ScriptedDriver((LABEL,), seed=9).keys[LABEL]
    bench.driver.is_in = False
    assert not bench.signs()
    assert bench.state == "blocked"


def test_the_one_code_without_a_class_is_known_by_its_text() -> None:
    class PKCS11Error(RuntimeError):
        pass

    assert name_of(PKCS11Error("Unmapped error code 0x68")) == Names.NOT_PERMITTED
    assert name_of(PKCS11Error("Unmapped error code 0x6800")) == "PKCS11Error"
