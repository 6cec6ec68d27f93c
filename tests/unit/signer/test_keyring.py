"""The keys on two devices, and the same in software: who signs, who opens, what is refused."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.kernel.errors import Malformed, Misconfigured, NotFound, TamperEvidence, Unavailable
from ledger.kernel.sealing import SealedKey
from ledger.signer import operations as ops
from ledger.signer.devices import Device, DeviceSettings, verifies
from ledger.signer.keyring import HardwareKeyring, SealedSeed, seed_context
from ledger.signer.pkcs11_sessions import secret_key_id
from ledger.signer.ports import Keyring
from ledger.signer.software_keyring import SoftwareKeyring
from tests.support.devices import VirtualClock, pinned, surroundings
from tests.support.scripted import ScriptedDriver, Trouble

PURPOSES = ("checkpoint", "documents", "certificates")
KEY = bytes(range(32))
FOR_EVER = 1_000_000


class Hardware:
    """A keyring on two scripted devices."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.drivers = {}
        devices = []
        for number, letter in enumerate("ab", 1):
            labels = tuple(f"{purpose}-{letter}" for purpose in PURPOSES)
            driver = self.drivers[letter] = ScriptedDriver(labels, seed=number)
            keys = tuple(pinned(label, driver.public(label), letter) for label in labels)
            settings = DeviceSettings(letter, "123456", label="t", keys=keys)
            devices.append(Device(settings, driver, surroundings(self.clock)))
        self.devices = devices
        self.keyring = HardwareKeyring(devices, self._seed())

    def _seed(self) -> SealedSeed:
        public = MLDSA44PrivateKey.from_seed_bytes(KEY).public_key().public_bytes_raw()
        sealed = {}
        for letter, driver in self.drivers.items():
            driver.is_in = True
            seal = ops.Seal(secret_key_id("seal-1"), seed_context(public), KEY)
            reply = driver.call(seal, 1)
            assert isinstance(reply, ops.Answer)
            sealed[letter] = reply.data
            driver.is_in = False
        return SealedSeed(pinned("checkpoint-pq", public, "a", "ml-dsa-44"), "seal-1", sealed)

    def take_away(self, *letters: str) -> None:
        for letter in letters:
            for operation in ("LogIn", "Sign", "Seal", "Unseal"):
                self.drivers[letter].trouble(Trouble("DeviceError", operation, FOR_EVER))


def hardware(*without: str) -> Keyring:
    made = Hardware()
    made.take_away(*without)
    return made.keyring


def software(*without: str) -> Keyring:
    clock = VirtualClock()
    keyring = SoftwareKeyring(bytes(32), clock)
    for letter in without:
        keyring.switch(letter, is_on=False, at=clock.now())
    return keyring


Make = Callable[..., Keyring]
both = pytest.mark.parametrize("make", [hardware, software])


@both
@pytest.mark.parametrize(
    ("purpose", "without", "signers"),
    [
        ("checkpoint", "", "ab"),
        ("checkpoint", "a", "b"),
        ("checkpoint", "b", "a"),
        ("documents", "", "a"),
        ("documents", "a", "b"),
        ("certificates", "", "a"),
        ("certificates", "a", "b"),
        ("checkpoint-pq", "", "a"),
        ("checkpoint-pq", "a", "a"),
    ],
)
def test_each_purpose_has_its_signers(make: Make, purpose: str, without: str, signers: str) -> None:
    signed = make(*without).sign(purpose, b"bytes")
    assert "".join(key.device for key, _ in signed) == signers
    assert all(verifies(key, b"bytes", signature) for key, signature in signed)
    assert all(key.label.startswith(purpose) for key, _ in signed)


@both
@pytest.mark.parametrize("purpose", [*PURPOSES, "checkpoint-pq"])
def test_without_any_device_there_is_no_signature(make: Make, purpose: str) -> None:
    with pytest.raises(Unavailable):
        make("a", "b").sign(purpose, b"bytes")


@both
def test_an_unknown_purpose_is_refused(make: Make) -> None:
    with pytest.raises(Malformed, match="purpose"):
        make().sign("love-letters", b"bytes")


@both
def test_public_keys_are_listed_with_their_ids(make: Make) -> None:
    keys = make().public_keys()
    labels = {f"{purpose}-{letter}" for purpose in PURPOSES for letter in "ab"}
    assert {key.label for key in keys} == labels | {"checkpoint-pq"}
    assert len({key.key_id for key in keys}) == len(keys)


@both
def test_a_sealed_key_opens_for_its_subject_and_purpose_alone(make: Make) -> None:
    keyring = make()
    wrapped = keyring.wrap(1, "contact", "subject-1", KEY)
    assert len(wrapped) == 60
    assert keyring.unwrap(1, "contact", "subject-1", wrapped) == KEY
    broken = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for purpose, subject, data in (
        ("contact", "subject-2", wrapped),
        ("retention", "subject-1", wrapped),
        ("contact", "subject-1", broken),
    ):
        with pytest.raises(TamperEvidence):
            keyring.unwrap(1, purpose, subject, data)


@both
@pytest.mark.parametrize(
    ("epoch", "purpose", "subject", "key", "field"),
    [
        (-1, "contact", "s", KEY, "epoch"),
        (1, "Contact", "s", KEY, "purpose"),
        (1, "", "s", KEY, "purpose"),
        (1, "contact", "", KEY, "subject"),
        (1, "contact", "s\0contact", KEY, "subject"),
        (1, "contact", "s" * 65, KEY, "subject"),
        (1, "contact", "s", KEY[:-1], "key"),
    ],
)
def test_what_cannot_be_sealed_is_refused_by_field(
    make: Make, epoch: int, purpose: str, subject: str, key: bytes, field: str
) -> None:
    with pytest.raises(Malformed) as refused:
        make().wrap(epoch, purpose, subject, key)
    assert refused.value.field == field


