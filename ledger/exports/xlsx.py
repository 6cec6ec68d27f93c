r"""A table as a workbook for spreadsheets (money handbook 12.2), written as a stream.

ECMA-376 part 1, the least that every reader takes: one sheet of rows with a frozen, filtered
header, and one of what must still be true of them. Text stands in the cells themselves, so no cell
is ever a formula; amounts are numbers with the decimals of their text, dates are dates. The same
rows give the same bytes::

    [Content_Types].xml  _rels/.rels  xl/workbook.xml  xl/_rels/workbook.xml.rels  xl/styles.xml
    xl/worksheets/sheet1.xml  xl/worksheets/sheet2.xml
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from ledger.exports._files import publish, sha256_of, staged
from ledger.exports._tables import Cell, Control, Layout, Summary
from ledger.exports.history import POSTINGS, PostingTable, posted_in, told_of
from ledger.exports.log import Progress
from ledger.exports.spans import Span
from ledger.kernel.errors import Unavailable
from ledger.runtime.reads import Reads

ROWS_MAX = 1_048_575
"""Rows below the header that a sheet can have; a larger table is cut by period."""

_PLAIN, _DATE, _HEAD, _DECIMALS = 0, 1, 2, {0: 0, 2: 3, 3: 4}
_EPOCH = date(1899, 12, 30)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COMPRESSION = 1  # the fastest: the file is read once, and four times as small already
_ROWS_AT_ONCE = 500

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KINDS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_KINDS}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KINDS}.worksheet+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet2.xml" ContentType="{_KINDS}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_KINDS}.styles+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="Postings" sheetId="1" r:id="r1"/>'
        '<sheet name="Control" sheetId="2" r:id="r2"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{_OFFICE}/worksheet" Target="worksheets/sheet2.xml"/>'
        f'<Relationship Id="r3" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
    ),
    "xl/styles.xml": (
        f'<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
        '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
        '<numFmt numFmtId="165" formatCode="0.000"/></numFmts>'
        '<fonts count="2"><font/><font><b/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        '<cellXfs count="5"><xf/><xf numFmtId="164" applyNumberFormat="1"/>'
        '<xf fontId="1" applyFont="1"/><xf numFmtId="2" applyNumberFormat="1"/>'
        '<xf numFmtId="165" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    ),
}


def export_workbook(
    reads: Reads, path: Path, period: str | Span = "", *, progress: Progress | None = None
) -> Control:
    """Write all postings of a ledger, or those of some periods of its books, as a workbook.

    Raises:
        Malformed: the period is not ``YYYY-MM`` (or, while no periods are kept, ``YYYY-MM-DD``).
        Unavailable: the file cannot be written, or has more rows than a sheet can hold.
    """
    told = told_of(reads, period)
    table = PostingTable(posted_in(reads, told, progress), told)
    return write_workbook(path, POSTINGS, table.rows(), table.summary)


def write_workbook(
    path: Path, shape: Layout, rows: Iterable[Sequence[Cell]], summary: Callable[[], Summary]
) -> Control:
    """Write rows as a stream into a workbook, and its control sheet beside it as JSON.

    Columns whose name ends in ``_date`` hold dates. Raises `Unavailable` when the file cannot be
    written, or a sheet cannot hold the rows; nothing is published then.
    """
    with staged(path.parent) as stage:
        made = stage / path.name
        with ZipFile(made, "w", ZIP_DEFLATED, compresslevel=_COMPRESSION) as book:
            for name, text in _PARTS.items():
                book.writestr(_info(name), _XML + text)
            count = 0
            with book.open(_info("xl/worksheets/sheet1.xml"), "w") as sheet:
                for text, count in _sheet(shape, rows):  # noqa: B007 - the last is the row count
                    sheet.write(text.encode())
            facts, totals = summary()
            book.writestr(_info("xl/worksheets/sheet2.xml"), _control(count, facts, totals))
        control = Control(
            file=path.name, rows=count, sha256=sha256_of(made), facts=facts, totals=totals
        )
        beside = f"{path.name}.control.json"
        (stage / beside).write_bytes(msgspec.json.format(msgspec.json.encode(control)) + b"\n")
        publish(stage, path.parent, (path.name, beside))
    return control


def _info(name: str) -> ZipInfo:
    info = ZipInfo(name)  # of 1980: a file does not know when it was made
    info.compress_type = ZIP_DEFLATED
    return info


def _sheet(shape: Layout, rows: Iterable[Sequence[Cell]]) -> Iterator[tuple[str, int]]:
    """Yield the text of the first sheet in pieces, each with the rows written by then."""
    head = "".join(
        f'<c s="{_HEAD}" t="inlineStr"><is><t>{name}</t></is></c>' for name in shape.columns
    )
    yield (
        (
            f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            f"</sheetView></sheetViews><sheetData><row>{head}</row>"
        ),
        0,
    )
    writers = [_writer(column, shape) for column in shape.columns]
    held: list[str] = []
    count = 0
    for count, row in enumerate(rows, 1):
        if count > ROWS_MAX:
            raise Unavailable(f"a sheet holds {ROWS_MAX:,} rows at most; export one period")
        held.append("<row>")
        held += [
            write(cell) if cell != "" else "<c/>" for write, cell in zip(writers, row, strict=True)
        ]
        held.append("</row>")
        if not count % _ROWS_AT_ONCE:
            yield "".join(held), count
            held.clear()
    last = f"{_letters(len(shape.columns))}{count + 1}"
    yield "".join(held) + f'</sheetData><autoFilter ref="A1:{last}"/></worksheet>', count


def _letters(number: int) -> str:
    """Name a column.

    >>> _letters(1), _letters(28)
    ('A', 'AB')
    """
    text = ""
    while number:
        number, left = divmod(number - 1, 26)
        text = chr(ord("A") + left) + text
    return text


def _writer(column: str, shape: Layout) -> Callable[[Cell], str]:
    if column in shape.numbers:
        return _number
    return _day if column.endswith("_date") else _text


@lru_cache(maxsize=1 << 16)
def _number(cell: Cell) -> str:
    text = str(cell)
    style = _DECIMALS.get(len(text.partition(".")[2]), _PLAIN)
    return f'<c s="{style}"><v>{text}</v></c>' if style else f"<c><v>{text}</v></c>"


@lru_cache(maxsize=1 << 12)
def _day(cell: Cell) -> str:
    if not _DAY.fullmatch(str(cell)):
        return _text(cell)
    return f'<c s="{_DATE}"><v>{(date.fromisoformat(str(cell)) - _EPOCH).days}</v></c>'


@lru_cache(maxsize=1 << 16)
def _text(cell: Cell) -> str:
    text = escape(_NOT_XML.sub("\ufffd", str(cell)))
    kept = ' xml:space="preserve"' if text != text.strip() else ""
    return f'<c t="inlineStr"><is><t{kept}>{text}</t></is></c>'


def _control(count: int, facts: dict[str, str | int], totals: dict[str, str]) -> str:
    said: list[tuple[Cell, Cell]] = [("rows", count), *facts.items(), *totals.items()]
    numbers = {"rows", *totals}
    rows = "".join(
        f"<row>{_text(name)}{(_number if name in numbers else _text)(value)}</row>"
        for name, value in said
    )
    return f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'
