"""Contract cases: our adapter on the peer, operation by operation."""

import gc

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.signer import operations as ops
from ledger.signer.pkcs11 import RETIRED
from ledger.signer.pkcs11_sessions import key_id_of, secret_key_id
from tests.contract.hsm.bench import Bench, case, done, fault

KEY = bytes(range(32))
KEK = secret_key_id("pii-kek-1")


@case
def the_adapter_answers_a_login_with_the_serial(bench: Bench) -> None:
    serial = done(bench.adapter(log_in=False).perform(bench.log_in_operation())).data
    assert serial == bytes(bench.token().serial)


@case
def the_adapter_logs_in_by_serial(bench: Bench) -> None:
    serial = bench.token().serial.decode()
    operation = ops.LogIn(bench.peer.pin, serial=serial)
    assert done(bench.adapter(log_in=False).perform(operation)).data == serial.encode()


@case
def the_adapter_does_nothing_before_a_login(bench: Bench) -> None:
    adapter = bench.adapter(log_in=False)
    assert fault(adapter.perform(ops.Sign(KEK, "ed25519", b"x"))) == "SessionClosed"
    assert fault(adapter.perform(ops.ListKeys())) == "SessionClosed"


@case
def a_missing_token_costs_no_pin_try(bench: Bench) -> None:
    reply = bench.adapter(log_in=False).perform(ops.LogIn("654321", label="nobody"))
    assert isinstance(reply, ops.Fault)
    assert (reply.name, reply.pin_was_tried) == ("NoSuchToken", False)


@case
def a_wrong_pin_is_reported_as_tried(bench: Bench) -> None:
    reply = bench.adapter(log_in=False).perform(bench.log_in_operation("654321"))
    bench.start_anew()
    bench.log_in()
    assert isinstance(reply, ops.Fault)
    assert (reply.name, reply.pin_was_tried) == ("PinIncorrect", True)


@case
def after_a_wrong_pin_the_adapter_leaves_the_token_alone(bench: Bench) -> None:
    adapter = bench.adapter(log_in=False)
    adapter.perform(bench.log_in_operation("654321"))
    reply = adapter.perform(bench.log_in_operation("654321"))
    bench.start_anew()
    bench.log_in()
    assert isinstance(reply, ops.Fault)
    assert (reply.name, reply.pin_was_tried) == ("PinGuard", False)


@case
def a_failed_login_leaves_no_session_behind(bench: Bench) -> None:
    bench.adapter(log_in=False).perform(bench.log_in_operation("654321"))
    officer = bench.token().open(rw=True, so_pin=bench.peer.so_pin)
    assert officer.user_type == bench.names.constants.UserType.SO
    bench.start_anew()
    bench.log_in()


@case
def the_adapter_logs_in_a_hundred_times_without_a_leak(bench: Bench) -> None:
    adapter = bench.adapter(log_in=False)
    for _ in range(100):
        done(adapter.perform(bench.log_in_operation()))


@case
def a_logout_ends_the_work(bench: Bench) -> None:
    adapter = bench.adapter()
    done(adapter.perform(ops.LogOut()))
    assert fault(adapter.perform(ops.ListKeys())) == "SessionClosed"


@case
def starting_the_module_anew_ends_the_work(bench: Bench) -> None:
    adapter = bench.adapter()
    done(adapter.perform(ops.Reinitialise()))
    assert fault(adapter.perform(ops.ListKeys())) == "SessionClosed"


@case
def a_key_made_by_the_adapter_is_named_by_its_public_half(bench: Bench) -> None:
    adapter = bench.adapter()
    public = done(adapter.perform(ops.MakeSigningKey("documents-a", "p-256"))).data
    held = done(adapter.perform(ops.ListKeys())).keys
    named = {(key.label, key.key_id, key.kind) for key in held}
    assert named == {("documents-a", key_id_of(public), kind) for kind in ("public", "private")}


