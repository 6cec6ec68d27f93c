"""The adapter on each kind of simulated device: what it can do there, and how it is refused."""

import pytest
from cryptography import x509

from hsm_sim.machine import Machine
from ledger.signer import operations as ops
from ledger.signer.devices import verifies
from ledger.signer.keyring import HardwareKeyring
from ledger.signer.pkcs11 import Adapter
from ledger.signer.pkcs11_sessions import key_id_of, secret_key_id
from tests.support.devices import VirtualClock, pinned
from tests.support.simulated import PIN, SO_PIN, SimulatedDevice

KEK = secret_key_id("pii-kek-1")
KEY = bytes(range(32))
NO = "MechanismInvalid"

# profile -> Ed25519, P-256, ML-DSA-44, AES-GCM, AES key wrap with padding; "" is done
CAN = {
    "full": ("", "", "", "", ""),
    "softhsm": ("", "", NO, "", ""),
    "yubihsm-like": ("", "", NO, NO, ""),
    "tpm-like": (NO, "", NO, NO, NO),
    "strict": ("", "", "", "", ""),
    "cloud-like": ("FunctionRejected", "FunctionRejected", NO, "", ""),  # ids need a quorum
    "net-like": ("", "", NO, "", ""),
}
ALGORITHMS = ("ed25519", "p-256", "ml-dsa-44")
ATTESTS = {"full", "yubihsm-like", "strict", "net-like"}


def adapter(profile: str) -> Adapter:
    machine = Machine(profile=profile, seed=3)
    if profile == "net-like":
        machine.provision("open sesame")
        machine.unlock("open sesame")
    machine.init_token(0, "mobilegrid-a", so_pin=SO_PIN, pin=PIN)
    made = Adapter(machine.library())
    done(made.perform(ops.LogIn(PIN, label="mobilegrid-a", writes=True)))
    return made


def done(reply: ops.Reply) -> bytes:
    assert isinstance(reply, ops.Answer), reply
    return reply.data


def name_of(reply: ops.Reply) -> str:
    return reply.name if isinstance(reply, ops.Fault) else ""


@pytest.mark.parametrize("profile", CAN)
@pytest.mark.parametrize("place", range(3), ids=ALGORITHMS)
def test_a_signing_key_is_made_and_signs_or_leaves_nothing(profile: str, place: int) -> None:
    algorithm, made_of = ALGORITHMS[place], adapter(profile)
    made = made_of.perform(ops.MakeSigningKey("documents-a", algorithm))
    assert name_of(made) == CAN[profile][place]
    if isinstance(made, ops.Fault):
        held = made_of.perform(ops.ListKeys())
        assert isinstance(held, ops.Answer)
        assert held.keys == ()
        return
    key = pinned("documents-a", made.data, "a", algorithm)
    signed = done(made_of.perform(ops.Sign(key_id_of(made.data), algorithm, b"message")))
    assert verifies(key, b"message", signed)
    assert not verifies(key, b"another", signed)


@pytest.mark.parametrize("profile", CAN)
@pytest.mark.parametrize("with_gcm", [True, False], ids=["GCM", "key wrap"])
def test_a_subject_key_is_sealed_for_its_context_alone(profile: str, *, with_gcm: bool) -> None:
    made_of = adapter(profile)
    done(made_of.perform(ops.MakeSecretKey("pii-kek-1")))
    sealed = made_of.perform(ops.Seal(KEK, b"context", KEY, with_gcm))
    assert name_of(sealed) == CAN[profile][3 if with_gcm else 4]
    if isinstance(sealed, ops.Fault):
        return
    assert len(sealed.data) == (60 if with_gcm else 72)
    assert done(made_of.perform(ops.Unseal(KEK, b"context", sealed.data, with_gcm))) == KEY
    broken = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    for context, data in ((b"another", sealed.data), (b"context", broken), (b"context", b"")):
        reply = made_of.perform(ops.Unseal(KEK, context, data, with_gcm))
        assert name_of(reply) == "SealBroken"


@pytest.mark.parametrize("profile", ["full", "softhsm", "yubihsm-like", "strict", "net-like"])
def test_a_device_attests_a_key_or_says_that_it_does_not(profile: str) -> None:
    made_of = adapter(profile)
    public = done(made_of.perform(ops.MakeSigningKey("documents-a", "p-256")))
    reply = made_of.perform(ops.Attest(key_id_of(public)))
    assert name_of(reply) == ("" if profile in ATTESTS else "NoAttestation")
    if isinstance(reply, ops.Answer):
        certificates = x509.load_pem_x509_certificates(reply.data)
        assert len(certificates) >= 1


def test_asking_a_device_that_does_not_attest_leaves_it_at_work() -> None:
    held = SimulatedDevice("a", VirtualClock(), seed=1, profile="softhsm")
    keyring = HardwareKeyring([held.device])
    assert keyring.attest("documents-a") is None
    assert held.device.state.state == "up"
    assert len(keyring.sign("documents", b"statement")) == 1
