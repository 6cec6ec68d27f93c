"""The catalogue: every command and event of every area, each once, none forgotten."""

from typing import get_args

import msgspec
import pytest

from ledger.domain import catalogue, opening
from ledger.domain.access import ROLES
from ledger.domain.asking import SwapAuthorised
from ledger.domain.catalogue import AREAS, COMMANDS, EVENTS, KINDS, SHELVES
from ledger.domain.moves import PackDocked
from ledger.domain.opening import LedgerOpened, OpenLedger
from ledger.domain.world import World
from ledger.kernel.messages import Command, Event
from tests.support.ledgers import SYSTEM
from tests.support.rules import act, events


def test_every_command_and_event_of_an_area_is_in_the_catalogue():
    for area in AREAS:
        for value in vars(area).values():
            for member in (value, *get_args(value)):
                if isinstance(member, type) and member.__module__ == area.__name__:
                    if issubclass(member, Command) and not member.__subclasses__():
                        assert member in COMMANDS, member
                    if issubclass(member, Event) and not member.__subclasses__():
                        assert member in EVENTS, member


def test_kinds_shelves_and_names_are_unique():
    assert len(KINDS) == len(EVENTS)
    for names in ([shelf.name for shelf in SHELVES], [one.__name__ for one in COMMANDS]):
        assert len(names) == len(set(names))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.__name__)
def test_every_command_says_who_may_ask(command):
    assert command.roles
    assert command.roles <= ROLES


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: one.__name__)
def test_no_event_can_hold_a_float(event):
    assert "'type': 'number'" not in str(msgspec.json.schema(event))


def test_an_entry_names_the_packs_and_ids_of_its_event():
    rule = EVENTS[PackDocked]
    moved = PackDocked(pack_id="PK-1", from_account="a", to_account="b", pack_class="C", level=3)
    assert (rule.packs(moved), rule.entities(moved)) == (("PK-1",), ())
    assert EVENTS[LedgerOpened].packs(LedgerOpened(ledger="x", origin="y", zone="UTC")) == ()
    blank = PackDocked(pack_id="", from_account="a", to_account="b", pack_class="C", level=3)
    assert rule.packs(blank) == ()
    offered = SwapAuthorised(swap_id="SW-1", pack_ids=("PK-2", "PK-1", "PK-2"))
    assert EVENTS[SwapAuthorised].packs(offered) == ("PK-1", "PK-2")
    assert EVENTS[SwapAuthorised].entities(offered) == ("SW-1",)


def test_opening_gives_entry_zero_and_moves_nothing():
    command = OpenLedger(ledger="town", origin="log.example.net/log/town", zone="UTC")
    (event,) = events(act(World(complete=True), command, actor=SYSTEM))
    assert isinstance(event, LedgerOpened)
    assert event.formats == opening.FORMATS
    assert opening.postings(event) == ()
    assert catalogue.KINDS[("ledger.opened", 1)].event is LedgerOpened
