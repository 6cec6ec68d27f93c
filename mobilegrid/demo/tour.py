"""The demo: a town lives through a month, and a tour shows what its ledger knows of it."""

from base64 import b64encode
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random  # noqa: TID251  seeded below
from tempfile import mkdtemp
from typing import Any

import msgspec
from rich.text import Text

from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.kernel.envelope import open_entry
from ledger.kernel.errors import InvariantBroken, Misconfigured, ProofInvalid, Unavailable
from ledger.runtime import proving
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry, Reads, decode
from ledger.runtime.verify import Verified, verify
from ledger.store import guards
from ledger.tlog.bundle import format_proof, parse_proof
from ledger.tlog.note import ED25519, Ed25519Signer, Signer, format_vkey
from mobilegrid import wiring
from mobilegrid.cli.console import Console
from mobilegrid.cli.history import step_of
from mobilegrid.cli.params import write_file
from mobilegrid.cli.wording import kind_words, place_words
from mobilegrid.demo import books, evidence, scenes
from mobilegrid.demo.drive import Day, close_day, open_town
from mobilegrid.demo.fleet import MIDNIGHT, ZONE, Town, at_time
from mobilegrid.demo.incidents import plan_day
from mobilegrid.demo.looks import Screen, clock, grid, kwh, pairs, percent
from mobilegrid.demo.month import END, Month
from mobilegrid.demo.month_papers import make_folders, write_papers
from mobilegrid.demo.month_tour import show_month
from mobilegrid.demo.weeks import on
from mobilegrid.settings import LedgerSettings, Settings

LEDGER = "town"
ORIGIN = "demo-key-known-to-everybody.example/town"
FILE = "town.db"
_KEY_SEED = sha256(b"mobilegrid demo: everybody knows this key, never trust it").digest()


class Shown(msgspec.Struct, frozen=True):
    """What the demo answers as JSON: where the ledger is, what was proven, verified and closed."""

    seed: int
    ledger: str
    size: int
    root: str
    vkey: str
    pack: str
    proofs: int
    closed: str
    report_sha256: str
    residual_minor: int
    papers: tuple[str, ...] = ()


class Wanted(msgspec.Struct, frozen=True):
    """Which town, and where its ledger and its papers are kept; None for a temporary folder."""

    seed: int
    keep: Path | None = None
    papers: Path | None = None


def run(wanted: Wanted, console: Console) -> int:
    """Live through the month of a seed, show it, prove a pack's life and verify everything.

    Gives the exit code 0. The ledger stays in `keep`, or in a new temporary folder.

    Raises:
        Misconfigured: the folder holds a town already.
        Unavailable: a folder cannot be used.
        TamperEvidence: what was made does not verify.
    """
    folder = _folder(wanted.keep)
    if wanted.papers is not None:
        make_folders(wanted.papers)  # better now than after a month
    settings = Settings(mode="demo", ledger=LedgerSettings(url=f"sqlite:///{folder / FILE}"))
    opening = wiring.opening(LEDGER, ORIGIN, ZONE, MIDNIGHT)
    screen = None if console.as_json else Screen()
    with wiring.create_ledger(settings.ledger.url, opening) as ledger:
        day = live_day(ledger, wanted.seed)
        signer, vkey = _key(settings)
        month = Month(day, signer)
        month.pay_first_bills()
        proving.sign_checkpoint(ledger, signer, at_time(33))
        pack_id, proofs = _tell_day(ledger, screen, folder, (wanted.seed, vkey))
        month.live()
        proving.sign_checkpoint(ledger, signer, on(END, 10))
        papers = () if wanted.papers is None else write_papers(month, wanted.papers)
        if screen is not None:
            show_month(screen, month)
        shown_to_strangers = evidence.show(ledger, pack_id)
        found = _verify(ledger)
    assert month.closed is not None, "a month that was lived is closed"
    shown = Shown(
        wanted.seed,
        settings.ledger.url,
        found.size,
        found.root.hex(),
        vkey,
        pack_id,
        len(proofs),
        month.closed.period,
        month.closed.report_sha256,
        month.residual_minor,
        papers,
    )
    if screen is None:
        console.answer(shown)
        return 0
    _tell_end(screen, shown, shown_to_strangers)
    screen.verbatim(_next_steps(shown, proofs, folder))
    if wanted.papers is not None:
        screen.verbatim([f"The papers of the month, {len(papers)} files, are in {wanted.papers}."])
    return 0


