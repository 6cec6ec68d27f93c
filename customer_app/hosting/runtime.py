"""The client that flet-web ships, packed once and served for ever under a path of its version.

Files are packed with gzip when they are first asked for. `pack` packs them with brotli too, which
takes about a minute and makes a first visit a third smaller: it is for the build of an image. What
was packed lies in a folder of its own beside a list of digests; a packed file that does not fit
its digest is packed again, never served.
"""

import gzip
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import flet_web
from flet_web import version as flet_version

_log = logging.getLogger(__name__)

WEB = Path(__file__).parents[1] / "web"
LIST = "packed.json"

_LEFT_OUT = re.compile(
    r"pyodide/.*|python.*\.js|.*\.(symbols|map)|index\.html|manifest\.json|icons/.*|favicon\.png"
    r"|flutter_service_worker\.js|version\.json|canvaskit/(experimental_webparagraph/.*|wimp\..*)"
    r"|assets/packages/flutter_math_fork/.*"
)
_OWN = ("assets/FontManifest.json",)
_STUB = re.compile(r"\s*serviceWorkerSettings: \{.*?\},", re.DOTALL)
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".otf": "font/otf",
    ".ttf": "font/ttf",
    ".png": "image/png",
}
_AS_IT_IS = frozenset({".woff2", ".png"})
"""Kinds that are packed already."""

GZIP_LEVEL = 6
BROTLI_LEVEL = 11


@dataclass(frozen=True)
class Packed:
    """A packed file: its digest and its length, and those of what it was made from."""

    sha256: str
    size: int
    source_sha256: str
    source_size: int


class Runtime:
    """Files of the client by their names, each in the shortest form a browser takes."""

    def __init__(self, folder: Path) -> None:
        """Serve packed files from `folder`, and keep new ones there.

        Raises `OSError` when the folder cannot be made.
        """
        self._source = Path(flet_web.get_package_web_dir())
        self._names = frozenset(_names(self._source))
        own = sha256(b"".join(self.raw(name) for name in (*_OWN, "flutter_bootstrap.js")))
        self.version = f"{flet_version.version}-{own.hexdigest()[:8]}"
        self._folder = folder / self.version
        self._folder.mkdir(parents=True, exist_ok=True)
        self._list = _read_list(self._folder / LIST)
        self._listing = threading.Lock()
        self._held: dict[tuple[str, str], bytes] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        return self._names

    @property
    def is_small(self) -> bool:
        """Whether the client is packed with brotli, as a first visit over the air wants it."""
        return f"main.dart.wasm{SUFFIX['br']}" in self._list

    def raw(self, name: str) -> bytes:
        """Give a file as it is; ours where we have one of our own."""
        if name in _OWN:
            return (WEB / Path(name).name).read_bytes()
        data = (self._source / name).read_bytes()
        if name == "flutter_bootstrap.js":
            text, found = _STUB.subn("", data.decode(), count=1)
            if not found:
                raise RuntimeError("flutter_bootstrap.js has no serviceWorkerSettings any more")
            return text.encode()
        return data

    def get(self, name: str, accepted: str) -> tuple[bytes, str]:
        """Give a file and the name of its packing, "" for none.

        Args:
            name: one of `names`; `KeyError` for any other.
            accepted: the `Accept-Encoding` of the browser.
        """
        if name not in self._names:
            raise KeyError(name)
        packing = self._packing(name, accepted)
        held = self._held.get((name, packing))
        if held is None:
            held = self._packed(name, packing) if packing else self.raw(name)
            self._held[name, packing] = held
        return held, packing

    def pack(self, progress: Callable[[str], None], names: tuple[str, ...] = ()) -> list[str]:
        """Pack files, all or those named, in both ways; `progress` hears each name."""
        wanted = sorted(names or (one for one in self._names if not _is_packed(one)))
        for name in wanted:
            progress(name)
            for packing in SUFFIX:
                self._packed(name, packing)
        return wanted

    def _packing(self, name: str, accepted: str) -> str:
        words = {one.partition(";")[0].strip() for one in accepted.split(",")}
        if _is_packed(name):
            return ""
        if "br" in words and name + SUFFIX["br"] in self._list:
            return "br"
        return "gzip" if "gzip" in words else ""

    def _packed(self, name: str, packing: str) -> bytes:
        """Read a packed file, or make it; kept before it is served."""
        place = name + SUFFIX[packing]
        path = self._folder / place
        source = self.raw(name)
        known = self._list.get(place)
        if known is not None and known.source_sha256 == sha256(source).hexdigest():
            try:
                data = path.read_bytes()
            except OSError:
                data = b""
            if sha256(data).hexdigest() == known.sha256:
                return data
            _log.warning("%s is not what was packed; packed again", place)
        data = PACKERS[packing](source)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, data)
        packed = Packed(
            sha256(data).hexdigest(), len(data), sha256(source).hexdigest(), len(source)
        )
        with self._listing:
            self._list[place] = packed
            said = {key: asdict(one) for key, one in sorted(self._list.items())}
            _write(self._folder / LIST, json.dumps(said, indent=1).encode())
        return data


def media_type(name: str) -> bytes:
    """Give the media type of a file by its name."""
    return _TYPES.get(Path(name).suffix, "application/octet-stream").encode()


def _gzipped(data: bytes) -> bytes:
    return gzip.compress(data, GZIP_LEVEL, mtime=0)


def _brotlied(data: bytes) -> bytes:
    import brotli  # noqa: PLC0415  # only where an image is built; serving needs none

    packed: bytes = brotli.compress(data, quality=BROTLI_LEVEL)
    return packed


SUFFIX = {"gzip": ".gz", "br": ".br"}
PACKERS = {"gzip": _gzipped, "br": _brotlied}


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _LEFT_OUT.fullmatch(name):
            yield name


def _is_packed(name: str) -> bool:
    return Path(name).suffix in _AS_IT_IS


def _read_list(path: Path) -> dict[str, Packed]:
    try:
        return {key: Packed(**one) for key, one in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # nothing packed yet, or by a release that kept other lists: packed anew


def _write(path: Path, data: bytes) -> None:
    """Write a file that is whole or not there, whoever else writes it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    part.write_bytes(data)
    part.replace(path)
