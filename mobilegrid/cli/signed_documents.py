"""Bills and statements as signed documents: `--signed FILE`, and inside proven files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.exports.issued import SignDocument, SignedDocument, sign_issued
from ledger.kernel.errors import Misconfigured, NotFound
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry
from mobilegrid import heads, wiring
from mobilegrid.cli.base import App
from mobilegrid.cli.params import FILE, write_file
from mobilegrid.cli.proofs import sign_head
from mobilegrid.documents import document_signer, finality
from mobilegrid.settings import Settings


class Written(msgspec.Struct, frozen=True):
    """What `--signed` wrote: a document, the proof of its entry beside it."""

    document_id: str
    position: int
    size: int
    file: str
    proof: str


def signed_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --signed, handed in as `signed`."""
    return click.option(
        "--signed",
        type=FILE,
        metavar="FILE",
        help="Write it as a document signed by the log's key (JWS), and the proof of its entry.",
    )(command)


@contextmanager
def signing_documents(settings: Settings) -> Iterator[SignDocument | None]:
    """Give what signs documents; None where the settings name no signer."""
    if not settings.has_signer:
        yield None
        return
    with heads.open_signer(settings) as signer:
        yield document_signer(signer)


def write_signed(app: App, positions: Callable[[Ledger], Sequence[int]], file: Path) -> None:
    """Sign the documents that entries issued, and write each with its proof.

    One document goes to `file`, several to files beside it that bear their ids.

    Raises:
        Misconfigured: no signer is named, so there is no key of documents.
        NotFound: nothing was issued.
        Conflict: no final checkpoint covers an entry yet.
    """
    if not app.settings.has_signer:
        raise Misconfigured("--signed needs a signer: `serve signer`, see docs/ceremony.md")
    with wiring.open_ledger(app.settings) as ledger, heads.open_signer(app.settings) as signer:
        wanted = positions(ledger)
        if not wanted:
            raise NotFound("nothing was issued yet: close the period first")
        sign_head(app, ledger)
        is_final = finality(app.settings, ledger.name.origin)
        sign = document_signer(signer)
        with ledger.reading() as reads:
            issued: list[Entry] = reads.at_positions(list(wanted))
            made = [sign_issued(reads, each, sign, is_final) for each in issued]
    for each in made:
        path = file if len(made) == 1 else file.with_stem(f"{file.stem}-{each.document_id}")
        app.console.remark(_said(_write(each, path)))


def _write(made: SignedDocument, path: Path) -> Written:
    proof = path.with_suffix(".tlog-proof")
    write_file(path, f"{made.jws}\n".encode())
    write_file(proof, made.proof)
    return Written(made.document_id, made.position, made.size, str(path), str(proof))


def _said(written: Written) -> str:
    return (
        f"{written.document_id}, entry {written.position:,} under {written.size:,} entries, is "
        f"signed: {written.file}, proven by {written.proof}"
    )
