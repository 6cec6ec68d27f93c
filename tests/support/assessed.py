"""A pack that charges again and again in a slot of the town, for assessments of its health."""

from collections.abc import Iterable
from random import Random  # noqa: TID251  seeded by the caller

from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Command
from ledger.kernel.quantities import stored_wh
from ledger.runtime.ledger import Ledger, accepted
from tests.support.ledgers import asking
from tests.support.town import IMPORTER, MARCH, PACK_CLASS

SLOTTED = "PK-S"
NOMINAL_WH = 75_000
FIRST_AT = MARCH + 100 * HOUR
STATION = Actor("ST-1", "station")


def dock(ledger: Ledger) -> None:
    """Take a pack over that is in slot 2."""
    command = TakeOverPack(
        pack_id=SLOTTED,
        account="Packs:Station:ST-1:Slot:2",
        pack_class=PACK_CLASS,
        nominal_wh=NOMINAL_WH,
        soh_bp=9_300,
        min_soh_bp=8_000,
        title_holder_id="MG",
    )
    accepted(ledger.execute(asking(command, "dock", actor=IMPORTER, at=FIRST_AT - HOUR)))


def charges(numbers: Iterable[int], soh_bp: int, seed: int = 5) -> list[tuple[int, Command]]:
    """Give sessions by number, a day apart: what a pack of that health takes, as its BMS reads."""
    found: list[tuple[int, Command]] = []
    for number in numbers:
        dice = Random(seed * 1_000 + number)
        begin_at = FIRST_AT + number * 24 * HOUR
        begin_bp, end_bp = dice.randint(1_000, 3_000), dice.randint(7_000, 9_500)
        wh = stored_wh(NOMINAL_WH, end_bp, soh_bp) - stored_wh(NOMINAL_WH, begin_bp, soh_bp)
        drawn_wh = wh * 10_000 // 9_250
        register_wh = number * 80_000
        begun = StartChargingSession(
            session_id=f"CS-{number}",
            pack_id=SLOTTED,
            station_id="ST-1",
            slot="2",
            started_at=begin_at,
            register_import_wh=register_wh,
            soc_bp=begin_bp,
        )
        ended = EndChargingSession(
            session_id=f"CS-{number}",
            ended_at=begin_at + 3 * HOUR,
            register_import_wh=register_wh + drawn_wh,
            soc_bp=min(end_bp + dice.randint(-100, 100), 10_000),
            mismatch_case=False,
        )
        found += [(begin_at, begun), (begin_at + 3 * HOUR, ended)]
    return found


def charge(ledger: Ledger, numbers: Iterable[int], soh_bp: int = 9_000) -> None:
    """Let the pack charge."""
    for at, command in charges(numbers, soh_bp):
        name = f"{type(command).__name__} {at}"
        accepted(ledger.execute(asking(command, name, actor=STATION, at=at)))
