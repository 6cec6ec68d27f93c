"""Packages of npm, installed once as a lock says, into a cache of this machine."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.tools import absent, need_tool

LIMIT_S = 300


def installed(folder: Path, name: str) -> Path:
    """Give the modules of a folder with `package.json` and its lock; another lock, another place.

    Without a registry the test is skipped, or fails where CI=true.
    """
    npm = need_tool("npm")
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    ready = home / "mobilegrid-tests" / f"{name}-{digest}"
    if not ready.is_dir():
        making = ready.with_name(f"{ready.name}.{os.getpid()}")
        making.mkdir(parents=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(folder / file, making)
        options = ["--no-audit", "--no-fund", "--loglevel=error"]
        ran = subprocess.run(
            [npm, "ci", *options],
            cwd=making,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        if ran.returncode:
            shutil.rmtree(making)
            absent(f"npm cannot install {name}: {ran.stderr[-300:]}")
        try:
            making.rename(ready)
        except OSError:  # another process was faster; its folder is the same
            shutil.rmtree(making)
    return ready / "node_modules"
