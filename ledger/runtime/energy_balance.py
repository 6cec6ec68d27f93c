"""The energy of a meter against its sessions (custody handbook 8.3): run every night.

What a meter's register counted between the begin of its first session and the end of its last one
is what its sessions moved, plus what flowed between them. An estimate stands for energy that no
register counted.
"""

from collections.abc import Iterator

import msgspec

from ledger.domain.charge_begin import ChargeSessionStarted
from ledger.domain.charging import ChargeSessionEnded
from ledger.runtime.reads import Reads

_KINDS = (ChargeSessionStarted.kind, ChargeSessionEnded.kind)


class MeterBalance(msgspec.Struct):
    """One meter over the entries looked at, in Wh.

    `import_wh` and `export_wh` are the differences of its registers, `in_wh` and `out_wh` what its
    ended sessions moved by register, `estimated_wh` what was estimated for others (in less out).
    `gap_wh` is what the registers counted outside any session: more than nothing is what the
    station used itself, less than nothing is an error.
    """

    meter_id: str
    station_id: str
    sessions: int = 0
    open_sessions: int = 0
    in_wh: int = 0
    out_wh: int = 0
    import_wh: int = 0
    export_wh: int = 0
    estimated_wh: int = 0

    @property
    def gap_wh(self) -> int:
        """What the registers counted and no session did: imported less exported."""
        return (self.import_wh - self.in_wh) - (self.export_wh - self.out_wh)

    @property
    def is_sound(self) -> bool:
        """Whether no session moved more than its meter counted, either way."""
        return self.import_wh >= self.in_wh and self.export_wh >= self.out_wh


class _Span(msgspec.Struct):
    """Lowest begin and highest end, in whatever order reports came, and sessions seen begun."""

    first: tuple[int, int] | None = None
    last: tuple[int, int] = (0, 0)
    begun: set[str] = msgspec.field(default_factory=set)

    def begin(self, import_wh: int, export_wh: int) -> None:
        """Take in registers at the begin of a session."""
        if self.first is None:
            self.first = import_wh, export_wh
            self.end(import_wh, export_wh)
        self.first = min(self.first[0], import_wh), min(self.first[1], export_wh)

    def end(self, import_wh: int, export_wh: int) -> None:
        """Take in registers at the end of a session."""
        self.last = max(self.last[0], import_wh), max(self.last[1], export_wh)


def meter_balances(
    reads: Reads, first: int = 0, end: int | None = None, *, station_id: str = ""
) -> list[MeterBalance]:
    """Balance every meter that has registers, over the entries of [first, end), sorted by id.

    Sessions that networks report from their own books have no registers and are left out.
    """
    rows: dict[str, MeterBalance] = {}
    spans: dict[str, _Span] = {}
    for said in _sessions(reads, first, end, station_id):
        row = rows.setdefault(said.meter_id, MeterBalance(said.meter_id, said.station_id))
        span = spans.setdefault(said.meter_id, _Span())
        if isinstance(said, ChargeSessionStarted):
            _begin(row, span, said)
        else:
            _end(row, span, said)
    for meter_id, row in rows.items():
        begin = spans[meter_id].first or (0, 0)
        row.import_wh = max(spans[meter_id].last[0] - begin[0], 0)
        row.export_wh = max(spans[meter_id].last[1] - begin[1], 0)
    return [rows[name] for name in sorted(rows)]


def _sessions(
    reads: Reads, first: int, end: int | None, station_id: str
) -> Iterator[ChargeSessionStarted | ChargeSessionEnded]:
    for one in reads.entries(first, end, _KINDS):
        said = one.event
        assert isinstance(said, ChargeSessionStarted | ChargeSessionEnded), "only these were asked"
        if station_id in ("", said.station_id) and _is_metered(said):
            yield said


def _is_metered(said: ChargeSessionStarted | ChargeSessionEnded) -> bool:
    if isinstance(said, ChargeSessionStarted):
        return said.register_import_begin_wh is not None
    return said.register_import_end_wh is not None or bool(said.substitute_method)


def _begin(row: MeterBalance, span: _Span, said: ChargeSessionStarted) -> None:
    row.open_sessions += 1
    span.begun.add(said.session_id)
    span.begin(said.register_import_begin_wh or 0, said.register_export_begin_wh or 0)


def _end(row: MeterBalance, span: _Span, said: ChargeSessionEnded) -> None:
    row.open_sessions -= 1
    row.sessions += 1
    if said.register_import_end_wh is None:
        row.estimated_wh += said.energy_in_wh - said.energy_out_wh
        return
    row.in_wh += said.energy_in_wh
    row.out_wh += said.energy_out_wh
    ended = said.register_import_end_wh, said.register_export_end_wh or 0
    if said.session_id not in span.begun:  # it began before the entries looked at
        span.begin(ended[0] - said.energy_in_wh, ended[1] - said.energy_out_wh)
    span.end(*ended)
