"""What whoever watches a serving process is told: changes only, never a line for every second."""

from collections.abc import Callable

from typing_extensions import override

from ledger.kernel.errors import MobileGridError
from ledger.runtime.observe import Observer
from ledger.runtime.ports import HeadObserver

Remark = Callable[[str], None]

LEVELS = (
    "every entry is signed within a minute",
    "the oldest unsigned entry is older than a minute",
    "the oldest unsigned entry is older than an hour: no documents",
    "the oldest unsigned entry is older than a day, or too many wait: nothing new is taken on",
)


def _nothing(_size: int) -> None:
    pass


class Notices(Observer):
    """Tells a listener to what size the log has grown."""

    def __init__(self, remark: Remark) -> None:
        """Begin without a listener."""
        self.listener: Callable[[int], None] = _nothing
        self._remark = remark

    @override
    def batch_committed(self, first: int, requests: int, entries: int) -> None:
        """Pass the new size on."""
        if entries:
            self.listener(first + entries)

    @override
    def writer_stopped(self, error: MobileGridError) -> None:
        """Call a person."""
        self._remark(f"ALARM the writer stopped: {error.explain()}")


class HeadRemarks(HeadObserver):
    """Says when signing begins to fail, when it works again, when it stopped for good."""

    def __init__(self, remark: Remark) -> None:
        """Begin as if all went well."""
        self.stopped: MobileGridError | None = None
        self._remark = remark
        self._failing = ""

    @override
    def head_published(self, size: int, age_us: int, witnesses: int) -> None:
        """Say so only after a failure."""
        if self._failing:
            self._failing = ""
            self._remark(f"Heads are signed again, up to {size:,} entries.")

    @override
    def head_failed(self, error: MobileGridError) -> None:
        """Say why, once for each reason."""
        reason = error.explain()
        if reason != self._failing:
            self._failing = reason
            self._remark(f"No head was signed: {reason}")

    @override
    def signing_changed(self, level: int, backlog: int) -> None:
        """Say how it stands now; above 0 a person is called."""
        self._remark(f"{'ALARM' if level else 'Signing:'} {LEVELS[level]}; {backlog:,} wait.")

    @override
    def checkpointer_stopped(self, error: MobileGridError) -> None:
        """Call a person; nothing is published any more."""
        self.stopped = error
        self._remark(f"ALARM nothing is published any more: {error.explain()}")
