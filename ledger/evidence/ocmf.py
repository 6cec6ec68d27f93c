"""Signed meter values: what the OCMF records of one charging session prove (OCMF 1.4.1).

The steps are numbered as in the code; the verdict carries the number of the one that failed.

1. Envelope of three parts, payload one JSON object, no key twice: else INVALID.
2. The meter is the one registered for the slot: nobody's is NO_KEY, another's is INVALID.
3. The key is the one registered at that time, never the one in the message; none is NO_KEY. A sent
   key that differs opens a case.
4. Signature over the payload exactly as it came. A curve or an algorithm we cannot check is
   UNSUPPORTED.
5. Pages follow each other; a repeat is INVALID, a gap opens a case (`signed_facts.continued`).
6. No error flag, status good.
7. Quality of time: only S serves billing by time; the worst letter is kept.
8. Begin not after end; readings of a register in order.
9. No register runs backwards: inside the records, and against the last signed reading.
10. Begin and end are of one transaction of one driver at one gateway.
11. Energy is the difference of the registers, exact in uWh, rounded down to Wh.
12. It agrees with the unsigned registers, else a case (`signed_facts.agreed`).

A session is one record with begin and end, or one record for each.
"""

from base64 import b64decode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ledger.evidence.ocmf_record import UWH_PER_WH, Reading, Record, parse
from ledger.kernel.errors import Malformed
from ledger.kernel.public_key import PublicKey
from ledger.kernel.signed_facts import (
    ABSENT,
    INVALID,
    KEY_DIFFERS,
    NO_KEY,
    RECORDS_MAX,
    UNSUPPORTED,
    VALID,
    MeterEvidence,
    Pages,
    Registers,
    agreed,
    continued,
)

FORMAT = "OCMF"

CURVES = frozenset(
    {"secp192r1", "secp256k1", "secp256r1", "secp384r1", "brainpool256r1", "brainpool384r1"}
)
"""Curves on which a signature is checked; secp192k1 is known and not checked."""

_ALGORITHMS = {f"ECDSA-{curve}-SHA256": curve for curve in CURVES} | {
    "ECDSA-brainpoolP256r1-SHA256": "brainpool256r1",  # two spellings are about
    "ECDSA-brainpoolP384r1-SHA256": "brainpool384r1",
}
_RECORDS_MAX = 2
_BEGIN = "B"
_ENDS = frozenset("ELRAP")
_QUALITIES = "SIRU"


class MeterKey(msgspec.Struct, frozen=True):
    """A registered key, in force from `valid_from` until before `valid_to` (us, 0 = no end)."""

    key: PublicKey
    valid_from: int
    valid_to: int = 0


class Meter(msgspec.Struct, frozen=True):
    """A meter as it was registered; without a model any model is taken."""

    serial: str
    keys: tuple[MeterKey, ...]
    model: str = ""

    def key_at(self, at: int) -> PublicKey | None:
        """Give the key in force at an instant (us)."""
        for one in self.keys:
            if one.valid_from <= at and (not one.valid_to or at < one.valid_to):
                return one.key
        return None


class Session(msgspec.Struct, frozen=True):
    """What is known of a session beside its records: when it ended, and what was counted (Wh).

    `pages` and `registers` are what was signed before it; `sent_key` is the SPKI that came with the
    message.
    """

    ended_at: int
    in_wh: int
    out_wh: int = 0
    pages: Pages = Pages()
    registers: Registers = Registers()
    sent_key: bytes = b""


def verify(raws: Sequence[bytes], meter: Meter | None, session: Session) -> MeterEvidence:
    """Check the records of one session, as they were transmitted; every input gets a verdict.

    Facts are filled in as far as they could be read, whatever the verdict; the first step that
    fails, in their order, is the one that is kept.
    """
    digests = tuple(sha256(raw).hexdigest() for raw in raws[:RECORDS_MAX])
    facts = MeterEvidence(format=FORMAT, verdict=VALID, raw_sha256=digests)
    if not raws:
        return facts.failed(ABSENT, 0)
    try:  # 1
        parsed = tuple(map(parse, raws[: _RECORDS_MAX + 1]))
    except Malformed:
        return facts.failed(INVALID, 1)
    if len(parsed) > _RECORDS_MAX:
        return facts.failed(INVALID, 1)
    facts = _under_key(_with_pages(facts, parsed), parsed, meter, session)
    if facts.verdict != VALID:
        return facts
    step = _broken_step(parsed)
    if step:
        earlier = continued(facts, session.pages, Registers())  # 5
        return earlier if 0 < earlier.step < step else facts.failed(INVALID, step)
    facts = continued(_with_energy(facts, parsed), session.pages, session.registers)  # 5, 9
    return agreed(facts, session.in_wh, session.out_wh)  # 12


def unsupported(format_name: str, raws: Sequence[bytes]) -> MeterEvidence:
    """Keep records of a format that is not checked here, by digest."""
    digests = tuple(sha256(raw).hexdigest() for raw in raws[:RECORDS_MAX])
    return MeterEvidence(format=format_name[:40], verdict=UNSUPPORTED, raw_sha256=digests, step=1)


def is_point(key: PublicKey) -> bool:
    """Tell whether a key lies on its curve; to be asked before it is registered."""
    return key.curve in CURVES and _loaded(key.spki) is not None


