"""Contract cases: the module, its token, logging in, sessions, PINs, random bytes."""

from typing import Any

from tests.contract.hsm.bench import Bench, case, refused


def private_key(bench: Bench) -> Any:
    return bench.log_in().get_key(object_class=bench.classes.PRIVATE_KEY, id=b"case-key")


# The module and its token ---------------------------------------------------------------------


@case
def a_token_is_found_by_its_label(bench: Bench) -> None:
    assert bench.token().label == bench.peer.label


@case
def a_token_is_found_by_its_serial(bench: Bench) -> None:
    serial = bench.token().serial
    assert bench.names.lib.get_token(token_serial=serial).label == bench.peer.label


@case
def an_unknown_label_finds_no_token(bench: Bench) -> None:
    with refused("NoSuchToken"):
        bench.names.lib.get_token(token_label="nobody")


@case
def an_unknown_serial_finds_no_token(bench: Bench) -> None:
    with refused("NoSuchToken"):
        bench.names.lib.get_token(token_serial=b"no-such-serial")


@case
def a_token_says_that_it_is_initialised(bench: Bench) -> None:
    flags = bench.token().flags
    for name in ("TOKEN_INITIALIZED", "USER_PIN_INITIALIZED", "LOGIN_REQUIRED", "RNG"):
        assert flags & bench.flag[name], name


@case
def a_token_in_good_standing_warns_of_no_pin(bench: Bench) -> None:
    bench.log_in()
    warning = ("USER_PIN_COUNT_LOW", "USER_PIN_FINAL_TRY", "USER_PIN_LOCKED")
    assert not any(bench.token().flags & bench.flag[name] for name in warning)


@case
def a_slot_with_a_token_is_listed(bench: Bench) -> None:
    slots = bench.names.lib.get_slots(token_present=True)
    assert any(slot.get_token().label == bench.peer.label for slot in slots)


@case
def starting_anew_ends_every_session(bench: Bench) -> None:
    session = bench.log_in()
    bench.start_anew()
    with refused("SessionHandleInvalid", "SessionClosed"):
        session.generate_random(64)


@case
def starting_anew_logs_out(bench: Bench) -> None:
    bench.log_in()
    bench.start_anew()
    with refused("UserNotLoggedIn"):
        bench.p256(bench.token().open(rw=True))


@case
def starting_anew_keeps_what_the_token_holds(bench: Bench) -> None:
    bench.p256(bench.log_in())
    bench.start_anew()
    assert private_key(bench).label == "case"


@case
def starting_anew_twice_is_harmless(bench: Bench) -> None:
    bench.start_anew()
    bench.start_anew()
    assert bench.token().label == bench.peer.label


# Logging in -----------------------------------------------------------------------------------


@case
def the_right_pin_logs_in(bench: Bench) -> None:
    session = bench.log_in()
    assert session.user_type == bench.names.constants.UserType.USER


@case
def a_session_without_a_pin_is_nobodys(bench: Bench) -> None:
    session = bench.token().open()
    assert session.user_type == bench.names.constants.UserType.NOBODY


@case
def a_wrong_pin_is_refused(bench: Bench) -> None:
    with refused("PinIncorrect"):
        bench.token().open(user_pin="654321")
    bench.start_anew()
    bench.log_in()


@case
def a_wrong_pin_is_counted_for_all_to_see(bench: Bench) -> None:
    with refused("PinIncorrect"):
        bench.token().open(user_pin="654321")
    bench.start_anew()
    try:
        assert bench.token().flags & bench.flag.USER_PIN_COUNT_LOW
    finally:
        bench.log_in()


@case
def the_right_pin_clears_the_count(bench: Bench) -> None:
    with refused("PinIncorrect"):
        bench.token().open(user_pin="654321")
    bench.start_anew()
    bench.log_in()
    assert not bench.token().flags & bench.flag.USER_PIN_COUNT_LOW


@case
def a_failed_login_leaks_a_session_that_starting_anew_frees(bench: Bench) -> None:
    with refused("PinIncorrect"):
        bench.token().open(user_pin="654321")
    with refused("SessionReadOnlyExists"):
        bench.token().open(rw=True, so_pin=bench.peer.so_pin)
    bench.start_anew()
    bench.token().open(rw=True, so_pin=bench.peer.so_pin)
    bench.start_anew()
    bench.log_in()


@case
def nobody_logs_in_twice(bench: Bench) -> None:
    bench.log_in()
    with refused("UserAlreadyLoggedIn"):
        bench.log_in()


@case
def a_login_counts_for_every_session_of_the_token(bench: Bench) -> None:
    bench.log_in()
    bench.p256(bench.token().open(rw=True))


