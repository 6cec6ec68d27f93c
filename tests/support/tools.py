"""Programs from outside Python that some tests need, found or skipped."""

import os
import shutil
from typing import NoReturn

import pytest


def need_tool(name: str) -> str:
    """Find a program: its path; absent, the test is skipped, or fails where CI=true."""
    path = shutil.which(name)
    if path is None:
        absent(f"{name} is not installed")
    return path


def absent(reason: str) -> NoReturn:
    """Give the test up: a skip with the reason, a failure where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
