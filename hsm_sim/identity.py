"""Things that are equal when they stand for the same thing on the device."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import override as override  # noqa: PLC0414  for others
else:
    _Method = TypeVar("_Method")

    def override(method: _Method) -> _Method:
        """Mark a method for the type checker; the standard library has this from 3.12 on."""
        return method


class IdentifiedBy:
    """Equal to another of its kind with the same identity."""

    def _identity(self) -> Hashable:
        """Say what tells it from others."""
        raise NotImplementedError

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdentifiedBy) and self._identity() == other._identity()

    @override
    def __hash__(self) -> int:
        return hash(self._identity())
