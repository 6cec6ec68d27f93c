"""From a ceremony to the log: what its plan and its signed transcript say, as commands."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from ledger.domain.ceremonies import RecordCeremony
from ledger.domain.log_keys import AHEAD_US, PURPOSES, AnnounceKey, RetireLogKey
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Command
from ledger.signer import ceremony_plan as plans
from ledger.signer.ceremony import COMPLETE, verify_transcript
from ledger.signer.documents import thumbprint
from ledger.signer.pkcs11_sessions import key_id_of
from ledger.signer.policy import line_key
from ledger.signer.ports import PublicKey
from ledger.tlog.note import format_vkey

_LABEL = re.compile(rf"({'|'.join(PURPOSES)})(?:-|$)")
_OUTCOME_MAX = 200
_ALGORITHMS = ("ed25519", "ml-dsa-44")


def commands_of(plan_file: bytes, transcript: bytes, now: int) -> list[Command]:
    """Give what a ceremony is to be written down as: itself, then every key it began or ended.

    The same files give the same commands but for `now` (us), from which keys that were not
    announced with a day of their own count seven days. Of a ceremony that stopped no key is
    announced: it is held again.

    Raises:
        Malformed: the file is no plan, or the transcript none of it.
        SignatureInvalid: an officer did not sign the transcript.
    """
    plan = plans.read_plan(plan_file)
    document = verify_transcript(transcript, plan)
    said: dict[str, Any] = msgspec.json.decode(document.payload)
    kids = tuple(thumbprint(bytes.fromhex(each.public_key)) for each in plan.named_officers)
    held = RecordCeremony(
        ceremony_id=plan.id,
        held_for=plan.kind.value,
        outcome=str(said["outcome"])[:_OUTCOME_MAX],
        plan_sha256=sha256(plan_file).hexdigest(),
        program_sha256=str(said["program_sha256"]),
        transcript_sha256=sha256(transcript).hexdigest(),
        officer_kids=kids,
        began_at=int(said["began_at"]),
        ended_at=int(said["issued_at"]),
    )
    if held.outcome != COMPLETE:
        return [held]
    return [held, *_key_commands(plan, [step["result"] for step in said["steps"]], held, now)]


def _key_commands(
    plan: plans.Plan, results: list[dict[str, str]], held: RecordCeremony, now: int
) -> Iterator[Command]:
    begins_at = held.ended_at if plan.kind is plans.Kind.BIRTH else now + AHEAD_US
    stated = {step.public_key for step in plan.steps if isinstance(step, plans.Announce)}
    for step, result in zip(plan.steps, results, strict=True):
        match step:
            case plans.MakeSigningKey() if result["public_key"] not in stated:
                yield from _announced(plan, step.label, step.algorithm, result, begins_at)
            case plans.SealSeed():
                yield from _announced(plan, step.label, "ml-dsa-44", result, begins_at)
            case plans.Announce():
                found = {"public_key": step.public_key}
                on = parse_instant(result["not_before"], "not_before")
                yield from _announced(plan, step.label, "ed25519", found, on)
            case plans.RetireKey():
                yield RetireLogKey(key_id=step.key_id, ceremony_id=plan.id)
            case plans.DestroyKey() if step.key_id:
                yield RetireLogKey(key_id=step.key_id, ceremony_id=plan.id)
            case _:
                pass  # what seals and wraps has no public half


def _announced(
    plan: plans.Plan, label: str, algorithm: str, result: dict[str, str], begins_at: int
) -> Iterator[AnnounceKey]:
    purpose = _LABEL.match(label)
    if purpose is None or algorithm not in _ALGORITHMS:
        return
    raw = bytes.fromhex(result["public_key"])
    key = PublicKey(label, algorithm, raw, key_id_of(raw).hex(), "")
    of_checkpoints = purpose[1] == PURPOSES[0]
    yield AnnounceKey(
        key_id=key.key_id,
        label=label,
        purpose=purpose[1],
        algorithm=algorithm,
        public_key=b64encode(raw).decode(),
        not_before=begins_at,
        vkey=format_vkey(line_key(plan.origin, key)) if of_checkpoints else "",
        ceremony_id=plan.id,
    )