@case
def closing_the_session_that_logged_in_logs_out_the_others(bench: Bench) -> None:
    session = bench.log_in()
    other = bench.token().open(rw=True)
    session.close()
    with refused("UserNotLoggedIn"):
        bench.p256(other)


@case
def closing_another_session_logs_out_nobody(bench: Bench) -> None:
    session = bench.log_in()
    bench.token().open().close()
    bench.p256(session)


@case
def a_closed_session_is_of_no_use(bench: Bench) -> None:
    session = bench.log_in()
    session.close()
    with refused("SessionHandleInvalid", "SessionClosed"):
        session.generate_random(64)


@case
def making_a_key_needs_a_login(bench: Bench) -> None:
    with refused("UserNotLoggedIn"):
        bench.p256(bench.token().open(rw=True))


@case
def private_objects_are_not_seen_without_a_login(bench: Bench) -> None:
    bench.p256(bench.log_in())
    bench.start_anew()
    wanted = {bench.attribute.CLASS: bench.classes.PRIVATE_KEY}
    assert list(bench.token().open().get_objects(wanted)) == []


@case
def a_read_only_session_makes_no_key_that_stays(bench: Bench) -> None:
    with refused("SessionReadOnly"):
        bench.p256(bench.log_in(rw=False))


@case
def sixteen_sessions_may_be_open(bench: Bench) -> None:
    first = bench.log_in()
    others = [bench.token().open() for _ in range(15)]
    assert len({session.handle for session in (first, *others)}) == 16


@case
def the_security_officer_logs_in(bench: Bench) -> None:
    session = bench.token().open(rw=True, so_pin=bench.peer.so_pin)
    assert session.user_type == bench.names.constants.UserType.SO


@case
def the_security_officer_waits_until_the_user_is_out(bench: Bench) -> None:
    bench.log_in()
    with refused("AnotherUserAlreadyLoggedIn", "UserAlreadyLoggedIn"):
        bench.token().open(rw=True, so_pin=bench.peer.so_pin)


@case
def the_security_officer_is_refused_beside_a_read_only_session(bench: Bench) -> None:
    reading = bench.token().open()
    with refused("SessionReadOnlyExists"):
        bench.token().open(rw=True, so_pin=bench.peer.so_pin)
    assert reading.user_type == bench.names.constants.UserType.NOBODY


@case
def a_wrong_security_officer_pin_is_refused(bench: Bench) -> None:
    with refused("PinIncorrect"):
        bench.token().open(rw=True, so_pin="87654321")
    bench.start_anew()
    bench.token().open(rw=True, so_pin=bench.peer.so_pin)


# PINs -----------------------------------------------------------------------------------------


@case
def a_pin_is_changed_by_who_knows_it(bench: Bench) -> None:
    bench.log_in().set_pin(bench.peer.pin, "135790")
    bench.start_anew()
    session = bench.token().open(rw=True, user_pin="135790")
    session.set_pin("135790", bench.peer.pin)
    bench.start_anew()
    bench.log_in()


@case
def a_pin_is_not_changed_by_who_does_not_know_it(bench: Bench) -> None:
    session = bench.log_in()
    with refused("PinIncorrect"):
        session.set_pin("654321", "135790")
    bench.start_anew()
    bench.log_in()


@case
def a_pin_too_short_is_refused(bench: Bench) -> None:
    session = bench.log_in()
    try:
        with refused("PinLenRange", "PinInvalid", "PinTooWeak"):
            session.set_pin(bench.peer.pin, "1")
    except AssertionError:
        session.set_pin("1", bench.peer.pin)
        raise
    bench.start_anew()
    bench.log_in()


@case
def the_security_officer_gives_a_new_pin(bench: Bench) -> None:
    bench.p256(bench.log_in())
    bench.start_anew()
    officer = bench.token().open(rw=True, so_pin=bench.peer.so_pin)
    officer.init_pin("246802")
    officer.init_pin(bench.peer.pin)
    bench.start_anew()
    assert private_key(bench).label == "case"


@case
def a_user_gives_nobody_a_new_pin(bench: Bench) -> None:
    session = bench.log_in()
    with refused():
        session.init_pin("246802")
    bench.start_anew()
    bench.log_in()


# Random bytes ---------------------------------------------------------------------------------


@case
def random_bytes_have_the_length_asked_for(bench: Bench) -> None:
    session = bench.log_in()
    assert [len(session.generate_random(bits)) for bits in (8, 96, 4096)] == [1, 12, 512]


@case
def random_bytes_do_not_repeat(bench: Bench) -> None:
    session = bench.log_in()
    assert len({bytes(session.generate_random(96)) for _ in range(100)}) == 100
