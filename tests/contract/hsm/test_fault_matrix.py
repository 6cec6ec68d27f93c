"""Every error a module can give, at signing and at the login, on two simulated devices.

Once, for ever, with the reply lost, and with a hang after it: a signature that comes is right, the
same message never gets two signatures by one key, and no incident costs two PIN tries.
"""

import pytest

from hsm_sim.exceptions import ERRORS
from ledger.kernel.errors import Unavailable
from ledger.signer.devices import verifies
from ledger.signer.faults import FaultClass, fault_class
from ledger.signer.keyring import HardwareKeyring
from tests.support.devices import VirtualClock
from tests.support.simulated import SimulatedDevice

MODES = ["once", "for ever", "reply lost", "hang"]
ROUNDS = 6


class Pair:
    """Two devices, A in trouble, and the signatures seen."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.a = SimulatedDevice("a", self.clock, seed=1, keys="checkpoint documents")
        self.b = SimulatedDevice("b", self.clock, seed=2, keys="checkpoint documents")
        self.keyring = HardwareKeyring([self.a.device, self.b.device])
        self.seen: dict[tuple[str, bytes], bytes] = {}

    def sign(self, purpose: str, message: bytes) -> set[str]:
        """Sign and look hard at what comes: the devices that signed."""
        tried = [each.device.pin_tries for each in (self.a, self.b)]
        signed = self.keyring.sign(purpose, message)
        for key, signature in signed:
            assert verifies(key, message, signature)
            assert self.seen.setdefault((key.label, message), signature) == signature
        for each, before in zip((self.a, self.b), tried, strict=True):
            assert each.device.pin_tries <= before + 1
        return {key.device for key, _ in signed}


def put(pair: Pair, name: str, mode: str, operation: str) -> None:
    times = None if mode == "for ever" else 1
    pair.a.machine.faults.add(name, operation, times=times, after=mode == "reply lost")
    if mode == "hang":
        pair.a.machine.faults.add("hang", operation, times=None)


@pytest.fixture(scope="module")
def _pair() -> Pair:
    return Pair()


@pytest.fixture
def pair(_pair: Pair) -> Pair:
    """Begin each case with both devices well: making keys anew would take far longer."""
    _pair.a.machine.faults.clear()
    for each in (_pair.a, _pair.b):
        each.device.unblock()
    _pair.clock.pass_seconds(61)
    assert _pair.sign("checkpoint", b"before") == {"a", "b"}
    return _pair


def test_the_matrix_has_forty_kinds_of_errors_at_least() -> None:
    assert len(ERRORS) >= 40


@pytest.mark.parametrize("name", sorted(ERRORS))
@pytest.mark.parametrize("mode", MODES)
def test_a_pair_signs_through_every_error_of_one_device(pair: Pair, name: str, mode: str) -> None:
    put(pair, name, mode, "sign")
    for number in range(ROUNDS):
        assert "b" in pair.sign("checkpoint", b"head %d" % number)
        assert pair.sign("documents", b"statement %d" % number) <= {"a", "b"}
        pair.clock.pass_seconds(20)
    state = pair.a.device.state.state
    if fault_class(name) in {FaultClass.OPERATOR, FaultClass.KEY_CHANGED}:
        assert state == "blocked"
    elif mode in {"once", "reply lost"}:
        assert state == "up"


@pytest.mark.parametrize("name", sorted(ERRORS))
@pytest.mark.parametrize("mode", MODES)
def test_an_error_at_the_login_never_costs_a_second_pin_try(
    pair: Pair, name: str, mode: str
) -> None:
    """The device loses its power, so that it must be logged in anew, and the login goes wrong."""
    pair.a.machine.power_cut()
    put(pair, name, mode, "login")
    for number in range(ROUNDS):
        assert "b" in pair.sign("checkpoint", b"head %d" % number)
        pair.clock.pass_seconds(61)


@pytest.mark.parametrize("name", ["DeviceError", "SessionCount", "PinIncorrect", "GeneralError"])
def test_with_both_devices_in_trouble_the_answer_says_so(pair: Pair, name: str) -> None:
    for each in (pair.a, pair.b):
        each.machine.faults.add(name, "sign", times=None)
    with pytest.raises(Unavailable, match=f"device a: {name}; device b: {name}"):
        pair.keyring.sign("checkpoint", b"head")
    pair.b.machine.faults.clear()


def test_where_none_can_a_resting_device_is_asked_once_a_second(pair: Pair) -> None:
    for each in (pair.a, pair.b):
        each.machine.faults.add("DeviceError", "sign", times=None)
    with pytest.raises(Unavailable):
        pair.keyring.sign("checkpoint", b"head")
    pair.b.machine.faults.clear()
    with pytest.raises(Unavailable):
        pair.keyring.sign("checkpoint", b"head")
    pair.clock.pass_seconds(1)
    assert pair.sign("checkpoint", b"head") == {"b"}
    assert pair.b.device.state.state == "up"


@pytest.mark.parametrize("kind", ["flipped_signature", "other_key"])
def test_a_wrong_signature_never_leaves_the_process(pair: Pair, kind: str) -> None:
    pair.a.machine.faults.add(kind, "sign", times=None)
    assert pair.sign("checkpoint", b"a new head") == {"b"}
    assert pair.sign("documents", b"a new statement") == {"b"}
    assert pair.a.device.state.state == "blocked"
