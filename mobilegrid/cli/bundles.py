"""`verify FILE.zip`: an invoice or statement with everything that it follows from.

It is checked by the verifier that we give to strangers, so that both say the same of every bundle.
"""

from pathlib import Path
from typing import Any

import msgspec

from ledger.kernel.errors import Malformed, ProofInvalid
from mobilegrid import offline_verifier as offline
from mobilegrid.cli.base import App


class Billed(msgspec.Struct, frozen=True):
    """What a bundle proves: of which kind, whose, and the figures that were computed again."""

    kind: str
    party: str
    figures: dict[str, Any]
    size: int
    remarks: list[str]


def verify_bundle(app: App, path: Path, policy: bytes, more: tuple[bytes, int]) -> None:
    """Compute a bundle again and say what it proves.

    Args:
        app: who answers.
        path: the bundle.
        policy: whom to trust, as a policy file.
        more: JWK set of document keys, empty for none; now, in seconds.

    Raises:
        Malformed: the bundle, the policy or the keys cannot be read.
        ProofInvalid: a numbered step failed; the message names it.
    """
    keys, now_s = more
    report = offline.Report()
    try:
        found = offline.verify_bundle(
            path,
            offline.parse_policy(policy),
            now_s,
            report,
            offline.parse_keys(keys) if keys else None,
        )
        report.end()
    except offline.MalformedInput as error:
        raise Malformed(str(error), place=str(path)) from error
    except offline.EvidenceRefused as error:
        raise ProofInvalid(f"step {error.step or report.step}: {error}") from error
    said = Billed(
        found["kind"], found["party"], found["figures"], report.tree_size or 0, report.remarks
    )
    app.console.answer(
        said,
        f"VERIFIED {said.kind} of {said.party}, in the log of {said.size:,} entries",
        *report.lines,
    )
