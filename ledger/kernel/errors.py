"""The error tree of Mobile Grid.

Everything that leaves a public function as an exception is one of these::

    MobileGridError
    ├─ Refused            the rules say no; carries a Refusal
    ├─ NotFound           nothing visible answers to that id
    ├─ Conflict           the head moved, or the same key came with another body
    ├─ Malformed          bytes from outside do not parse
    ├─ TamperEvidence     proof, signature, checkpoint or replay differ
    │    ├─ ProofInvalid
    │    ├─ SignatureInvalid
    │    ├─ CheckpointInvalid
    │    └─ ReplayDiffers
    ├─ InvariantBroken    our own bug; the batch is rolled back, the writer stops
    ├─ Unavailable        store, signer, gateway or queue is away; try again
    └─ Misconfigured      settings cannot work together

`InvariantBroken` and `TamperEvidence` stop the writer; every other error ends with its command.
"""

from typing_extensions import override

from ledger.kernel.refusal import Refusal


class MobileGridError(Exception):
    """Any failure this service reports on purpose."""

    def explain(self) -> str:
        """Say in one sentence for a person what happened: no path, no SQL, no secret."""
        return str(self) or type(self).__name__


class Refused(MobileGridError):
    """The rules say no; `refusal` names the rule and the facts it was tested on."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code.wire)
        self.refusal = refusal

    @override
    def explain(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in sorted(self.refusal.facts.items()))
        return f"Refused: {self.refusal.code.wire}" + (f" ({facts})" if facts else "")


class NotFound(MobileGridError):
    """Nothing visible answers to that id."""


class Conflict(MobileGridError):
    """The head moved, or the same idempotency key came with another body."""


class Malformed(MobileGridError):
    """Bytes from outside do not parse; `field` and `rule` say which part and why.

    `place` names where the bytes came from (a file name and row, a member path), as the person
    who sent them would look for it.
    """

    def __init__(self, rule: str, *, field: str = "", place: str = "") -> None:
        super().__init__(": ".join(part for part in (place, field, rule) if part))
        self.rule = rule
        self.field = field
        self.place = place


class TamperEvidence(MobileGridError):
    """Stored or received evidence differs from what was signed; a person must look."""


class ProofInvalid(TamperEvidence):
    """A proof does not lead to the root it claims."""


class SignatureInvalid(TamperEvidence):
    """No trusted key made this signature."""


class CheckpointInvalid(TamperEvidence):
    """A checkpoint is not one of ours, or contradicts another one."""


class ReplayDiffers(TamperEvidence):
    """Replaying the log gives something else than what is stored; `position` is the first place."""

    def __init__(self, what: str, *, position: int | None = None) -> None:
        super().__init__(what if position is None else f"position {position}: {what}")
        self.position = position


class InvariantBroken(MobileGridError):
    """Our own bug: something that must hold does not; nothing of the batch was written."""


class Unavailable(MobileGridError):
    """A part we need is away or full; the same request may be sent again."""


class Misconfigured(MobileGridError):
    """Settings cannot work together; the message names the setting."""
