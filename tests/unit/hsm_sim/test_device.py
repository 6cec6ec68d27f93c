"""Behaviours 11 to 14: attestation, officers, the audit log, states."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from hsm_sim import exceptions as ex
from hsm_sim.attestation import FACTS
from hsm_sim.audit import chain_holds
from hsm_sim.clock import SECOND
from hsm_sim.constants import Attribute
from hsm_sim.machine import OFFICERS, Machine
from hsm_sim.mechanisms import Mechanism
from tests.unit.hsm_sim.desk import PIN, SO_PIN, UNLOCK, Desk, restore

# 11 Attestation -------------------------------------------------------------------------------


def certificates(desk: Desk, key: Any) -> list[x509.Certificate]:
    chain = desk.lib.attest(key) + desk.machine.attestation_root()
    return x509.load_pem_x509_certificates(chain)


def test_a_key_is_attested_by_the_device_under_the_test_root() -> None:
    desk = Desk()
    public, private = desk.pair(desk.log_in())
    leaf, device, root = certificates(desk, private)
    leaf.verify_directly_issued_by(device)
    device.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    key = leaf.public_key()
    assert isinstance(key, ed25519.Ed25519PublicKey)
    assert key.public_bytes_raw() == public[Attribute.EC_POINT][2:]
    told = leaf.extensions.get_extension_for_oid(FACTS).value
    assert isinstance(told, x509.UnrecognizedExtension)
    facts = json.loads(told.value)
    assert (facts["local"], facts["never_extractable"], facts["extractable"]) == (
        True,
        True,
        False,
    )
    assert facts["id"] == b"pair".hex()


def test_two_devices_attest_with_two_keys_under_one_root() -> None:
    devices = []
    for seed in (1, 2):
        desk = Desk(seed=seed)
        devices.append(certificates(desk, desk.pair(desk.log_in())[1])[1:])
    (one, root), (two, same_root) = devices
    assert root == same_root
    assert one.public_key() != two.public_key()


def test_only_private_keys_made_here_are_attested() -> None:
    desk = Desk()
    session = desk.log_in()
    public, _ = desk.pair(session)
    for key in (public, desk.aes(session)):
        with pytest.raises(ex.KeyTypeInconsistent):
            desk.lib.attest(key)
    lax = Desk("softhsm")
    with pytest.raises(ex.FunctionNotSupported):
        lax.lib.attest(lax.pair(lax.log_in())[1])


# 12 M of N ------------------------------------------------------------------------------------


def wrapping(desk: Desk) -> tuple[Any, Any]:
    session = desk.log_in()
    by = desk.aes(session, "WRAP UNWRAP", key_id=b"by")
    return by, desk.aes(session, key_id=b"key", template={Attribute.EXTRACTABLE: True})


def approve(desk: Desk, officers: tuple[str, ...], *parts: bytes, number: int, **more: int) -> None:
    for officer in officers:
        consent = desk.machine.consent(officer, "wrap", *parts, number=number, **more)
        desk.machine.approve(consent)


def wrap(by: Any, key: Any) -> bytes:
    return bytes(by.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP))


def test_wrapping_needs_two_officers_each_time() -> None:
    desk = Desk("cloud-like")
    by, key = wrapping(desk)
    with pytest.raises(ex.FunctionRejected):
        wrap(by, key)
    approve(desk, OFFICERS[:1], b"by", b"key", number=1)
    with pytest.raises(ex.FunctionRejected):
        wrap(by, key)
    approve(desk, OFFICERS[1:2], b"by", b"key", number=1)
    assert len(wrap(by, key)) == 40
    with pytest.raises(ex.FunctionRejected):
        wrap(by, key)


def test_one_officer_twice_is_not_two() -> None:
    desk = Desk("cloud-like")
    by, key = wrapping(desk)
    for number in (1, 2):
        approve(desk, OFFICERS[:1], b"by", b"key", number=number)
    with pytest.raises(ex.FunctionRejected):
        wrap(by, key)


def test_consent_is_for_these_parameters_and_until_its_expiry() -> None:
    desk = Desk("cloud-like")
    by, key = wrapping(desk)
    approve(desk, OFFICERS[:2], b"by", b"another key", number=1)
    soon = (desk.machine.device_time() or 0) + 5 * SECOND
    approve(desk, OFFICERS[:2], b"by", b"key", number=2, expires_at=soon)
    desk.clock.sleep(6 * SECOND)
    with pytest.raises(ex.FunctionRejected):
        wrap(by, key)


def test_a_forged_or_repeated_consent_is_not_taken() -> None:
    desk = Desk("cloud-like")
    by, key = wrapping(desk)
    consents = [
        desk.machine.consent(name, "wrap", b"by", b"key", number=1) for name in OFFICERS[:2]
    ]
    forged = (
        replace(consents[0], operation="unwrap"),
        replace(consents[0], officer=OFFICERS[1]),
        replace(consents[0], officer="nobody"),
        replace(consents[0], expires_at=consents[0].expires_at + 1),
    )
    for consent in forged:
        with pytest.raises(ValueError, match="not a consent"):
            desk.machine.approve(consent)
    for consent in consents:
        desk.machine.approve(consent)
    wrap(by, key)
    with pytest.raises(ValueError, match="given once"):
        desk.machine.approve(consents[0])


def test_a_device_without_a_clock_takes_no_consent() -> None:
    desk = Desk("cloud-like")
    by, key = wrapping(desk)
    approve(desk, OFFICERS[:2], b"by", b"key", number=1)
    desk.machine.set_clock(present=False)
    with pytest.raises(ex.FunctionRejected):
        wrap(by, key)


def test_restoring_and_changing_need_consent_too() -> None:
    desk = Desk("cloud-like")
    by, key = wrapping(desk)
    with pytest.raises(ex.FunctionRejected):
        key[Attribute.LABEL] = "new"
    for officer in OFFICERS[1:]:
        parts = (b"key", b"0x3='new'")
        desk.machine.approve(desk.machine.consent(officer, "set_attribute", *parts, number=1))
    key[Attribute.LABEL] = "new"
    approve(desk, OFFICERS[:2], b"by", b"key", number=2)
    wrapped = wrap(by, key)
    with pytest.raises(ex.FunctionRejected):
        restore(by, wrapped)


# 13 Audit log ---------------------------------------------------------------------------------


def test_every_use_of_a_key_is_logged_in_a_chain() -> None:
    desk = Desk()
    session = desk.log_in()
    _, private = desk.pair(session)
    desk.sign(private)
    with pytest.raises(ex.KeyTypeInconsistent):
        private.sign(bytes(32), mechanism=Mechanism.ECDSA)
    entries = desk.machine.audit_log()
    assert [entry.operation for entry in entries] == [
        "boot",
        "init_token",
        "login",
        "generate_keypair",
        "sign",
        "sign",
    ]
    assert [entry.code for entry in entries[-2:]] == [0, 0x63]
    assert (entries[-1].key_id, entries[-1].role) == (b"pair".hex(), "user")
    assert entries[-2].digest != entries[-1].digest
    assert chain_holds(entries)
    for changed in (
        (*entries[:3], *entries[4:]),
        (*entries[:3], replace(entries[3], at=1), *entries[4:]),
        (*entries[:-2], entries[-1], entries[-2]),
        entries[1:],
    ):
        assert not chain_holds(changed)


def test_a_full_log_stops_commands_until_it_is_read() -> None:
    desk = Desk("yubihsm-like")
    session = desk.log_in()
    _, private = desk.pair(session)
    read = desk.machine.audit_log()
    for _ in range(62):
        desk.sign(private)
    with pytest.raises(ex.FunctionRejected):
        desk.sign(private)
    with pytest.raises(ex.FunctionRejected):
        session.generate_random(64)
    full = desk.machine.audit_log()
    assert (len(full), chain_holds(full, read[-1].chained)) == (62, True)
    desk.sign(private)


def test_starts_and_logins_that_find_no_place_are_counted() -> None:
    desk = Desk("yubihsm-like")
    _, private = desk.pair(desk.log_in())
    desk.machine.audit_log()
    for _ in range(62):
        desk.sign(private)
    for _ in range(3):
        desk.machine.power_cut()
    desk.log_in()
    assert (desk.machine.unlogged.boots, desk.machine.unlogged.logins) == (3, 1)


# 14 Device states -----------------------------------------------------------------------------


def test_a_device_goes_through_its_states() -> None:
    machine = Machine("net-like", seed=4)
    seen = [machine.phase]
    lib = machine.library().lib
    with pytest.raises(ex.TokenNotRecognised):
        lib.get_slots()[0].get_token()
    with pytest.raises(ex.DeviceError):
        machine.init_token(0, "a", so_pin=SO_PIN, pin=PIN)
    machine.provision(UNLOCK)
    seen.append(machine.phase)
    machine.init_token(0, "a", so_pin=SO_PIN, pin=PIN)
    with pytest.raises(ex.TokenNotPresent):
        lib.get_slots()[0].get_token()
    with pytest.raises(ex.PinIncorrect):
        machine.unlock("another")
    machine.unlock(UNLOCK)
    seen.append(machine.phase)
    assert lib.get_token(token_label="a").label == "a"
    machine.lock()
    seen.append(machine.phase)
    assert list(lib.get_tokens()) == []
    assert seen == ["unprovisioned", "provisioned", "operational", "locked"]
    for wrong_now in (machine.lock, lambda: machine.provision("again")):
        with pytest.raises(ex.DeviceError):
            wrong_now()


def test_an_attended_device_waits_for_its_operator_after_a_power_cut() -> None:
    desk = Desk("net-like", attended=True)
    desk.aes(desk.log_in())
    desk.machine.power_cut()
    assert desk.machine.phase == "locked"
    with pytest.raises(ex.NoSuchToken):
        desk.token()
    desk.machine.unlock(UNLOCK)
    assert desk.log_in().get_key(id=b"aes").label == "key"


def test_an_unattended_device_works_again_by_itself() -> None:
    desk = Desk("net-like", attended=False)
    desk.machine.power_cut()
    assert desk.machine.phase == "operational"
    desk.log_in()


def test_locking_ends_the_sessions() -> None:
    desk = Desk("net-like")
    session = desk.log_in()
    desk.machine.lock()
    with pytest.raises(ex.DeviceError):
        session.generate_random(64)
    desk.machine.unlock(UNLOCK)
    with pytest.raises(ex.SessionHandleInvalid):
        session.generate_random(64)
