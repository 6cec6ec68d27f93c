"""What the tests of models share: a clock that is moved by hand, and a place to keep texts."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from customer_app.api.fake_town import TownDoor
from customer_app.models.commands import Means

NOW = datetime(2026, 11, 24, 13, tzinfo=UTC)
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def told(value: object) -> bool:
    """Ask a model that will say something else later; a bare assert would settle it for mypy."""
    return bool(value)


class Kept:
    """A device that keeps texts."""

    def __init__(self, **texts: str) -> None:
        self.texts = {f"mg.{name}": text for name, text in texts.items()}

    async def read(self, name: str) -> str | None:
        return self.texts.get(name)

    async def keep(self, name: str, text: str) -> None:
        self.texts[name] = text

    async def forget(self, name: str) -> None:
        self.texts.pop(name, None)


class World:
    """A town behind a fake door, with a clock; waiting moves the clock."""

    def __init__(self) -> None:
        self.time = NOW
        self.waited: list[float] = []
        self.door = TownDoor(lambda: self.time)
        self.client = self.door.client()
        self.kept = Kept()
        self._ids = iter(range(10_000))
        self.means = Means(lambda: self.time, lambda: f"key-{next(self._ids)}", self._pause)

    async def _pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.time += timedelta(seconds=seconds)

    def later(self, **span: float) -> None:
        self.time += timedelta(**span)
