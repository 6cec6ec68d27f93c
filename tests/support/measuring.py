"""Which tests count for coverage: the quick ones. Tracing doubles what a test takes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from coverage import Coverage

LONG = ("slow", "e2e", "postgres")
"""Marks of tests that run unmeasured: whole months, real processes, browsers, a second database."""

# where coverage keeps its orders for processes that are started by a measured one
_ORDERS = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


BESIDE = ("peers", "fuzz", "docs")
"""Folders whose tests ask other programs, or what other tests ask of the same code."""


def is_long(item: pytest.Item) -> bool:
    """Tell whether a test carries one of the marks in LONG or lies in a folder of BESIDE."""
    is_beside = item.path.parent.name in BESIDE
    return is_beside or any(item.get_closest_marker(mark) is not None for mark in LONG)


@contextmanager
def unmeasured() -> Iterator[None]:
    """Stop coverage here, and in every process begun meanwhile; go on as before afterwards."""
    measuring = Coverage.current()
    if measuring is None:
        yield
        return
    orders = {name: os.environ.pop(name) for name in _ORDERS if name in os.environ}
    measuring.stop()
    try:
        yield
    finally:
        os.environ.update(orders)
        measuring.start()
