"""A process that holds one peer's module and runs contract cases by name.

Native modules run here and not in the tests' own process: one that crashes or hangs fails its case,
and the next case gets a new worker. Messages are JSON: a `Setup` first, then names of cases; the
answer to each is empty, or says what went wrong.
"""

import gc
import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection

import msgspec

from tests.contract.hsm.bench import CASES, Bench, Peer

for module in ("tokens", "keys", "secrets", "adapter"):
    import_module(f"tests.contract.hsm.cases_{module}")


class Setup(msgspec.Struct, frozen=True):
    """Where the module is, and how its token is opened."""

    loader: str  # package.module:function, answers with a namespace
    argument: str
    label: str = "mobilegrid-a"
    pin: str = "123456"
    so_pin: str = "12345678"


def bench_of(setup: Setup) -> Bench:
    place, _, name = setup.loader.partition(":")
    namespace = getattr(import_module(place), name)(setup.argument)
    return Bench(Peer(namespace, setup.label, setup.pin, setup.so_pin))


def run(bench: Bench, name: str) -> str:
    """Run a case on a token without keys: empty, or the last lines of what went wrong."""
    try:
        bench.clear()
        CASES[name](bench)
    except Exception:  # noqa: BLE001  whatever it is goes to the test as text
        return "".join(traceback.format_exc(limit=-2).splitlines(keepends=True)[-12:])
    finally:
        gc.collect()  # ends searches that a case left open, while their session is still theirs
    return ""


def main() -> None:
    pipe = Connection(int(sys.argv[1]))
    bench = bench_of(msgspec.json.decode(pipe.recv_bytes(), type=Setup))
    while True:
        try:
            name = pipe.recv_bytes().decode()
        except EOFError:
            return
        pipe.send_bytes(run(bench, name).encode())


if __name__ == "__main__":
    main()
