"""Contract cases: secret keys, sealing with AES-GCM, wrapping and restoring."""

from typing import Any

from tests.contract.hsm.bench import Bench, case, refused

KEY = bytes(range(32))

# Sealing --------------------------------------------------------------------------------------


@case
def what_is_sealed_opens_again(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    assert bench.opened(key, bench.sealed(key, KEY)) == KEY


@case
def a_sealed_key_has_sixteen_bytes_more(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    assert len(bench.sealed(key, KEY)) == len(KEY) + 16


@case
def nothing_is_sealed_to_a_tag_alone(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    sealed = bench.sealed(key, b"")
    assert (len(sealed), bench.opened(key, sealed)) == (16, b"")


@case
def sealing_works_without_a_context(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    assert bench.opened(key, bench.sealed(key, KEY, None), None) == KEY


@case
def another_context_opens_nothing(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    sealed = bench.sealed(key, KEY)
    with refused():
        bench.opened(key, sealed, b"another")


@case
def a_tampered_seal_opens_nothing(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    sealed = bench.sealed(key, KEY)
    for place in (0, 31, 32, 47):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with refused():
            bench.opened(key, bytes(broken))


@case
def a_seal_cut_short_opens_nothing(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    with refused():
        bench.opened(key, bench.sealed(key, KEY)[:-1])


@case
def a_seal_shorter_than_its_tag_opens_nothing(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    with refused():
        bench.opened(key, b"short")


@case
def another_nonce_opens_nothing(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    sealed = bench.sealed(key, KEY)
    with refused():
        key.decrypt(
            sealed,
            mechanism=bench.mechanism.AES_GCM,
            mechanism_param=bench.gcm(b"context", b"other  nonce"),
        )


@case
def another_key_opens_nothing(bench: Bench) -> None:
    session = bench.log_in()
    sealed = bench.sealed(bench.aes(session, key_id=b"one"), KEY)
    with refused():
        bench.opened(bench.aes(session, key_id=b"two"), sealed)


@case
def a_key_works_on_after_bytes_that_did_not_open(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    sealed = bench.sealed(key, KEY)
    for _ in range(5):
        with refused():
            bench.opened(key, sealed, b"another")
    assert bench.opened(key, sealed) == KEY


@case
def sixty_four_kilobytes_are_sealed(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    assert bench.opened(key, bench.sealed(key, KEY * 2048)) == KEY * 2048


@case
def what_one_session_sealed_another_opens(bench: Bench) -> None:
    sealed = bench.sealed(bench.aes(bench.log_in()), KEY)
    bench.start_anew()
    assert bench.opened(bench.log_in(rw=False).get_key(id=b"case-aes"), sealed) == KEY


# Secrecy and uses -----------------------------------------------------------------------------


@case
def a_secret_value_is_never_read(bench: Bench) -> None:
    key = bench.aes(bench.log_in(), extractable=True)
    with refused("AttributeSensitive"):
        key[bench.attribute.VALUE]


@case
def a_secret_key_was_made_here(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    for name in ("LOCAL", "SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE"):
        assert key[bench.attribute[name]], name


@case
def a_secret_key_tells_its_length(bench: Bench) -> None:
    assert bench.aes(bench.log_in())[bench.attribute.VALUE_LEN] == 32


@case
def a_key_for_wrapping_does_not_encrypt(bench: Bench) -> None:
    key = bench.aes(bench.log_in(), "WRAP UNWRAP")
    assert not hasattr(key, "encrypt")
    assert not hasattr(key, "decrypt")


@case
def a_key_for_encrypting_does_not_wrap(bench: Bench) -> None:
    key = bench.aes(bench.log_in())
    assert not hasattr(key, "wrap_key")
    assert not hasattr(key, "unwrap_key")


# Wrapping and restoring -----------------------------------------------------------------------


def wrapped_pair(bench: Bench) -> tuple[Any, Any, bytes]:
    session = bench.log_in()
    by = bench.aes(session, "WRAP UNWRAP", key_id=b"wrapping")
    key = bench.aes(session, key_id=b"original", extractable=True)
    return by, key, bytes(by.wrap_key(key, mechanism=bench.mechanism.AES_KEY_WRAP))


@case
def a_wrapped_key_has_eight_bytes_more(bench: Bench) -> None:
    assert len(wrapped_pair(bench)[2]) == 40


@case
def wrapping_gives_the_same_bytes_each_time(bench: Bench) -> None:
    """RFC 3394 has no randomness: a lost reply is asked for again without harm."""
    by, key, wrapped = wrapped_pair(bench)
    assert bytes(by.wrap_key(key, mechanism=bench.mechanism.AES_KEY_WRAP)) == wrapped


@case
def a_restored_key_opens_what_the_original_sealed(bench: Bench) -> None:
    by, key, wrapped = wrapped_pair(bench)
    assert bench.opened(bench.restored(by, wrapped), bench.sealed(key, KEY)) == KEY


@case
def a_restored_key_remembers_that_it_came_from_outside(bench: Bench) -> None:
    by, _, wrapped = wrapped_pair(bench)
    restored = bench.restored(by, wrapped)
    for name in ("LOCAL", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE"):
        assert not restored[bench.attribute[name]], name


@case
def a_restored_key_may_be_closed_for_ever(bench: Bench) -> None:
    by, _, wrapped = wrapped_pair(bench)
    restored = bench.restored(by, wrapped)
    assert not restored[bench.attribute.EXTRACTABLE]
    with refused("AttributeReadOnly"):
        restored[bench.attribute.EXTRACTABLE] = True


@case
def a_key_that_may_not_leave_is_not_wrapped(bench: Bench) -> None:
    session = bench.log_in()
    by = bench.aes(session, "WRAP UNWRAP", key_id=b"wrapping")
    with refused("KeyUnextractable"):
        by.wrap_key(bench.aes(session), mechanism=bench.mechanism.AES_KEY_WRAP)


@case
def a_key_closed_for_ever_is_not_wrapped(bench: Bench) -> None:
    session = bench.log_in()
    by = bench.aes(session, "WRAP UNWRAP", key_id=b"wrapping")
    key = bench.aes(session, key_id=b"original", extractable=True)
    key[bench.attribute.EXTRACTABLE] = False
    with refused("KeyUnextractable"):
        by.wrap_key(key, mechanism=bench.mechanism.AES_KEY_WRAP)


@case
def a_tampered_wrapped_key_is_not_restored(bench: Bench) -> None:
    by, _, wrapped = wrapped_pair(bench)
    with refused():
        bench.restored(by, wrapped[:-1] + bytes([wrapped[-1] ^ 1]))


@case
def a_wrapped_key_cut_short_is_not_restored(bench: Bench) -> None:
    by, _, wrapped = wrapped_pair(bench)
    with refused():
        bench.restored(by, wrapped[:-8])


@case
def a_failed_restore_leaves_nothing(bench: Bench) -> None:
    by, _, wrapped = wrapped_pair(bench)
    with refused():
        bench.restored(by, wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    bench.start_anew()
    assert list(bench.log_in().get_objects({bench.attribute.ID: b"restored"})) == []
