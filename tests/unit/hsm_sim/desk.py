"""A simulated device on a desk: set up, with short words for what the tests do to it."""

from pathlib import Path
from typing import Any

from hsm_sim import constants, mechanisms
from hsm_sim.clock import VirtualClock
from hsm_sim.constants import Attribute, MechanismFlag, ObjectClass, TokenFlag
from hsm_sim.library import Library, Namespace
from hsm_sim.machine import Machine
from hsm_sim.mechanisms import KeyType, Mechanism

PIN = "123456"
SO_PIN = "12345678"
WRONG = "999999"
UNLOCK = "open sesame"
ED25519 = bytes.fromhex("06032b6570")
P256 = bytes.fromhex("06082a8648ce3d030107")


class Desk:
    """One device with a token `a` in slot 0, and a process that has loaded its library."""

    def __init__(
        self,
        profile: str = "full",
        seed: int = 7,
        *,
        state: Path | None = None,
        attended: bool = False,
    ) -> None:
        self.clock = VirtualClock(1_000_000_000)
        self.machine = Machine(profile, seed, self.clock, state)
        if self.machine.phase == "unprovisioned":
            self.machine.provision(UNLOCK, attended=attended)
            self.machine.unlock(UNLOCK)
        if not self.machine.library().lib.get_slots()[0].get_token().label:
            self.machine.init_token(0, "a", so_pin=SO_PIN, pin=PIN)
        self.names: Namespace = self.machine.library()
        self.lib: Library = self.names.lib

    def token(self) -> Any:
        return self.lib.get_token(token_label="a")

    def log_in(self, *, rw: bool = True) -> Any:
        return self.token().open(rw=rw, user_pin=PIN)

    def flags(self, prefix: str = "USER_PIN_") -> set[str]:
        """Name the warnings on the user's PIN."""
        flags = self.token().flags
        names = ("COUNT_LOW", "FINAL_TRY", "LOCKED")
        return {name for name in names if flags & TokenFlag[prefix + name]}

    def pair(self, session: Any, **more: Any) -> tuple[Any, Any]:
        """Make an Ed25519 pair that stays; `private` and `public` add to the templates."""
        return pair_of(session, KeyType.EC_EDWARDS, ED25519, **more)

    def aes(self, session: Any, uses: str = "ENCRYPT DECRYPT", **more: Any) -> Any:
        capabilities = MechanismFlag(0)
        for use in uses.split():
            capabilities |= MechanismFlag[use]
        return session.generate_key(
            KeyType.AES,
            256,
            id=more.get("key_id", b"aes"),
            label=more.get("label", "key"),
            store=more.get("store", True),
            capabilities=capabilities,
            template=more.get("template", {}),
        )

    def sign(self, private: Any, message: bytes = b"a checkpoint") -> bytes:
        return bytes(private.sign(message, mechanism=Mechanism.EDDSA))


def pair_of(session: Any, key_type: KeyType, curve: bytes, **more: Any) -> tuple[Any, Any]:
    unsaid = constants.DEFAULT
    private = {Attribute[name]: unsaid for name in ("DECRYPT", "UNWRAP", "DERIVE")}
    public = {Attribute[name]: unsaid for name in ("ENCRYPT", "WRAP", "VERIFY")}
    domain = session.create_domain_parameters(key_type, {Attribute.EC_PARAMS: curve}, local=True)
    made: tuple[Any, Any] = domain.generate_keypair(
        id=more.get("key_id", b"pair"),
        label=more.get("label", "pair"),
        store=more.get("store", True),
        public_template={**public, **more.get("public", {})},
        private_template={**private, **more.get("private", {})},
    )
    return made


def restore(by: Any, wrapped: bytes, **more: Any) -> Any:
    return by.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.AES,
        wrapped,
        id=b"restored",
        label="restored",
        store=True,
        mechanism=Mechanism.AES_KEY_WRAP,
        capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        template=more.get("template", {}),
    )


def gcm(key: Any, data: bytes, nonce: bytes = b"twelve bytes", aad: bytes = b"") -> bytes:
    given = mechanisms.GCMParams(nonce, aad)
    return bytes(key.encrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=given))
