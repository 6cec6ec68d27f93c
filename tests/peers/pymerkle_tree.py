"""Build a tree with pymerkle from the entry bundles of an exported log; a program of its own.

pymerkle is under the GPL, so no other test may import it. Usage: pymerkle_tree.py DIR SIZE INDEX...
Prints the root, then one line for each index: its path, leaf sibling first, in hexadecimal.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pymerkle import InmemoryTree  # type: ignore[import-untyped]


def entries(directory: Path, size: int) -> Iterator[bytes]:
    for number in range(-(-size // 256)):
        width = min(256, size - number * 256)
        name = f"{number:03d}" if width == 256 else f"{number:03d}.p/{width}"
        data = (directory / "tile/entries" / name).read_bytes()
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            yield data[2:end]
            data = data[end:]


def main() -> None:
    directory, size, *indexes = sys.argv[1:]
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries(Path(directory), int(size)):
        tree.append_entry(entry)
    sys.stdout.write(f"{tree.get_root().hex()}\n")
    for index in indexes:
        # It counts from one, and its path begins with the leaf itself.
        path = tree.prove_inclusion(int(index) + 1).path[1:]
        sys.stdout.write(" ".join(each.hex() for each in path) + "\n")


main()
