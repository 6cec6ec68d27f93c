"""The signer's journal beside what its devices wrote down themselves, differences marked.

A device's audit log reaches us as a file that its own tool wrote, one JSON object a line with
`number`, `operation`, `key_id`, `code` and, where the device tells them, `at` (us) and `digest`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
from litestar import Response, get

from ledger.kernel.envelope import base64_text
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import as_text
from ledger.signer.schema import Signing
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import PAGE, Asking, looking

WINDOW = 10_000
"""Signatures compared at once."""

SIGN = "sign"
BOTH, JOURNAL_ONLY, DEVICE_ONLY, NO_DEVICE_LOG = "both", "journal_only", "device_only", "no_log"


class DeviceEntry(msgspec.Struct, frozen=True):
    """What a device wrote down about one operation; `code` is 0 where it succeeded."""

    number: int
    operation: str
    key_id: str
    code: int
    at: int = 0
    digest: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""


class SigningOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One signature: as the signer wrote it down, as the device did, and whether they agree.

    `found` is both, journal_only, device_only, or no_log where the device's own log is not at hand.
    `digest_sha256` is of the signed bytes, in base64; `size` of the head it was made for.
    """

    device: str
    key_id: str
    found: str
    journal_id: int | None = None
    device_number: int | None = None
    kind: str = ""
    subject: str = ""
    digest_sha256: str = ""
    size: int | None = None
    at: str = ""


class SigningsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Signatures in the order of the journal, those of devices alone where they stood.

    `differences` counts those of the whole window, which begins at journal number `first`;
    `next_first` is where the next one begins.
    """

    items: list[SigningOut]
    first: int
    differences: int
    next_first: int | None = None
    next_cursor: str = ""


class Window(msgspec.Struct, frozen=True):
    """A part of the journal, and whether it begins and ends with the whole."""

    journal: Sequence[tuple[int, Signing]]
    is_begin: bool = True
    is_end: bool = True


def read_device_log(data: bytes) -> list[DeviceEntry]:
    """Read a device's log; `Malformed` names the line that is none, or does not follow."""
    found: list[DeviceEntry] = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            entry = msgspec.json.decode(line, type=DeviceEntry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed("not an entry of a device's log", field=f"line {number}") from error
        if found and entry.number <= found[-1].number:
            raise Malformed("numbers of a device's log grow", field=f"line {number}")
        found.append(entry)
    return found


def compared(window: Window, logs: Mapping[str, Sequence[DeviceEntry]]) -> list[SigningOut]:
    """Hold the journal against the logs of the devices, each device in its own order.

    What a device did before the window, or after it, is not told.
    """
    signed = {
        device: [each for each in log if each.operation == SIGN and not each.code]
        for device, log in logs.items()
    }
    by_device: dict[str, list[tuple[int, Signing]]] = {}
    for number, signing in window.journal:
        by_device.setdefault(signing.device, []).append((number, signing))
    found: list[tuple[int, int, SigningOut]] = []
    for device in sorted({*by_device, *signed}):
        kept, told = by_device.get(device, []), signed.get(device)
        beside = list(_unlogged(kept) if told is None else _merged(device, kept, told))
        place = 0
        for order, one in enumerate(_cut(beside, window)):
            place = one.journal_id or place
            found.append((place, order, one))
    return [one for _, _, one in sorted(found, key=lambda each: each[:2])]


def _cut(beside: list[SigningOut], window: Window) -> list[SigningOut]:
    agreed = [at for at, one in enumerate(beside) if one.found == BOTH]
    begin = 0 if window.is_begin or not agreed else agreed[0]
    end = len(beside) if window.is_end or not agreed else agreed[-1] + 1
    return [one for at, one in enumerate(beside) if begin <= at < end or one.journal_id is not None]


def _unlogged(kept: Sequence[tuple[int, Signing]]) -> Iterator[SigningOut]:
    for number, signing in kept:
        yield _kept(number, signing, NO_DEVICE_LOG)


def _merged(
    device: str, kept: Sequence[tuple[int, Signing]], told: Sequence[DeviceEntry]
) -> Iterator[SigningOut]:
    """Walk both lists; where they part, what comes no more on the other side stands alone."""
    left = Counter(_name(each) for each in told)
    at = 0
    for number, signing in kept:
        wanted = _names(signing)
        if not any(left[name] for name in wanted):
            yield _kept(number, signing, JOURNAL_ONLY)
            continue
        while _name(told[at]) not in wanted:
            left[_name(told[at])] -= 1
            yield _told(device, told[at])
            at += 1
        left[_name(told[at])] -= 1
        yield msgspec.structs.replace(_kept(number, signing, BOTH), device_number=told[at].number)
        at += 1
    for entry in told[at:]:
        yield _told(device, entry)


def _name(entry: DeviceEntry) -> tuple[str, str]:
    return entry.key_id, entry.digest


def _names(signing: Signing) -> tuple[tuple[str, str], ...]:
    """How a device may name a signature: some tell no digest."""
    return (signing.key_id, signing.digest.hex()), (signing.key_id, "")


def _kept(number: int, signing: Signing, found: str) -> SigningOut:
    return SigningOut(
        signing.device,
        signing.key_id,
        found,
        number,
        None,
        signing.kind,
        signing.subject,
        base64_text(signing.digest),
        signing.size,
        as_text(signing.at),
    )


def _told(device: str, entry: DeviceEntry) -> SigningOut:
    digest = base64_text(bytes.fromhex(entry.digest)) if entry.digest else ""
    at = as_text(entry.at) if entry.at else ""
    return SigningOut(
        device,
        entry.key_id,
        DEVICE_ONLY,
        device_number=entry.number,
        digest_sha256=digest,
        at=at,
    )


@get(
    "/signings",
    operation_id="list_signings",
    opt=asks(Action.READ_AUDIT, "first", *PAGE),
    sync_to_thread=True,
)
def list_signings(request: Asking) -> Response[SigningsOut]:
    """List every signature of the log's keys, as the signer and as the devices wrote it down."""
    with looking(request, "list_signings", heavy=True) as look:
        first = max(look.number("first", 1), 1)
        journal = look.parts.signings.journal(first - 1, WINDOW + 1)
        logs = {device: read_device_log(data) for device, data in look.parts.signings.logs()}
        window = Window(journal[:WINDOW], first == 1, len(journal) <= WINDOW)
        every = compared(window, logs)
        start = int(look.after[0]) if look.after else 0
        chosen = every[start : start + look.limit]
        answer = SigningsOut(
            chosen,
            first,
            sum(one.found in {JOURNAL_ONLY, DEVICE_ONLY} for one in every),
            None if window.is_end else first + WINDOW,
            look.next_cursor(chosen, (start + len(chosen),)),
        )
        return look.answer(answer, len(chosen))


ROUTES = (list_signings,)
