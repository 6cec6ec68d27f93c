"""`prove` with bills and statements: one file that a stranger recomputes offline."""

from inspect import cleandoc
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.exports.issued import IsFinal, SignDocument
from ledger.exports.proven import (
    ProvenBundle,
    prove_bill,
    prove_statement,
    prove_usage,
    write_bundle,
)
from ledger.kernel.ids import is_id
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.cli import proofs
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.proofs import sign_head
from mobilegrid.cli.signed_documents import signing_documents
from mobilegrid.documents import finality


class Carried(msgspec.Struct, frozen=True):
    """What `prove --line|--bill|--statement` tells: what is in the file, under which checkpoint."""

    kind: str
    party: str
    lines: int
    entries: int
    documents: list[int]
    size: int
    vkey: str
    file: str


_OWN = (
    click.Option(
        ["--line", "line"],
        type=click.IntRange(0),
        metavar="POSITION",
        help="Prove the bill lines of one usage, by the position of its entry.",
    ),
    click.Option(
        ["--bill", "bill"],
        type=(str, str),
        metavar="DRIVER PERIOD",
        help="Prove a driver's whole bill.",
    ),
    click.Option(
        ["--statement", "statement"],
        type=(str, str),
        metavar="OPERATOR PERIOD",
        help="Prove an operator's statement.",
    ),
)


def prove_(ctx: click.Context, /, **given: Any) -> None:
    """Write the proof that was asked for."""
    asked = {name: given.pop(name) for name in ("line", "bill", "statement")}
    chosen = {name: value for name, value in asked.items() if value is not None}
    if not chosen:
        if given.get("what") is None:
            raise click.UsageError("Name a PACK or a POSITION, or --line, --bill or --statement.")
        ctx.invoke(proofs.prove, **given)
        return
    theirs = (each.name or "" for each in proofs.prove.params if each.name != "out")
    if len(chosen) > 1 or any(given.get(name) for name in theirs):
        raise click.UsageError("One thing at a time: PACK|POSITION, --line, --bill, --statement.")
    ((kind, value),) = chosen.items()
    _prove_money(ctx.ensure_object(App), kind, value, given.get("out"))


SUMMARY = "Prove an entry, a pack's history, a bill."
_MORE = cleandoc(proofs.prove.help or "").partition("\n\n")[2]
HELP = f"""{SUMMARY}

{_MORE}

With --line, --bill or --statement the answer is a zip file: a bill or statement with all entries
it follows from. The program that `export verifier` writes recomputes every amount from them.
Where a signer runs, what was issued is inside as signed documents.
"""


def _params() -> list[click.Parameter]:
    """List what `prove` of packs and entries takes, its argument made optional, and our own."""
    shared = [each for each in proofs.prove.params if each.name != "what"]
    return [click.Argument(["what"], metavar="[PACK|POSITION]", required=False), *shared, *_OWN]


prove = Command("prove", callback=click.pass_context(prove_), params=_params(), help=HELP)


def _prove_money(app: App, kind: str, value: Any, out: Path | None) -> None:
    words = [str(value)] if kind == "line" else list(value)
    name = "-".join([kind, *words]) if all(map(is_id, words)) else kind
    file = out or Path(f"{name}.zip")
    with wiring.open_ledger(app.settings) as ledger:
        signed = sign_head(app, ledger)
        is_final = finality(app.settings, ledger.name.origin)
        with signing_documents(app.settings) as sign, ledger.reading() as reads:
            bundle = _bundle(reads, kind, value, sign, is_final)
    write_bundle(bundle, file)
    said = bundle.manifest
    answer = Carried(
        kind=said["kind"],
        party=said["party"],
        lines=len(said["lines"]),
        entries=len(bundle.entries),
        documents=said["documents"],
        size=signed.size,
        vkey=signed.vkey,
        file=str(file),
    )
    app.console.answer(
        answer,
        f"{answer.lines:,} lines of {answer.party} with the {answer.entries:,} entries they follow "
        f"from are proven in the log of {signed.size:,} entries: {file}",
        f"Verifier key: {signed.vkey}",
        f"Check it anywhere: python3 verify_mobilegrid.py {file} --policy policy.txt",
    )


def _bundle(
    reads: Reads, kind: str, value: Any, sign: SignDocument | None, is_final: IsFinal
) -> ProvenBundle:
    if kind == "line":
        return prove_usage(reads, value)
    prove_all = prove_bill if kind == "bill" else prove_statement
    return prove_all(reads, *value, sign=sign, is_final=is_final)