@case
def a_key_made_by_the_adapter_signs(bench: Bench) -> None:
    adapter = bench.adapter()
    public = done(adapter.perform(ops.MakeSigningKey("documents-a", "ed25519"))).data
    signed = done(adapter.perform(ops.Sign(key_id_of(public), "ed25519", b"a statement"))).data
    Ed25519PublicKey.from_public_bytes(public).verify(signed, b"a statement")


@case
def the_adapter_makes_and_uses_a_p256_key(bench: Bench) -> None:
    adapter = bench.adapter()
    public = done(adapter.perform(ops.MakeSigningKey("station", "p-256"))).data
    signed = done(adapter.perform(ops.Sign(key_id_of(public), "p-256", b"observed"))).data
    assert (len(public), len(signed)) == (65, 64)


@case
def the_public_half_is_read_from_the_token(bench: Bench) -> None:
    adapter = bench.adapter()
    public = done(adapter.perform(ops.MakeSigningKey("documents-a", "p-256"))).data
    assert done(adapter.perform(ops.ReadPublic(key_id_of(public), "p-256"))).data == public


@case
def an_unknown_algorithm_makes_nothing(bench: Bench) -> None:
    adapter = bench.adapter()
    assert fault(adapter.perform(ops.MakeSigningKey("odd", "rot13"))) == "MechanismInvalid"
    assert done(adapter.perform(ops.ListKeys())).keys == ()


@case
def an_unknown_signing_key_is_named_so(bench: Bench) -> None:
    reply = bench.adapter().perform(ops.Sign(b"nothing!", "ed25519", b"x"))
    assert fault(reply) == "NoSuchKey"


@case
def two_keys_of_one_id_are_not_chosen_between_nor_spoil_later_searches(bench: Bench) -> None:
    """An unfinished search would be ended by the collector in the middle of another one."""
    session = bench.log_in()
    for _ in range(2):
        bench.p256(session)
    bench.start_anew()
    adapter = bench.adapter()
    for _ in range(3):
        reply = adapter.perform(ops.Sign(b"case-key", "p-256", b"x"))
        assert fault(reply) == "MultipleObjectsReturned"
        gc.collect()
        assert len(done(adapter.perform(ops.ListKeys())).keys) == 4


@case
def a_retired_key_signs_no_more_and_says_so(bench: Bench) -> None:
    adapter = bench.adapter()
    public = done(adapter.perform(ops.MakeSigningKey("documents-a", "p-256"))).data
    for _ in range(2):
        done(adapter.perform(ops.RetireKey(key_id_of(public))))
    assert fault(adapter.perform(ops.Sign(key_id_of(public), "p-256", b"x")))
    held = [key for key in done(adapter.perform(ops.ListKeys())).keys if key.kind == "private"]
    assert [(key.label, key.signs) for key in held] == [("documents-a" + RETIRED, False)]


@case
def a_destroyed_pair_is_gone(bench: Bench) -> None:
    adapter = bench.adapter()
    public = done(adapter.perform(ops.MakeSigningKey("documents-a", "p-256"))).data
    done(adapter.perform(ops.DestroyKey(key_id_of(public))))
    assert done(adapter.perform(ops.ListKeys())).keys == ()
    assert fault(adapter.perform(ops.DestroyKey(key_id_of(public)))) == "NoSuchKey"


@case
def the_adapter_seals_and_opens(bench: Bench) -> None:
    adapter = bench.adapter()
    done(adapter.perform(ops.MakeSecretKey("pii-kek-1")))
    sealed = done(adapter.perform(ops.Seal(KEK, b"context", KEY))).data
    assert len(sealed) == 60
    assert done(adapter.perform(ops.Unseal(KEK, b"context", sealed))).data == KEY


@case
def the_adapter_seals_with_a_fresh_nonce_each_time(bench: Bench) -> None:
    adapter = bench.adapter()
    done(adapter.perform(ops.MakeSecretKey("pii-kek-1")))
    seal = ops.Seal(KEK, b"context", KEY)
    assert len({done(adapter.perform(seal)).data[:12] for _ in range(20)}) == 20


