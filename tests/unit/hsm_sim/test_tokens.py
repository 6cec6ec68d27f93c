"""Behaviours 1 to 4 and 24: slots and tokens, logins, retry counters, sessions, forks."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from hsm_sim import exceptions as ex
from hsm_sim.clock import SECOND
from hsm_sim.constants import TokenFlag, UserType
from hsm_sim.machine import Machine
from hsm_sim.mechanisms import Mechanism
from tests.unit.hsm_sim.desk import PIN, SO_PIN, WRONG, Desk


def wrong(desk: Desk, *, so: bool = False) -> None:
    """Spend one wrong PIN, and free the session that it leaks."""
    with pytest.raises(ex.PinIncorrect):
        desk.token().open(rw=True, **{"so_pin" if so else "user_pin": WRONG})
    desk.lib.reinitialize()


# 1 Slots and tokens ---------------------------------------------------------------------------


def test_a_device_has_several_slots_and_each_its_token() -> None:
    machine = Machine("full", seed=3, slots=3)
    for slot, label in enumerate(("a", "b")):
        machine.init_token(slot, label, so_pin=SO_PIN, pin=PIN)
    lib = machine.library().lib
    assert [slot.get_token().label for slot in lib.get_slots()] == ["a", "b", ""]
    assert len({token.serial for token in lib.get_tokens()}) == 3
    assert lib.get_token(token_serial=lib.get_token(token_label="b").serial).label == "b"
    assert [str(lib.get_token(token_flags=TokenFlag.TOKEN_INITIALIZED, token_label="a"))] == ["a"]
    with pytest.raises(ex.MultipleTokensReturned):
        lib.get_token()
    with pytest.raises(ex.NoSuchToken):
        lib.get_token(token_label="c")


def test_a_token_that_nobody_initialised_is_not_recognised() -> None:
    token = Machine("full", seed=3).library().lib.get_slots()[0].get_token()
    assert not token.flags & TokenFlag.TOKEN_INITIALIZED
    with pytest.raises(ex.TokenNotRecognised):
        token.open()


def test_searching_tokens_by_mechanism_finds_none_as_in_the_library() -> None:
    assert list(Desk().lib.get_tokens(mechanisms=[Mechanism.EDDSA])) == []


def test_initialising_again_asks_for_the_officers_pin_and_empties_the_token() -> None:
    desk = Desk()
    desk.aes(desk.log_in())
    with pytest.raises(ex.PinIncorrect):
        desk.machine.init_token(0, "new", so_pin=WRONG, pin=PIN)
    desk.machine.init_token(0, "a", so_pin=SO_PIN, pin=PIN)
    desk.lib.reinitialize()
    assert list(desk.log_in().get_objects()) == []


# 2 Login --------------------------------------------------------------------------------------


def test_a_login_counts_for_the_process_and_no_other() -> None:
    desk = Desk()
    desk.log_in()
    desk.aes(desk.token().open(rw=True))
    other = desk.machine.library().lib.get_token(token_label="a").open(rw=True)
    with pytest.raises(ex.UserNotLoggedIn):
        desk.aes(other)


def test_user_and_officer_exclude_each_other() -> None:
    desk = Desk()
    desk.log_in()
    with pytest.raises(ex.UserAlreadyLoggedIn):
        desk.log_in()
    with pytest.raises(ex.AnotherUserAlreadyLoggedIn):
        desk.token().open(rw=True, so_pin=SO_PIN)
    desk.lib.reinitialize()
    officer = desk.token().open(rw=True, so_pin=SO_PIN)
    assert officer.user_type is UserType.SO
    with pytest.raises(ex.AnotherUserAlreadyLoggedIn):
        desk.log_in()
    with pytest.raises(ex.SessionReadWriteSOExists):
        desk.token().open()
    with pytest.raises(ex.UserNotLoggedIn):
        desk.aes(officer)


def test_the_officer_is_refused_while_a_read_only_session_exists() -> None:
    desk = Desk()
    desk.token().open()
    with pytest.raises(ex.SessionReadOnlyExists):
        desk.token().open(rw=True, so_pin=SO_PIN)


def test_closing_the_session_that_logged_in_logs_out_all() -> None:
    desk = Desk()
    first = desk.log_in()
    _, private = desk.pair(first)
    other = desk.token().open(rw=True)
    found = other.get_key(label="pair", object_class=private.object_class)
    first.close()
    with pytest.raises(ex.UserNotLoggedIn):
        desk.sign(found)
    assert list(other.get_objects({desk.names.Attribute.CLASS: private.object_class})) == []


def test_a_session_whose_logout_fails_stays_open() -> None:
    desk = Desk()
    session = desk.log_in()
    desk.machine.faults.add("DeviceError", "logout")
    with pytest.raises(ex.DeviceError):
        session.close()
    assert len(session.generate_random(64)) == 8


def test_both_pins_at_once_are_refused() -> None:
    with pytest.raises(ex.ArgumentsBad):
        Desk().token().open(user_pin=PIN, so_pin=SO_PIN)


# 3 Retry counter ------------------------------------------------------------------------------


def test_the_strict_token_warns_warns_again_and_locks() -> None:
    desk = Desk("strict")
    seen = [desk.flags()]
    for _ in range(3):
        wrong(desk)
        seen.append(desk.flags())
    assert seen == [set(), {"COUNT_LOW"}, {"COUNT_LOW", "FINAL_TRY"}, {"COUNT_LOW", "LOCKED"}]
    with pytest.raises(ex.PinLocked):
        desk.log_in()


def test_the_right_pin_resets_the_count() -> None:
    desk = Desk("strict")
    for _ in range(5):
        wrong(desk)
        wrong(desk)
        desk.log_in().close()
        assert desk.flags() == set()


def test_the_officer_opens_a_locked_token() -> None:
    desk = Desk("strict")
    for _ in range(3):
        wrong(desk)
    with desk.token().open(rw=True, so_pin=SO_PIN) as officer:
        officer.init_pin("246802")
    assert desk.token().open(user_pin="246802").user_type is UserType.USER


def test_the_officers_own_pin_locks_for_good() -> None:
    desk = Desk("strict")
    for _ in range(3):
        wrong(desk, so=True)
    assert desk.flags("SO_PIN_") == {"COUNT_LOW", "LOCKED"}
    with pytest.raises(ex.PinLocked):
        desk.token().open(rw=True, so_pin=SO_PIN)
    desk.lib.reinitialize()
    desk.log_in()


TRIES = [("full", 10), ("strict", 3), ("tpm-like", 5), ("cloud-like", 6), ("softhsm", None)]


@pytest.mark.parametrize(("profile", "tries"), TRIES)
def test_each_profile_locks_after_its_own_number(profile: str, tries: int | None) -> None:
    desk = Desk(profile)
    for _ in range((tries or 40) - 1):
        desk.clock.sleep(SECOND)
        wrong(desk)
    assert "LOCKED" not in desk.flags()
    desk.clock.sleep(SECOND)
    wrong(desk)
    assert ("LOCKED" in desk.flags()) is (tries is not None)


def test_a_tpm_opens_again_by_time_alone() -> None:
    desk = Desk("tpm-like")
    for _ in range(5):
        wrong(desk)
    desk.clock.sleep(599 * SECOND)
    with pytest.raises(ex.PinLocked):
        desk.log_in()
    desk.lib.reinitialize()
    desk.clock.sleep(2 * SECOND)
    assert desk.flags() == set()
    desk.log_in()


def test_three_unclean_power_losses_lock_a_tpm_and_clean_ones_do_not() -> None:
    desk = Desk("tpm-like")
    for _ in range(5):
        desk.machine.restart()
    desk.log_in()
    for _ in range(3):
        desk.machine.power_cut()
    with pytest.raises(ex.PinLocked):
        desk.log_in()
    assert desk.flags() == {"LOCKED"}


def test_a_wrong_old_pin_counts_when_a_pin_is_changed() -> None:
    desk = Desk("strict")
    session = desk.log_in()
    with pytest.raises(ex.PinIncorrect):
        session.set_pin(WRONG, "135790")
    assert desk.flags() == {"COUNT_LOW"}
    with pytest.raises(ex.PinLenRange):
        session.set_pin(PIN, "1")
    session.set_pin(PIN, "135790")
    desk.lib.reinitialize()
    assert desk.token().open(user_pin="135790").rw is False


# 4 Sessions -----------------------------------------------------------------------------------


def test_the_seventeenth_session_is_refused_and_a_leaked_one_counts() -> None:
    desk = Desk("yubihsm-like")
    wrong_one = desk.token()
    with pytest.raises(ex.PinIncorrect):
        wrong_one.open(user_pin=WRONG)
    sessions = [desk.token().open() for _ in range(15)]
    with pytest.raises(ex.SessionCount):
        desk.token().open()
    sessions[0].close()
    desk.token().open()
    desk.lib.reinitialize()
    assert len({desk.token().open().handle for _ in range(16)}) == 16


def test_a_session_left_alone_for_thirty_seconds_is_closed() -> None:
    desk = Desk("yubihsm-like")
    session, busy = desk.token().open(), desk.token().open()
    for _ in range(4):
        desk.clock.sleep(9 * SECOND)
        busy.generate_random(64)
    with pytest.raises(ex.SessionClosed):
        session.generate_random(64)
    with pytest.raises(ex.SessionHandleInvalid):
        session.generate_random(64)


def test_idle_sessions_make_room_for_new_ones() -> None:
    desk = Desk("yubihsm-like")
    for _ in range(16):
        desk.token().open()
    desk.clock.sleep(31 * SECOND)
    assert desk.token().open().rw is False


def test_an_unfinished_search_blocks_a_second_operation() -> None:
    desk = Desk()
    session = desk.log_in()
    _, private = desk.pair(session)
    search = session.get_objects()
    next(search)
    with pytest.raises(ex.OperationActive):
        next(session.get_objects())
    with pytest.raises(ex.OperationActive):
        desk.sign(private)
    search.close()
    assert desk.sign(private)


# 24 Fork --------------------------------------------------------------------------------------


def in_child(work: Callable[[], Any]) -> str:
    """Run in a forked child; gives the name and text of what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            said = "nothing"
        except BaseException as error:  # noqa: BLE001  whatever it is goes through the pipe
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_a_child_cannot_use_what_its_parent_opened() -> None:
    desk = Desk()
    session = desk.log_in()
    _, private = desk.pair(session)
    refused = "PKCS11Error: Initialisation error (not initialized). Should never see this."
    assert in_child(lambda: desk.sign(private)) == refused
    assert in_child(lambda: session.generate_random(64)) == refused
    assert in_child(desk.lib.get_slots) == refused
    assert desk.sign(private)


def test_a_child_that_begins_anew_may_work() -> None:
    desk = Desk()
    desk.aes(desk.log_in())

    def work() -> None:
        desk.lib.reinitialize()
        assert desk.log_in().get_key(id=b"aes").label == "key"

    assert in_child(work) == "nothing"


def test_a_library_that_ended_answers_nothing_until_it_begins_again() -> None:
    desk = Desk()
    session = desk.token().open()
    desk.lib.finalize()
    assert not desk.lib.initialized
    with pytest.raises(ex.PKCS11Error, match="not initialized"):
        session.generate_random(64)
    assert desk.lib("any path").initialized
    with pytest.raises(ex.SessionHandleInvalid):
        session.generate_random(64)
