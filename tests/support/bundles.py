"""Bundles of bills and statements in tests: read, bent by a messenger, forged by a service."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ledger.domain.money.billing import UsageAccrued
from ledger.exports.proven import ProvenBundle, write_bundle
from ledger.kernel.hashing import leaf_hash
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.reads import Reads
from ledger.tlog.many import prove_many
from mobilegrid import offline_verifier as offline
from tests.support.logs import tiles_in_memory
from tests.support.offline import (
    NOW_S,
    POLICY,
    canonical,
    note_over,
    policy_text,
    seeded_signer,
    text64,
    verdict,
)

DAY = "2026-03-10"
"""The day of the demo."""

Keys = dict[str, bytes]


def read(file: Path, policy: offline.Policy = POLICY, keys: Keys | None = None) -> tuple[str, str]:
    return verdict(lambda report: offline.verify_bundle(file, policy, NOW_S, report, keys))


def billed(reads: Reads) -> list[Any]:
    return [one for one in reads.entries() if isinstance(one.event, UsageAccrued)]


def is_good(bundle: ProvenBundle, file: Path, policy: offline.Policy) -> bool:
    write_bundle(bundle, file)
    return read(file, policy) == ("ok", "")


def holds_for_strangers(
    ledger: Ledger, made: Callable[[Reads], ProvenBundle], file: Path
) -> tuple[ProvenBundle, tuple[str, ...]]:
    """Sign what a ledger holds and have strangers check a bundle of it; give it, and remarks."""
    signer = seeded_signer(ledger.name.origin)
    sign_checkpoint(ledger, signer, NOW_S)
    with ledger.reading() as reads:
        bundle = made(reads)
    write_bundle(bundle, file)
    report = offline.Report()
    offline.verify_bundle(file, offline.parse_policy(policy_text(logs=[signer])), NOW_S, report)
    return bundle, tuple(report.remarks)


def relie(
    bundle: ProvenBundle, log: list[bytes], lies: dict[int, Callable[[Any], None]], file: Path
) -> None:
    """Write a bundle over a log in which some entries say something else, signed as it should."""
    entries = list(log)
    for position, lie in lies.items():
        entry = json.loads(entries[position])
        lie(entry["body"])
        entries[position] = canonical(entry)
    positions = bundle.manifest["positions"]
    leaves = [leaf_hash(entry) for entry in entries]
    hashes = prove_many(positions, len(leaves), tiles_in_memory(leaves))
    manifest = bundle.manifest | {"hashes": [text64(each) for each in hashes]}
    shown = tuple(entries[position] for position in positions)
    write_bundle(ProvenBundle(manifest, note_over(entries), shown), file)


def lie(path: str, value: Any) -> Callable[[Any], None]:
    """Say something else at a place of a body, such as ``lines.0.net_minor``; "+1" adds one."""
    *way, last = (int(word) if word.isdigit() else word for word in path.split("."))

    def change(body: Any) -> None:
        for name in way:
            body = body[name]
        body[last] = body[last] + 1 if value == "+1" else value

    return change


def rewrite(
    bundle: ProvenBundle, file: Path, entries: tuple[bytes, ...] | None = None, **changes: Any
) -> None:
    manifest = {k: v for k, v in (bundle.manifest | changes).items() if v is not None}
    shown = bundle.entries if entries is None else entries
    write_bundle(ProvenBundle(manifest, bundle.checkpoint, shown, bundle.documents), file)


def first_of(bundle: ProvenBundle, kind: str) -> int:
    for position, entry in zip(bundle.manifest["positions"], bundle.entries, strict=True):
        if msgspec.json.decode(entry)["kind"] == kind:
            return int(position)
    raise AssertionError(kind)