def live(ledger: Ledger, seed: int) -> Month:
    """Let a new ledger hear of the whole month of a seed; the same seed gives the same bytes."""
    month = Month(live_day(ledger, seed), Ed25519Signer(ORIGIN, _KEY_SEED))
    month.pay_first_bills()
    month.live()
    return month


def live_day(ledger: Ledger, seed: int) -> Day:
    """Let a new ledger hear of the first day of a seed, with all that does not go by plan."""
    day = Day(ledger, Town(Random(seed)))  # noqa: S311  a town, not a secret
    open_town(day)
    plan_day(day)
    day.run()
    close_day(day)
    return day


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(mkdtemp(prefix="mobilegrid-demo-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot make {keep}: {error.strerror}") from error
    if any(keep.glob(f"{FILE}*")):
        raise Misconfigured(f"--keep {keep}: there is a town already; choose another folder")
    return keep


def _key(settings: Settings) -> tuple[Signer, str]:
    """Leave the demo's key beside the ledger; give what signs with it, and the key to check by."""
    key = Ed25519Signer(ORIGIN, _KEY_SEED).key
    line = f"{key.name}+{key.key_id.hex()}+{b64encode(bytes([ED25519]) + _KEY_SEED).decode()}"
    path = wiring.key_file(settings)
    path.touch(mode=0o600)
    path.write_text(f"PRIVATE+KEY+{line}\n", encoding="ascii")
    return wiring.open_signer(settings, ORIGIN), format_vkey(key)


def _verify(ledger: Ledger) -> Verified:
    with ledger.reading() as reads:
        found = verify(reads, deep=True)
        proving.check_newest_checkpoint(reads)
        guards.check(reads.tx)
    return found


# The tour ---------------------------------------------------------------------


def _tell_day(
    ledger: Ledger, screen: Screen | None, folder: Path, told: tuple[int, str]
) -> tuple[str, list[Path]]:
    """Show the first day, and prove the life of a pack; `told` is the seed and the log's key."""
    seed, vkey = told
    with ledger.reading() as reads:
        entries = list(reads.entries())
        pack_id = _choose_pack(entries)
        if screen is not None:
            _show(screen, reads, entries, seed)
    proofs = _prove(ledger, pack_id, folder)
    said, history = _check(proofs, pack_id, vkey)
    if screen is not None:
        screen.section(
            f"The life of pack {pack_id}, proven",
            "Each entry is proven to stand in the signed log, offline, with its key alone.",
            *(_life(history, pack_id), "", said),
        )
    return pack_id, proofs


def _tell_end(screen: Screen, shown: Shown, shown_to_strangers: Any) -> None:
    screen.section(
        "Verified",
        "Every byte hashed again, every rule replayed, every table compared, every sum added up.",
        f"VERIFIED {shown.size:,} entries, root {shown.root},",
        "all views equal.",
    )
    screen.section(
        "Evidence in other hands",
        "On a copy of the ledger: devices sign, a witness cosigns, a stranger's program checks.",
        shown_to_strangers,
    )


def _show(screen: Screen, reads: Reads, entries: list[Entry], seed: int) -> None:
    title = Text("Mobile Grid: a month of a small town, as its ledger knows it", "bold")
    screen.show(title, "", scenes.town(reads, seed))
    screen.section(
        "The day, hour by hour",
        "By the time at which things happened, in the town's clock; sessions by their end.",
        scenes.hours(reads, entries),
    )
    screen.section(
        "Packs, and where they are",
        "A pack is on exactly one account, and came from one, so all accounts sum to zero.",
        scenes.packs(reads),
    )
    screen.section(
        "Swaps",
        "kWh is what went out less what came in; the price is that of the time of the pack out.",
        *(scenes.swaps(reads, entries), "", scenes.unasked(reads)),
        *("", scenes.two_times(reads, entries)),
    )
    screen.section(
        "Energy balance",
        "Every watt-hour comes from somewhere and is somewhere: the accounts sum to zero.",
        *(books.energy(reads), "", books.charging(entries)),
    )
    screen.section("Money balance", "What is debited is credited, to the cent.", books.money(reads))
    driver_id = books.choose_driver(entries)
    screen.section(
        f"The bill of driver {driver_id}",
        "Each line names the tariff it is priced by and the entry that is its evidence.",
        *books.bill(reads, driver_id),
    )
    partner_id = books.choose_partner(reads)
    screen.section(
        f"The statement of partner {partner_id}",
        "Shares of what drivers owe, under the rule of a contract; the root covers every line.",
        *books.statement(reads, partner_id),
        *("", books.statements(reads)),
    )
    screen.section("Cases", "What rules cannot decide waits for a person.", scenes.all_cases(reads))


# A pack's life ----------------------------------------------------------------


def _choose_pack(entries: list[Entry]) -> str:
    """Choose the pack that changed hands most."""
    legs = (one.event for one in entries if isinstance(one.event, PackReturned | PackSwappedOut))
    hands = Counter(leg.pack_id for leg in legs)
    return max(sorted(hands), key=lambda name: hands[name])


def _life(history: list[Entry], pack_id: str) -> Any:
    rows = []
    for one in sorted(history, key=lambda one: one.envelope.valid_at):
        step = step_of(one, pack_id)
        way = " -> ".join(
            place_words(each) for each in (step.from_account, step.to_account) if each
        )
        soc_bp = getattr(one.event, "soc_end_bp", step.soc_bp)
        rows.append(
            (
                str(step.position),
                clock(one.envelope.valid_at),
                kind_words(step.kind),
                way,
                "" if step.energy_wh is None else kwh(step.energy_wh),
                percent(soc_bp),
            )
        )
    return grid((">Entry", "When", "What", "~From -> to", ">kWh", ">SoC"), rows)


def _prove(ledger: Ledger, pack_id: str, folder: Path) -> list[Path]:
    """Write a proof file for each entry of a pack, as `prove` does."""
    with ledger.reading() as reads:
        history = reads.pack_history(pack_id, reads.moment())
    positions = sorted(one.envelope.position for one in history)
    files = [folder / f"{pack_id}.proofs" / f"{position}.tlog-proof" for position in positions]
    files[0].parent.mkdir(exist_ok=True)
    for file, data in zip(files, proving.prove_entries(ledger, positions), strict=True):
        write_file(file, data)
    return files


def _check(files: list[Path], pack_id: str, vkey: str) -> tuple[Any, list[Entry]]:
    """Check proof files as a stranger does; give what to say of it, and the proven entries."""
    verifiers = [proving.read_vkey(vkey)]
    proven = [proving.verify_bundle(file.read_bytes(), verifiers) for file in files]
    history = [decode(one.entry) for one in proven]
    proving.check_chain(history, pack_id)
    signed = proven[0].signed
    told = pairs(
        (
            ("checkpoint", f"{signed.checkpoint.size:,} entries, {signed.checkpoint.origin}"),
            ("root", signed.checkpoint.root.hex()),
            ("proofs", f"{len(proven)} of {len(files)} hold; each entry names the one before it"),
            ("forgery", _forge(files[-1], vkey)),
        )
    )
    return told, history


def _forge(file: Path, vkey: str) -> str:
    """Change one digit of a proven entry, and say how the check refuses it."""
    proof = parse_proof(file.read_bytes())
    assert proof.entry is not None, "our proofs carry their entry"
    at = open_entry(proof.entry).recorded_at
    entry = proof.entry.replace(str(at).encode(), str(at + 1).encode())
    forged = format_proof(msgspec.structs.replace(proof, entry=entry))
    try:
        proving.verify_bundle(forged, [proving.read_vkey(vkey)])
    except ProofInvalid as error:
        return f"entry {proof.index} with one digit changed is refused: {error}"
    raise InvariantBroken("a forged entry was proven")


def _next_steps(shown: Shown, proofs: list[Path], folder: Path) -> list[str]:
    return [
        "",
        f"The ledger is {folder / FILE}; the key that signed it is known to everybody.",
        "Try (from a source tree with `python3 bootstrap.py` in place of `mobilegrid`):",
        f"  mobilegrid history {shown.pack} --ledger {shown.ledger}",
        f"  mobilegrid balance Energy --ledger {shown.ledger}",
        f"  mobilegrid title-statement --ledger {shown.ledger}",
        f"  mobilegrid settle list --partner OP-NORD --ledger {shown.ledger}",
        f"  mobilegrid period report {shown.closed} --ledger {shown.ledger}",
        f"  mobilegrid passport export {shown.pack} PASSPORT --ledger {shown.ledger}",
        f"  mobilegrid verify --deep --ledger {shown.ledger}",
        f"  mobilegrid verify {proofs[-1]} --vkey {shown.vkey}",
    ]