@both
def test_sealing_works_while_one_device_is_left(make: Make) -> None:
    wrapped = make("a").wrap(1, "contact", "subject-1", KEY)
    assert len(wrapped) == 60
    with pytest.raises(Unavailable):
        make("a", "b").wrap(1, "contact", "subject-1", KEY)


@both
def test_a_device_without_attestation_says_none(make: Make) -> None:
    assert make().attest("documents-a") is None
    with pytest.raises(NotFound):
        make().attest("documents-c")


def test_an_epoch_whose_key_is_gone_is_not_found_and_blocks_nobody() -> None:
    made = Hardware()
    with pytest.raises(NotFound):
        made.keyring.unwrap(9, "contact", "subject-1", bytes(60))
    assert {state.state for state in made.keyring.states()} == {"up"}


def test_bytes_that_do_not_open_block_nobody() -> None:
    made = Hardware()
    for _ in range(20):
        with pytest.raises(TamperEvidence):
            made.keyring.unwrap(1, "contact", "subject-1", bytes(60))
    assert {state.state for state in made.keyring.states()} == {"up"}


def test_the_post_quantum_seed_is_opened_once_and_needs_no_device_after_it() -> None:
    made = Hardware()
    made.keyring.sign("checkpoint-pq", b"one")
    made.take_away("a", "b")
    ((key, signature),) = made.keyring.sign("checkpoint-pq", b"two")
    assert verifies(key, b"two", signature)
    assert made.drivers["a"].calls["Unseal"] == 1


def test_a_seed_of_another_key_is_never_used() -> None:
    made = Hardware()
    other = MLDSA44PrivateKey.from_seed_bytes(bytes(32)).public_key().public_bytes_raw()
    seed = made._seed()
    seed.key = pinned("checkpoint-pq", other, "a", "ml-dsa-44")
    with pytest.raises(TamperEvidence):
        HardwareKeyring(made.devices, seed).sign("checkpoint-pq", b"head")


def test_devices_that_share_a_letter_or_lack_a_seal_are_misconfigured() -> None:
    made = Hardware()
    with pytest.raises(Misconfigured):
        HardwareKeyring([made.devices[0], made.devices[0]])
    with pytest.raises(Misconfigured):
        HardwareKeyring([])
    seed = made._seed()
    del seed.sealed["b"]
    with pytest.raises(Misconfigured, match="checkpoint-pq"):
        HardwareKeyring(made.devices, seed)


def test_a_person_unblocks_one_device() -> None:
    made = Hardware()
    made.drivers["a"].trouble(Trouble("NoSuchKey", "Sign"))
    assert [key.device for key, _ in made.keyring.sign("checkpoint", b"head")] == ["b"]
    assert made.keyring.states()[0].state == "blocked"
    made.keyring.unblock("a")
    assert len(made.keyring.sign("checkpoint", b"head")) == 2
    with pytest.raises(NotFound):
        made.keyring.unblock("c")


def test_the_software_keyring_of_a_seed_is_always_the_same() -> None:
    assert software().public_keys() == software().public_keys()
    assert SoftwareKeyring(bytes(31) + b"\1", VirtualClock()).public_keys() != (
        software().public_keys()
    )


def test_while_a_key_is_changed_both_sign_checkpoints_and_the_newest_signs_documents() -> None:
    labels = ("checkpoint-a", "checkpoint-a-2", "documents-a", "documents-a-2")
    driver = ScriptedDriver(labels)
    keys = tuple(pinned(label, driver.public(label), "a") for label in labels)
    settings = DeviceSettings("a", "123456", label="t", keys=keys)
    keyring = HardwareKeyring([Device(settings, driver, surroundings(VirtualClock()))])
    signed = {purpose: keyring.sign(purpose, b"bytes") for purpose in ("checkpoint", "documents")}
    assert [key.label for key, _ in signed["checkpoint"]] == ["checkpoint-a", "checkpoint-a-2"]
    assert [key.label for key, _ in signed["documents"]] == ["documents-a-2"]
    assert all(verifies(key, b"bytes", each) for pairs in signed.values() for key, each in pairs)
    with pytest.raises(Misconfigured, match="certificates-a"):
        keyring.sign("certificates", b"bytes")


@both
def test_keys_are_sealed_anew_under_another_epoch(make: Make) -> None:
    keyring = make()
    names = [(purpose, f"subject-{n}") for purpose in ("contact", "invoice") for n in range(3)]
    keys = [SealedKey(*name, keyring.wrap(1, *name, KEY)) for name in names]
    fresh = keyring.rewrap(1, 2, keys)
    for key, new in zip(keys, fresh, strict=True):
        assert new != key.wrapped
        assert keyring.unwrap(2, key.purpose, key.subject, new) == KEY
        with pytest.raises(TamperEvidence):
            keyring.unwrap(1, key.purpose, key.subject, new)
    stranger = SealedKey("contact", "subject-9", keys[0].wrapped)
    with pytest.raises(TamperEvidence):
        keyring.rewrap(1, 2, [keys[1], stranger])
    with pytest.raises(Unavailable):
        make("a", "b").rewrap(1, 2, keys)
