"""What kinds of devices there are: seven profiles, each a set of limits and habits.

A habit that no other member names is what `full` does. Times are microseconds.
"""

from dataclasses import dataclass, replace
from typing import Final

from hsm_sim.clock import SECOND
from hsm_sim.constants import Attribute
from hsm_sim.mechanisms import Mechanism

_KEYS = frozenset({Mechanism.AES_KEY_GEN, Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD})
_P256 = frozenset({Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA})
_ED25519 = frozenset({Mechanism.EC_EDWARDS_KEY_PAIR_GEN, Mechanism.EDDSA})
_ML_DSA = frozenset({Mechanism.ML_DSA_KEY_PAIR_GEN, Mechanism.ML_DSA})
_GCM = frozenset({Mechanism.AES_GCM})
_ON_DIGEST = frozenset({Mechanism.ECDSA_SHA256})


@dataclass(frozen=True, slots=True)
class Latency:
    """How long commands take: a median, half to double of it, and a slow tail."""

    median_us: int = 0
    sign_us: int = 0
    generate_us: int = 0
    tail_percent: int = 0
    tail_times: int = 1

    def of(self, operation: str) -> int:
        """Give the median for an operation."""
        if operation in {"sign", "verify", "encrypt", "decrypt", "wrap", "unwrap"}:
            return self.sign_us
        return self.generate_us if operation.startswith("generate_key") else self.median_us


@dataclass(frozen=True, slots=True)
class Profile:
    """The limits and habits of one kind of device."""

    name: str
    mechanisms: frozenset[Mechanism]
    # PINs
    tries: int | None = 10  # wrong PINs that lock; None: never
    warns_final_try: bool = True
    recovery_us: int | None = None  # a locked PIN opens after this; None: the officer opens it
    unclean_cuts: int | None = None  # power losses without an orderly end that lock; None: never
    # limits
    max_sessions: int | None = None
    idle_us: int | None = None
    max_objects: int | None = None
    max_bytes: int | None = None
    rate_per_s: int | None = None  # commands refilled into the bucket
    burst: int = 0
    # habits
    audit_slots: int | None = None
    audit_forced: bool = False
    one_at_a_time: bool = False
    picks_nonces: bool = False
    bare_points: bool = False  # public points without an OCTET STRING around them
    attests: bool = True
    general_errors: bool = False  # tampered data: GeneralError instead of a specific one
    edwards_is_wrapped: bool = True
    imports_are_sensitive: bool = True
    uses_only_narrow: bool = True  # a usage bit once off stays off
    pair_templates_refuse: frozenset[Attribute] = frozenset()
    quorum: frozenset[str] = frozenset()
    quorum_needed: int = 2
    has_states: bool = False
    losses_per_million: int = 0
    latency: Latency = Latency()


FULL: Final = Profile(
    name="full",
    mechanisms=_KEYS | _P256 | _ED25519 | _ML_DSA | _GCM | _ON_DIGEST,
    max_sessions=256,
    max_objects=10_000,
    max_bytes=16_000_000,
)

_OTHERS = (
    replace(
        FULL,
        name="softhsm",
        mechanisms=_KEYS | _P256 | _ED25519 | _GCM,
        tries=None,
        warns_final_try=False,
        max_sessions=None,
        max_objects=None,
        max_bytes=None,
        attests=False,
        general_errors=True,
        edwards_is_wrapped=False,
        imports_are_sensitive=False,
        uses_only_narrow=False,
    ),
    replace(
        FULL,
        name="yubihsm-like",
        mechanisms=_KEYS | _P256 | _ED25519,
        max_sessions=16,
        idle_us=30 * SECOND,
        max_objects=256,
        max_bytes=126 * 1024,
        audit_slots=62,
        audit_forced=True,
        one_at_a_time=True,
        bare_points=True,
        latency=Latency(2_000, 40_000, 120_000),
    ),
    replace(
        FULL,
        name="tpm-like",
        mechanisms=frozenset({Mechanism.AES_KEY_GEN}) | _P256 | _ON_DIGEST,
        tries=5,
        warns_final_try=False,
        recovery_us=600 * SECOND,
        unclean_cuts=3,
        max_sessions=64,
        one_at_a_time=True,
        attests=False,
        general_errors=True,
        uses_only_narrow=False,
        pair_templates_refuse=frozenset(
            {Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY, Attribute.DERIVE}
        ),
        latency=Latency(1_000, 4_000, 150_000),
    ),
    replace(FULL, name="strict", tries=3),
    replace(
        FULL,
        name="cloud-like",
        mechanisms=FULL.mechanisms - _ML_DSA,
        tries=6,
        picks_nonces=True,
        quorum=frozenset({"wrap", "unwrap", "set_attribute"}),
        rate_per_s=100,
        burst=50,
        latency=Latency(1_000, 3_000, 50_000, tail_percent=1, tail_times=10),
    ),
    replace(
        FULL,
        name="net-like",
        mechanisms=FULL.mechanisms - _ML_DSA,
        has_states=True,
        losses_per_million=200,
        latency=Latency(1_000, 5_000, 60_000, tail_percent=2, tail_times=40),
    ),
)

PROFILES: Final[dict[str, Profile]] = {profile.name: profile for profile in (FULL, *_OTHERS)}
