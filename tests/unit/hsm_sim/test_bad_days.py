"""Behaviours 15 to 18 and 21: tamper, power cuts, removal, latency, throttling, clocks."""

import pytest

from hsm_sim import exceptions as ex
from hsm_sim.clock import SECOND
from hsm_sim.constants import Attribute, ObjectClass, TokenFlag
from hsm_sim.machine import Machine
from hsm_sim.mechanisms import KeyType, Mechanism
from hsm_sim.profiles import PROFILES
from tests.unit.hsm_sim.desk import PIN, SO_PIN, UNLOCK, Desk

# 15 Tamper ------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["full", "net-like"])
def test_an_opened_device_has_neither_keys_nor_tokens(profile: str) -> None:
    desk = Desk(profile)
    session = desk.log_in()
    desk.pair(session)
    desk.machine.tamper()
    with pytest.raises(ex.DeviceError):
        session.generate_random(64)
    with pytest.raises(ex.NoSuchToken):
        desk.token()
    if profile == "net-like":
        desk.machine.provision(UNLOCK)
        desk.machine.unlock(UNLOCK)
    with pytest.raises(ex.TokenNotRecognised):
        desk.lib.get_slots()[0].get_token().open()
    desk.machine.init_token(0, "a", so_pin=SO_PIN, pin=PIN)
    assert list(desk.log_in().get_objects()) == []


# 16 Power cut and removal ---------------------------------------------------------------------


def test_a_power_cut_keeps_what_the_token_holds_and_nothing_else() -> None:
    desk = Desk()
    session = desk.log_in()
    _, private = desk.pair(session)
    desk.aes(session, store=False)
    desk.machine.power_cut()
    with pytest.raises(ex.SessionHandleInvalid):
        desk.sign(private)
    assert {key[Attribute.CLASS] for key in desk.log_in().get_objects()} == {
        ObjectClass.PUBLIC_KEY,
        ObjectClass.PRIVATE_KEY,
    }


def test_the_operation_a_power_cut_meets_was_done_or_not_by_the_seed() -> None:
    left = []
    for seed in range(20):
        desk = Desk(seed=seed)
        session = desk.log_in()
        desk.machine.power_cut(during="generate_key")
        with pytest.raises(ex.DeviceError):
            desk.aes(session)
        left.append(len(list(desk.log_in().get_objects())))
    assert set(left) == {0, 1}


def test_a_pulled_device_answers_that_and_comes_back_with_its_keys() -> None:
    desk = Desk()
    session = desk.log_in()
    desk.aes(session)
    desk.machine.remove()
    desk.machine.remove()
    with pytest.raises(ex.DeviceRemoved):
        session.generate_random(64)
    with pytest.raises(ex.SessionHandleInvalid):
        session.generate_random(64)
    assert desk.lib.get_slots(token_present=True) == []
    with pytest.raises(ex.TokenNotPresent):
        desk.lib.get_slots()[0].get_token()
    desk.machine.insert()
    desk.machine.insert()
    assert desk.log_in().get_key(id=b"aes").label == "key"


def test_a_lost_connection_stays_lost_until_the_library_begins_anew() -> None:
    desk = Desk()
    session = desk.log_in()
    desk.machine.lose_connection()
    for _ in range(3):
        with pytest.raises(ex.DeviceError):
            session.generate_random(64)
    desk.lib.reinitialize()
    desk.log_in()


def test_a_network_device_loses_its_connection_now_and_then() -> None:
    desk = Desk("net-like", seed=11)
    lost = 0
    session = desk.log_in()
    for _ in range(20_000):
        try:
            session.generate_random(64)
        except ex.DeviceError:
            lost += 1
            desk.lib.reinitialize()
            session = desk.log_in()
    assert 0 < lost < 20


# 17 Latency -----------------------------------------------------------------------------------


def durations(profile: str, seed: int, count: int) -> list[int]:
    desk = Desk(profile, seed)
    session = desk.log_in()
    taken = []
    for _ in range(count):
        before = desk.clock.now()
        session.generate_random(64)
        taken.append(desk.clock.now() - before)
    return taken


