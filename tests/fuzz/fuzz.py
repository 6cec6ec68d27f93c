"""Fuzz one parser with Atheris: `python -m tests.fuzz.fuzz NAME [libFuzzer options]`.

See README.md beside this file. A finding is written to `crash-...` in the working directory.
"""

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any


def escaped(word: bytes) -> str:
    """Write a word as libFuzzer's dictionaries do."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def main() -> None:
    atheris: Any = importlib.import_module("atheris")  # not a dependency: see README.md
    with atheris.instrument_imports(include=["ledger"]):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        sys.exit(f"usage: python -m tests.fuzz.fuzz {'|'.join(targets)} [options]")
    target = targets[sys.argv[1]]
    with tempfile.TemporaryDirectory() as folder:
        seeds, words = Path(folder, "seeds"), Path(folder, "words")
        seeds.mkdir()
        for number, seed in enumerate(target.seeds):
            (seeds / str(number)).write_bytes(seed)
        words.write_text("".join(f"{escaped(word)}\n" for word in target.words))
        # a folder of one's own, given as an option, comes first: findings that teach are kept there
        arguments = [sys.argv[0], f"-dict={words}", *sys.argv[2:], str(seeds)]
        atheris.Setup(arguments, target.try_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
