"""Behaviours 19 and 20: any error at any call, before or after the work, hangs, wrong results."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hsm_sim import exceptions as ex
from hsm_sim.clock import DAY
from hsm_sim.constants import Attribute, MechanismFlag, ObjectClass
from hsm_sim.faults import OPERATIONS, FaultPlan, Hung
from hsm_sim.mechanisms import GCMParams, KeyType, Mechanism
from hsm_sim.randomness import Randomness
from tests.unit.hsm_sim.desk import P256, PIN, SO_PIN, Desk, gcm, restore

# 19 Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ex.ERRORS))
def test_each_error_comes_as_often_as_planned_before_the_work(name: str) -> None:
    desk = Desk()
    session = desk.log_in()
    desk.machine.faults.add(name, "generate_key", times=2, skip=1)
    desk.aes(session)
    for _ in range(2):
        with pytest.raises(ex.PKCS11Error) as refused:
            desk.aes(session)
        assert type(refused.value) is ex.ERRORS[name]
    desk.aes(session)
    assert len(list(session.get_objects())) == 2


@pytest.mark.parametrize("name", sorted(ex.ERRORS))
def test_each_error_comes_after_the_work_as_a_lost_reply(name: str) -> None:
    desk = Desk()
    session = desk.log_in()
    desk.machine.faults.add(name, "generate_key", after=True)
    with pytest.raises(ex.ERRORS[name]):
        desk.aes(session)
    assert len(list(session.get_objects())) == 1
    assert desk.machine.audit_log()[-1].operation == "generate_key"


def test_an_error_for_ever_ends_only_when_the_plan_is_cleared() -> None:
    desk = Desk()
    session = desk.log_in()
    desk.machine.faults.add("DeviceError", times=None)
    for _ in range(30):
        with pytest.raises(ex.DeviceError):
            session.generate_random(64)
    with pytest.raises(ex.DeviceError):
        desk.lib.reinitialize()
    desk.machine.faults.clear()
    desk.lib.reinitialize()
    desk.log_in()


def deeds(desk: Desk) -> dict[str, Callable[[], Any]]:
    """Give a deed for every operation, on things made ready for it."""
    session = desk.log_in()
    public, private = desk.pair(session)
    wrapping = desk.aes(session, "WRAP UNWRAP", key_id=b"by")
    out = desk.aes(session, key_id=b"out", template={Attribute.EXTRACTABLE: True})
    sealing = desk.aes(session, key_id=b"seal")
    wrapped = wrapping.wrap_key(out, mechanism=Mechanism.AES_KEY_WRAP)
    sealed, given = gcm(sealing, b"data"), GCMParams(b"twelve bytes", b"")
    signature = desk.sign(private)
    for key in (public, private, wrapping, out, sealing):
        assert key.key_type in KeyType
    imported = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.VALUE: bytes(32),
    }
    return {
        "initialize": desk.lib.reinitialize,
        "get_slots": desk.lib.get_slots,
        "get_token": desk.token,
        "open_session": desk.token().open,
        "login": lambda: (session.close(), desk.log_in()),
        "logout": session.close,
        "close_session": lambda: desk.token().open().close(),
        "find_objects": lambda: session.get_key(id=b"out"),
        "get_attribute": lambda: out[Attribute.LABEL],
        "set_attribute": lambda: out.__setitem__(Attribute.LABEL, "new"),
        "copy": lambda: out.copy({}),
        "create_object": lambda: session.create_object(imported),
        "destroy": out.destroy,
        "generate_key": lambda: desk.aes(session),
        "generate_keypair": lambda: desk.pair(session),
        "generate_random": lambda: session.generate_random(64),
        "set_pin": lambda: session.set_pin(PIN, PIN),
        "init_pin": lambda: officer(desk).init_pin(PIN),
        "sign": lambda: desk.sign(private),
        "verify": lambda: public.verify(b"a checkpoint", signature, mechanism=Mechanism.EDDSA),
        "encrypt": lambda: gcm(sealing, b"data"),
        "decrypt": lambda: sealing.decrypt(
            sealed, mechanism=Mechanism.AES_GCM, mechanism_param=given
        ),
        "wrap": lambda: wrapping.wrap_key(out, mechanism=Mechanism.AES_KEY_WRAP),
        "unwrap": lambda: restore(wrapping, wrapped),
        "attest": lambda: desk.lib.attest(private),
    }


def officer(desk: Desk) -> Any:
    desk.lib.reinitialize()
    return desk.token().open(rw=True, so_pin=SO_PIN)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_meets_its_fault_once_and_works_without(
    operation: str,
    after: bool,  # noqa: FBT001  a column of the table
) -> None:
    desk = Desk()
    deed = deeds(desk)[operation]
    desk.machine.faults.add("HostMemory", operation, after=after)
    with pytest.raises(ex.HostMemory):
        deed()
    assert desk.machine.faults.draw(operation, Randomness(1, 1)) is None
    deeds(Desk())[operation]()


def test_a_fault_in_some_of_a_hundred_cases_comes_about_so_often() -> None:
    desk = Desk()
    session = desk.log_in()
    desk.machine.faults.add("DeviceError", "generate_random", times=None, percent=5)
    failed = 0
    for _ in range(2_000):
        try:
            session.generate_random(64)
        except ex.DeviceError:
            failed += 1
    assert 60 < failed < 140


@pytest.mark.parametrize(
    ("kind", "operation"),
    [("NoSuchError", "sign"), ("DeviceError", "dance"), ("flipped_signature", "wrap")],
)
def test_a_plan_for_what_cannot_happen_is_refused(kind: str, operation: str) -> None:
    with pytest.raises(ValueError, match=r"no such|sign only"):
        FaultPlan().add(kind, operation)


def test_what_happens_in_a_plan_happens_to_the_device() -> None:
    desk = Desk()
    session = desk.log_in()
    for kind, error in (("remove", ex.DeviceRemoved), ("connection_lost", ex.DeviceError)):
        desk.machine.faults.add(kind, "generate_random")
        with pytest.raises(error):
            session.generate_random(64)
        desk.machine.insert()
        desk.lib.reinitialize()
        session = desk.log_in()


# Hangs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_call_that_hangs_outlasts_every_deadline_on_the_clock(after: bool) -> None:  # noqa: FBT001  a column of the table
    desk = Desk()
    session = desk.log_in()
    seen: list[str] = []
    desk.machine.on_hang(seen.append)
    desk.machine.faults.add("hang", "generate_key", after=after)
    before = desk.clock.now()
    with pytest.raises(Hung):
        desk.aes(session)
    assert (seen, desk.clock.now() - before) == (["generate_key"], DAY)
    assert len(list(session.get_objects())) == after


def test_whoever_watches_a_hang_may_end_it_as_a_killed_process_ends() -> None:
    desk = Desk()
    session = desk.log_in()

    def killed(operation: str) -> None:
        raise InterruptedError(operation)

    desk.machine.on_hang(killed)
    desk.machine.faults.add("hang", "generate_random")
    with pytest.raises(InterruptedError):
        session.generate_random(64)
    assert session.generate_random(64)


HANGING = """
from tests.unit.hsm_sim.desk import Desk
desk = Desk()
desk.machine.faults.add("hang", "generate_random")
session = desk.log_in()
print("hanging", flush=True)
session.generate_random(64)
print("never", flush=True)
"""


def test_without_a_watcher_a_process_hangs_until_it_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.kill()
        assert process.stdout.read() == ""


# 20 Wrong results -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["flipped_signature", "other_key"])
def test_a_wrong_signature_looks_like_one_and_verifies_nowhere(kind: str) -> None:
    desk = Desk()
    public, private = desk.pair(desk.log_in())
    right = desk.sign(private)
    desk.machine.faults.add(kind, "sign", times=3)
    wrong = [desk.sign(private) for _ in range(3)]
    assert len({right, *wrong}) == 4
    for signature in wrong:
        assert len(signature) == 64
        assert not public.verify(b"a checkpoint", signature, mechanism=Mechanism.EDDSA)
    bits = [
        (int.from_bytes(right, "big") ^ int.from_bytes(one, "big")).bit_count() for one in wrong
    ]
    assert (bits == [1, 1, 1]) is (kind == "flipped_signature")
    assert desk.sign(private) == right


def test_a_signature_by_another_key_is_of_the_same_kind() -> None:
    desk = Desk()
    session = desk.log_in()
    curve = desk.names.util.ec.encode_named_curve_parameters("secp256r1")
    assert curve == P256
    domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: curve}, local=True)
    _, private = domain.generate_keypair(capabilities=MechanismFlag.SIGN)
    desk.machine.faults.add("other_key", "sign")
    assert len(private.sign(bytes(32), mechanism=Mechanism.ECDSA)) == 64


# Streams --------------------------------------------------------------------------------------


def test_one_purpose_does_not_change_what_another_draws() -> None:
    one, two = Randomness(1, 1), Randomness(1, 1)
    one.octets("fault", 8)
    assert one.octets("key", 32) == two.octets("key", 32) != two.octets("key", 32)
    assert Randomness(1, 2).octets("key", 32) != Randomness(1, 1).octets("key", 32)
    assert [one.happens("x", percent) for percent in (0, 100)] == [False, True]
    assert {one.below("x", 3) for _ in range(100)} == {0, 1, 2}
