"""A bank's XML as plain elements by local name, with nothing fetched and nothing expanded.

Banks write the same message in many namespaces; the local name is what counts. A document type or
an entity is refused at its first character, so that a file can neither read ours nor grow in
memory. Depth and size have limits.
"""

from collections.abc import Iterator
from typing import NoReturn
from xml.parsers import expat

from typing_extensions import override

from ledger.kernel.errors import Malformed

SIZE_MAX = 64 * 1024 * 1024
"""Bytes of a file."""
DEPTH_MAX = 40
"""Elements inside each other; the deepest message of ISO 20022 that we read has about 15."""


class Element:
    """One element: local name, attributes, text without blanks at its ends, children in order."""

    __slots__ = ("attributes", "children", "name", "namespace", "path", "text")

    def __init__(self, name: str, namespace: str, attributes: dict[str, str], path: str) -> None:
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
        self.path = path
        self.text = ""
        self.children: list[Element] = []

    @override
    def __repr__(self) -> str:
        return f"<{self.path}>"

    def all(self, path: str) -> Iterator["Element"]:
        """Go through the elements under a path of names divided by ``/``, in order."""
        first, _, rest = path.partition("/")
        for child in self.children:
            if child.name == first:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def find(self, path: str) -> "Element | None":
        """Give the first element under a path, or none."""
        return next(self.all(path), None)

    def get(self, path: str) -> str:
        """Give the text of the first element under a path, or an empty text."""
        found = self.find(path)
        return found.text if found is not None else ""

    def need(self, path: str) -> "Element":
        """Give the first element under a path; `Malformed` names what is absent."""
        found = self.find(path)
        if found is None:
            raise Malformed("is missing", field=f"{self.path}/{path}")
        return found


class _Builder:
    """Gathers elements as the parser meets them."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.open: list[Element] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        parent = self.open[-1] if self.open else None
        path = f"{parent.path}/{name}" if parent else name
        if len(self.open) >= DEPTH_MAX:
            raise Malformed(f"more than {DEPTH_MAX} elements inside each other", field=path)
        element = Element(name, namespace, attributes, path)
        if parent is None:
            self.root = element
        else:
            parent.children.append(element)
        self.open.append(element)

    def end(self, _tag: str) -> None:
        element = self.open.pop()
        element.text = element.text.strip()

    def data(self, text: str) -> None:
        self.open[-1].text += text


def _no_document_type(*_: object) -> NoReturn:
    raise Malformed("a bank file has no document type and no entities", field="DOCTYPE")


def read_elements(content: bytes) -> Element:
    """Read a file's root; `Malformed` for no XML, a document type, too many bytes."""
    if len(content) > SIZE_MAX:
        raise Malformed(f"more than {SIZE_MAX} bytes")
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _no_document_type
    parser.EntityDeclHandler = _no_document_type
    try:
        parser.Parse(content, True)  # noqa: FBT003  the parser takes it by place only
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise Malformed(f"not well-formed XML: {error}") from error
    if builder.root is None:
        raise Malformed("not well-formed XML: no element")
    return builder.root