# 2 to 4: meter, key, signature ----------------------------------------------------


def _under_key(
    facts: MeterEvidence, parsed: Sequence[Record], meter: Meter | None, session: Session
) -> MeterEvidence:
    if meter is None:  # 2
        return facts.failed(NO_KEY, 2)
    for each in parsed:
        serial = each.meter_serial or each.gateway_serial  # a gateway that is the meter
        model = each.meter_model or each.gateway_model
        if serial != meter.serial or meter.model not in ("", model):
            return facts.failed(INVALID, 2)
    key = meter.key_at(session.ended_at)
    if session.sent_key and (key is None or session.sent_key != key.spki):
        facts = facts.noted(KEY_DIFFERS)
    if key is None:  # 3
        return facts.failed(NO_KEY, 3)
    facts = msgspec.structs.replace(facts, key_id=key.key_id)
    for each in parsed:  # 4
        verdict = _signature_verdict(each, key)
        if verdict != VALID:
            return facts.failed(verdict, 4)
    return facts


def _signature_verdict(each: Record, key: PublicKey) -> str:
    curve = _ALGORITHMS.get(each.algorithm)
    if curve is None or key.curve not in CURVES:
        return UNSUPPORTED
    public_key = _loaded(key.spki)
    if curve != key.curve or public_key is None:
        return INVALID
    try:
        signature = _signature(each)
        public_key.verify(signature, each.signed, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return INVALID
    return VALID


def _signature(each: Record) -> bytes:
    if each.encoding == "hex":
        return bytes.fromhex(each.signature)
    if each.encoding == "base64":
        return b64decode(each.signature, validate=True)
    raise ValueError("neither hex nor base64")


@lru_cache(maxsize=8_192)
def _loaded(spki: bytes) -> EllipticCurvePublicKey | None:
    """Make a key usable; None when its point is not on the curve."""
    try:
        loaded = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return loaded if isinstance(loaded, EllipticCurvePublicKey) else None


# 5 to 11: order and energy ---------------------------------------------------------


def _with_pages(facts: MeterEvidence, parsed: Sequence[Record]) -> MeterEvidence:
    letters = [reading.quality for each in parsed for reading in each.readings]
    return msgspec.structs.replace(
        facts,
        gateway=parsed[0].gateway,
        page_kind=parsed[0].page_kind,
        pagination_begin=parsed[0].page,
        pagination_end=parsed[-1].page,
        time_quality=max(letters, key=_QUALITIES.index),  # 7
    )


def _broken_step(parsed: Sequence[Record]) -> int:
    """Tell which step the records break on their own, 0 for none."""
    readings = [reading for each in parsed for reading in each.readings]
    by_register = _by_register(readings)
    pairs = [pair for own in by_register.values() for pair in pairwise(own)]
    sources = {(each.gateway, each.meter_serial, each.driver) for each in parsed}
    tests = (
        (all(map(_is_next_page, parsed, parsed[1:])), 5),
        (not any(reading.error_flags or reading.status != "G" for reading in readings), 6),
        (all(earlier.at <= later.at for earlier, later in pairs), 8),
        (all(earlier.value_uwh <= later.value_uwh for earlier, later in pairs), 9),
        (len(sources) == 1 and all(map(_is_transaction, by_register.values())), 10),
        (bool(by_register), 11),
    )
    return next((step for passed, step in tests if not passed), 0)


def _by_register(readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Sort the readings of active energy by their register, in the order of the records."""
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        if reading.way:
            found.setdefault(reading.obis, []).append(reading)
    return found


def _is_next_page(each: Record, following: Record) -> bool:
    return (each.page_kind, each.page + 1) == (following.page_kind, following.page)


def _is_transaction(readings: Sequence[Reading]) -> bool:
    """Tell whether readings of one register begin once, at first, and come to an end."""
    kinds = [reading.tx for reading in readings]
    return kinds[0] == _BEGIN and kinds.count(_BEGIN) == 1 and kinds[-1] in _ENDS


def _with_energy(facts: MeterEvidence, parsed: Sequence[Record]) -> MeterEvidence:
    """Take energy and registers (11); each way by the first register that counts on, else any."""
    readings = [reading for each in parsed for reading in each.readings]
    spans: dict[str, list[Reading]] = {}
    for own in _by_register(readings).values():
        way = own[0].way
        if way not in spans or (own[0].stands and not spans[way][0].stands):
            spans[way] = own
    into, back = spans.get("in", []), spans.get("out", [])
    import_begin, import_end = _standing(into)
    export_begin, export_end = _standing(back)
    return msgspec.structs.replace(
        facts,
        energy_in_wh=_energy_wh(into),
        energy_out_wh=_energy_wh(back),
        import_begin_wh=import_begin,
        import_end_wh=import_end,
        export_begin_wh=export_begin,
        export_end_wh=export_end,
    )


def _energy_wh(readings: Sequence[Reading]) -> int:
    return (readings[-1].value_uwh - readings[0].value_uwh) // UWH_PER_WH if readings else 0


def _standing(readings: Sequence[Reading]) -> tuple[int | None, int | None]:
    """Give a register at begin and end in Wh, where it keeps counting after the session."""
    if not readings or not readings[0].stands:
        return None, None
    return readings[0].value_uwh // UWH_PER_WH, readings[-1].value_uwh // UWH_PER_WH