def test_commands_take_time_with_a_slow_tail_the_same_for_a_seed() -> None:
    taken = durations("net-like", 5, 400)
    assert taken == durations("net-like", 5, 400) != durations("net-like", 6, 400)
    usual = [each for each in taken if each < 2_000]
    slow = [each for each in taken if each >= 20_000]
    assert len(usual) + len(slow) == 400
    assert 0 < len(slow) < 30
    assert min(usual) >= 500


def test_a_device_without_latency_takes_none() -> None:
    assert set(durations("full", 5, 50)) == {0}


class Standing:
    """A clock of the outside: it notes the waits and does not move."""

    def __init__(self) -> None:
        self.waits: list[int] = []

    def now(self) -> int:
        return 0

    def sleep(self, duration_us: int) -> None:
        self.waits.append(duration_us)


@pytest.mark.parametrize(("profile", "queues"), [("yubihsm-like", True), ("net-like", False)])
def test_commands_at_one_moment_wait_for_each_other_only_where_the_device_is_so(
    profile: str,
    queues: bool,  # noqa: FBT001  a column of the table
) -> None:
    clock = Standing()
    lib = Machine(profile, 5, clock).library().lib
    clock.waits.clear()
    for _ in range(30):
        lib.get_slots()
    assert (clock.waits == sorted(clock.waits)) is queues
    assert (clock.waits[-1] > 30 * 1_000) is queues


# 18 Throttling --------------------------------------------------------------------------------


def test_too_many_commands_a_second_fail_until_the_bucket_fills() -> None:
    profile = PROFILES["cloud-like"]
    clock = Standing()
    machine = Machine("cloud-like", 5, clock)
    lib = machine.library().lib
    for _ in range(profile.burst - 1):  # the first command was to initialise
        lib.get_slots()
    with pytest.raises(ex.FunctionFailed):
        lib.get_slots()
    desk = Desk("cloud-like")
    session = desk.log_in()
    for _ in range(300):
        desk.clock.sleep(SECOND // 100)
        session.generate_random(64)


# 21 Clock -------------------------------------------------------------------------------------


def test_the_devices_clock_stands_apart_drifts_or_is_absent() -> None:
    desk = Desk()
    assert desk.token().flags & TokenFlag.CLOCK_ON_TOKEN
    desk.machine.set_clock(offset_us=-7 * SECOND, drift_ppm=50)
    desk.clock.sleep(1_000_000 * SECOND)
    assert desk.machine.device_time() == desk.clock.now() - 7 * SECOND + 50 * SECOND
    desk.log_in()
    assert desk.machine.audit_log()[-1].at == desk.machine.device_time()
    desk.machine.set_clock(present=False)
    assert desk.machine.device_time() is None
    desk.lib.reinitialize()
    desk.log_in()
    assert desk.machine.audit_log()[-1].at == 0
    assert not desk.token().flags & TokenFlag.CLOCK_ON_TOKEN


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        Desk().clock.sleep(-1)


def test_there_is_no_profile_of_another_name() -> None:
    with pytest.raises(ValueError, match="no such profile"):
        Machine("golden")
    assert len(PROFILES) == 7


def test_a_mechanism_tells_its_lengths() -> None:
    slot = Desk().lib.get_slots()[0]
    assert slot.get_mechanism_info(Mechanism.EDDSA).max_key_length == 256
    assert slot.get_mechanism_info(Mechanism.AES_GCM).min_key_length == 128
    with pytest.raises(ex.MechanismInvalid):
        slot.get_mechanism_info(Mechanism.RSA_PKCS)


def test_parameters_are_held_by_the_program_alone() -> None:
    session = Desk().log_in()
    with pytest.raises(ex.AttributeValueInvalid):
        session.create_domain_parameters(KeyType.EC, {})
    with pytest.raises(ex.ArgumentsBad):
        session.create_domain_parameters(KeyType.EC, {}, local=True, store=True)
    held = session.create_domain_parameters(KeyType.EC, {}, local=True)
    with pytest.raises(ex.AttributeTypeInvalid):
        held[Attribute.EC_PARAMS]
    held[Attribute.EC_PARAMS] = b"x"
    assert held[Attribute.EC_PARAMS] == b"x"
