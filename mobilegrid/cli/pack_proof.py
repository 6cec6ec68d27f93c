"""`pack` and its own proof: a challenge for its management system (BMS), and what it answers.

`pack challenge` writes a challenge to a file. Whoever reaches the system lets it sign
(`ledger/evidence/bms.py` says which bytes) and adds its answer to the file: serial, seq, signature.
`pack enrol` checks that answer under a key that shall be bound, `pack attest` under the bound one.
"""

from pathlib import Path

import click
import msgspec

from ledger.domain.attesting import RecordAttestation
from ledger.domain.bindings import PACK_BMS
from ledger.domain.identity import EnrolBmsKey
from ledger.evidence.bms import NONCE_BYTES_MAX, Answer, Challenge, decode, encode, verify
from ledger.kernel.errors import Malformed
from ledger.kernel.public_key import read_key
from ledger.kernel.signed_facts import Attestation
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.cli.acting import Made, acting_of, acting_parameters, argument, ask, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.params import FILE, read_file, write_file

ANSWER_BYTES_MAX = 64 * 1024


class Challenged(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A challenge given at a time (us), and, once it is answered, the answer to it."""

    nonce: str
    given_at: int
    serial: str = ""
    seq: int = 0
    signature: str = ""
    alg: str = ""


class Proved(msgspec.Struct, frozen=True):
    """What `enrol` and `attest` tell: the verdict, the digest that a move may name, the entries."""

    pack_id: str
    verdict: str
    sha256: str
    entries: list[Made]


@click.command(
    cls=Command,
    no_ledger="A challenge is written to FILE; `pack attest` takes the answer to the ledger.",
)
@click.argument("file", type=FILE)
@click.pass_obj
def challenge(app: App, file: Path) -> None:
    """Write a challenge for a pack to a file.

    Good for ten minutes. The answer goes into the same file: serial, seq and signature.
    """
    nonce = encode(wiring.nonce(NONCE_BYTES_MAX))
    given = Challenged(nonce, wiring.CLOCK.now())
    write_file(file, msgspec.json.format(msgspec.json.encode(given)) + b"\n")
    app.console.answer(given, f"Wrote {file}.")


def _read(path: Path) -> Challenged:
    try:
        return msgspec.json.decode(read_file(path, ANSWER_BYTES_MAX), type=Challenged)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("a challenge with its answer", field="file", place=path.name) from error


def _checked(said: Challenged, public_key: str) -> Attestation:
    """Check an answer under a key, as of now."""
    key = read_key(public_key) if public_key else None
    given = Challenge(decode(said.nonce, "nonce"), said.given_at)
    answer = Answer(said.nonce, said.serial, said.seq, said.signature, said.alg)
    return verify(answer, given, key, wiring.CLOCK.now())


def _enrolment(said: Challenged, pack_id: str, public_key: str) -> EnrolBmsKey:
    return EnrolBmsKey(
        pack_id=pack_id,
        serial=said.serial,
        public_key=public_key,
        attestation=_checked(said, public_key),
    )


def _attestation(reads: Reads, said: Challenged, pack_id: str) -> RecordAttestation:
    bms = reads.row(PACK_BMS, pack_id)
    bound = "" if bms is None else bms.public_key
    return RecordAttestation(
        serial=said.serial,
        attestation=_checked(said, bound),
        occurred_at=wiring.CLOCK.now(),
        public_key=bound,
    )


def _run(**given: str) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    said = _read(Path(given["file"]))
    public_key = given.pop("public_key", "")
    acting = acting_of(given)
    command: EnrolBmsKey | RecordAttestation
    with wiring.open_ledger(app.settings) as ledger:
        if public_key:
            command = _enrolment(said, given["pack_id"], public_key)
        else:
            with ledger.reading() as reads:
                command = _attestation(reads, said, given["pack_id"])
        made = ask(ledger, command, acting)
    shown = command.attestation
    told = Proved(given["pack_id"], shown.verdict, shown.sha256, made)
    app.console.answer(
        told,
        f"{told.pack_id}: {told.verdict}, {len(made)} entries",
        f"digest of the answer: {told.sha256}",
    )


_FILE = click.Argument(["file"], type=FILE, metavar="FILE")

enrol = Command(
    "enrol",
    params=[
        argument("pack_id", "PACK"),
        _FILE,
        text("--key", "public_key", "Its public key: SPKI, base64.", required=True),
        *acting_parameters("engineer", timed=False),
    ],
    callback=_run,
    help="""Bind a pack's management system: its serial, and the key it proved to hold.""",
)

attest = Command(
    "attest",
    params=[
        argument("pack_id", "PACK"),
        _FILE,
        *acting_parameters("engineer", timed=False),
    ],
    callback=_run,
    help="""Record what a pack answered under its enrolled key.

    The digest that is told is what a move on evidence level 5 names.
    """,
)
