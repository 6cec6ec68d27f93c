"""Files beside the ledger: what meters signed, facts for passports, logs of signing devices."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from typing_extensions import override

from ledger.adapters.evidence_files import EvidenceFiles
from ledger.exports._passport_facts import FACTS_BYTES_MAX
from ledger.kernel.errors import Misconfigured, Unavailable
from ledger.kernel.ids import is_id
from ledger.signer.schema import Signing
from ledger.signer.state import read_journal
from ledger.store.engine import ledger_url, sqlite_file
from mobilegrid import heads
from mobilegrid.settings import Settings
from partner_api.deps import Signings

LOG_BYTES_MAX = 64 * 1024 * 1024


class SigningFiles(Signings):
    """The signer's state file, and the logs that its devices' tools wrote."""

    def __init__(self, settings: Settings) -> None:
        """Look where the settings say; nothing is opened yet."""
        self._settings = settings

    @override
    def journal(self, after: int, limit: int) -> list[tuple[int, Signing]]:
        try:
            path = Path(heads.located(self._settings).state_file)
        except Misconfigured as error:
            raise Unavailable("the signer's journal is not kept here") from error
        return read_journal(path, after, limit)

    @override
    def logs(self) -> Iterable[tuple[str, bytes]]:
        folder = self._settings.doors.device_logs
        return _logs(Path(folder)) if folder else ()


def _logs(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("*.jsonl")):
        yield path.stem, _read(path, LOG_BYTES_MAX)


def evidence_of(settings: Settings) -> EvidenceFiles:
    """Give the folder of what entries name by digest; `Misconfigured` when nothing says where."""
    if settings.evidence.folder:
        return EvidenceFiles(Path(settings.evidence.folder))
    file = sqlite_file(ledger_url(settings.ledger.url))
    if file is None:
        raise Misconfigured("evidence.folder must be set for a ledger that is not a file")
    return EvidenceFiles(file.with_name(f"{file.name}.evidence"))


def facts_of(settings: Settings, pack_class: str) -> bytes:
    """Read the facts file of a class of packs; empty where there is none."""
    folder = settings.doors.facts_folder
    path = Path(folder) / f"{pack_class}.json"
    if not folder or not is_id(pack_class) or not path.is_file():
        return b""
    return _read(path, FACTS_BYTES_MAX)


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise Unavailable(f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > bytes_max:
        raise Unavailable(f"{path.name} is longer than {bytes_max} bytes")
    return data