@case
def what_does_not_open_is_told_from_a_sick_device(bench: Bench) -> None:
    adapter = bench.adapter()
    done(adapter.perform(ops.MakeSecretKey("pii-kek-1")))
    sealed = done(adapter.perform(ops.Seal(KEK, b"context", KEY))).data
    for context, data in (
        (b"another", sealed),
        (b"context", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (b"context", sealed[:-1]),
        (b"context", b"short"),
        (b"context", b""),
    ):
        assert fault(adapter.perform(ops.Unseal(KEK, context, data))) == "SealBroken", data
    assert done(adapter.perform(ops.Unseal(KEK, b"context", sealed))).data == KEY


@case
def an_unknown_sealing_key_is_the_requests_fault(bench: Bench) -> None:
    adapter = bench.adapter()
    assert fault(adapter.perform(ops.Seal(KEK, b"context", KEY))) == "NoSuchSealKey"
    assert fault(adapter.perform(ops.Unseal(KEK, b"context", bytes(60)))) == "NoSuchSealKey"


@case
def a_second_secret_key_of_a_name_is_refused(bench: Bench) -> None:
    adapter = bench.adapter()
    done(adapter.perform(ops.MakeSecretKey("pii-kek-1")))
    reply = adapter.perform(ops.MakeSecretKey("pii-kek-1"))
    assert fault(reply) == "MultipleObjectsReturned"


@case
def a_key_moves_under_the_wrapping_key(bench: Bench) -> None:
    """Made, sealed with, wrapped, destroyed, restored: it still opens, and stays closed."""
    adapter = bench.adapter()
    by = done(adapter.perform(ops.MakeSecretKey("quorum-wrap", wraps=True))).data
    done(adapter.perform(ops.MakeSecretKey("pii-kek-1", extractable=True)))
    sealed = done(adapter.perform(ops.Seal(KEK, b"context", KEY))).data
    wrapped = done(adapter.perform(ops.WrapKey(by, KEK))).data
    done(adapter.perform(ops.DestroyKey(KEK)))
    done(adapter.perform(ops.RestoreKey(by, "pii-kek-1", wrapped)))
    assert done(adapter.perform(ops.Unseal(KEK, b"context", sealed))).data == KEY
    assert fault(adapter.perform(ops.WrapKey(by, KEK))) == "KeyUnextractable"


@case
def a_closed_key_moves_no_more(bench: Bench) -> None:
    adapter = bench.adapter()
    by = done(adapter.perform(ops.MakeSecretKey("quorum-wrap", wraps=True))).data
    done(adapter.perform(ops.MakeSecretKey("pii-kek-1", extractable=True)))
    done(adapter.perform(ops.CloseKey(KEK)))
    assert fault(adapter.perform(ops.WrapKey(by, KEK))) == "KeyUnextractable"


@case
def the_wrapping_key_is_the_sum_of_its_officers_parts(bench: Bench) -> None:
    """Order does not matter, one part is not enough, equal parts are refused."""
    adapter = bench.adapter()
    one, two = KEY, bytes(reversed(KEY))
    done(adapter.perform(ops.MakeSecretKey("pii-kek-1", extractable=True)))
    wrapped = set()
    for parts in ((one, two), (two, one)):
        by = done(adapter.perform(ops.ImportWrappingKey("quorum-wrap", parts))).data
        wrapped.add(done(adapter.perform(ops.WrapKey(by, KEK))).data)
        done(adapter.perform(ops.DestroyKey(by)))
    assert len(wrapped) == 1
    for wrong in ((one,), (one, one), (one, two[:-1])):
        reply = adapter.perform(ops.ImportWrappingKey("quorum-wrap", wrong))
        assert fault(reply) == "KeySizeRange"
