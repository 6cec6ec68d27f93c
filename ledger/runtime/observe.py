"""What happened, for telemetry: one method per thing that can happen; the default says nothing."""

from typing import Protocol

from ledger.kernel.errors import MobileGridError


class Observer(Protocol):
    """Told by the runtime what happened; must not raise and must return quickly."""

    def batch_committed(self, first: int, requests: int, entries: int) -> None:
        """Take note of a batch that is durable: first position, requests, entries made."""
        ...

    def writer_stopped(self, error: MobileGridError) -> None:
        """Take note that the writer stopped and why; a person must look."""
        ...


class Silent:
    """The observer of programs that report nothing."""

    def batch_committed(self, first: int, requests: int, entries: int) -> None:
        """Say nothing."""

    def writer_stopped(self, error: MobileGridError) -> None:
        """Say nothing."""
