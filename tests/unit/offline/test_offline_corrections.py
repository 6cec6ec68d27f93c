"""Bills and statements with corrections: taken back, made again, credited; checked by strangers."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.stays import ReportStay
from ledger.exports.issued import named
from ledger.exports.proven import ProvenBundle, prove_bill, prove_statement, prove_usage
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor
from ledger.runtime.crediting import credit_order, open_lines
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.settling import close_period
from mobilegrid import offline_verifier as offline
from tests.support.bundles import is_good, read, relie, rewrite
from tests.support.ledgers import sqlite_url
from tests.support.offline import NOW_S, policy_text, seeded_signer
from tests.support.told_anew import do, find_it_again, lose_a_leg, swapped_town
from tests.support.town import MARCH

FINANCE = Actor("FI-1", "finance", "FI-2")
APRIL, MAY, JUNE = MARCH + 31 * DAY, MARCH + 61 * DAY, MARCH + 92 * DAY
INVOICE = "MG1-INV-2024-000001"
CORRECTIONS = {"usage.reversed", "share.reversed", "share.reduced", "credit_note.issued"}
UNDECIDED = {"applied_minor", "number", "reversed_position", "reduced_position"}
"""Numbers that another book of ours depends on (what was paid before, the series), or that name an
entry: a wrong one is another lie, see below."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory) -> Iterator[Ledger]:
    """Build a town whose swap was invoiced, told anew twice, and credited in two notes."""
    with swapped_town(sqlite_url(tmp_path_factory.mktemp("town"))) as town:
        close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        with town.reading() as reads:
            service = open_lines(reads, INVOICE)[1].name
        for wanted in ({service: 50}, {}):
            with town.reading() as reads:
                command = credit_order(
                    reads, INVOICE, wanted, reason="goodwill", issued_at=APRIL + DAY
                )
            do(town, command, APRIL + DAY + len(wanted), FINANCE)
        lose_a_leg(town, APRIL + 2 * DAY)
        find_it_again(town, APRIL + 3 * DAY)
        close_period(town, "2024-04", actor=FINANCE, at=MAY)
        sign_checkpoint(town, seeded_signer(town.name.origin), NOW_S)
        yield town


@pytest.fixture(scope="module")
def policy(ledger) -> offline.Policy:
    return offline.parse_policy(policy_text(logs=[seeded_signer(ledger.name.origin)]))


@pytest.fixture(scope="module")
def bundles(ledger) -> dict[str, ProvenBundle]:
    with ledger.reading() as reads:
        made = {
            f"{name} {period}": prove(reads, party, period)
            for period in ("2024-03", "2024-04")
            for name, party, prove in (
                ("bill", "DR-1", prove_bill),
                ("statement", "OP-1", prove_statement),
            )
        }
        last = made["bill 2024-04"].manifest["lines"][-1]
        return made | {"usage": prove_usage(reads, last)}


def test_an_invoice_that_corrects_an_earlier_bill_is_recomputed_too(tmp_path):
    with swapped_town(sqlite_url(tmp_path)) as town:
        close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        lose_a_leg(town, APRIL + DAY)
        close_period(town, "2024-04", actor=FINANCE, at=MAY)  # below zero: it waits
        do(town, stay(MAY + DAY), MAY + 2 * DAY, Actor("IM-1", "importer", "IM-2"))
        close_period(town, "2024-05", actor=FINANCE, at=JUNE)
        signer = seeded_signer(town.name.origin)
        sign_checkpoint(town, signer, NOW_S)
        with town.reading() as reads:
            bundle = prove_bill(reads, "DR-1", "2024-05")
    policy = offline.parse_policy(policy_text(logs=[signer]))
    assert is_good(bundle, tmp_path / "b.zip", policy)
    assert len(bundle.manifest["lines"]) == 2


def stay(begin_at: int) -> ReportStay:
    return ReportStay(
        report_id="RP-9",
        network="OP-1",
        station_id="ST-1",
        slot="2",
        driver_id="DR-1",
        pack_id="PK-2",
        begin_at=begin_at,
        received_at=begin_at + 6 * HOUR,
        seq=9,
        row_ref="rows#9",
        end_at=begin_at + 2 * HOUR,
        energy_wh=70_000,
        meter_id="MT-2",
    )


def test_credit_notes_and_invoices_are_documents_to_be_signed(ledger):
    with ledger.reading() as reads:
        found = {
            one.envelope.kind: named(one)
            for one in reads.entries(40, None)
            if one.envelope.kind in ("invoice.issued", "credit_note.issued")
        }
    assert found["credit_note.issued"] == ("mobilegrid-invoice+jws", "MG1-CRN-2024-000002")
    assert found["invoice.issued"][1].startswith("MG1-INV-2024-")


def kinds(bundle: ProvenBundle) -> set[str]:
    return {json.loads(entry)["kind"] for entry in bundle.entries}


def test_what_was_corrected_is_recomputed_to_the_minor_unit(bundles, policy, tmp_path):
    for name, bundle in bundles.items():
        assert is_good(bundle, tmp_path / "b.zip", policy), name
    assert "credit_note.issued" in kinds(bundles["bill 2024-03"])
    assert len(bundles["bill 2024-03"].manifest["credit_notes"]) == 2
    assert {"usage.reversed", "usage.accrued"} <= kinds(bundles["bill 2024-04"])
    assert {"share.reversed", "share.reduced"} <= kinds(bundles["statement 2024-04"])


def test_a_corrected_usage_is_rated_by_its_legs_as_they_stand_now(bundles):
    (position,) = bundles["usage"].manifest["lines"]
    by_place = dict(
        zip(bundles["usage"].manifest["positions"], bundles["usage"].entries, strict=True)
    )
    entry = json.loads(by_place[position])
    assert entry["corrects"] in by_place
    legs = [json.loads(by_place[one])["kind"] for one in entry["causes"] if one in by_place]
    assert {"pack_swapped_out", "pack_returned"} <= set(legs)


def numbers_in(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List the places of all integers in a body."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers_in(inner, (*way, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from numbers_in(inner, (*way, number))
    elif type(value) is int:
        yield way


def raised(way: tuple[str | int, ...], body: Any) -> None:
    *first, last = way
    for name in first:
        body = body[name]
    body[last] += 1


def test_no_number_of_a_correction_can_be_another(ledger, bundles, tmp_path):
    """Change each integer of each correction by one, as a service that lies would."""
    with ledger.reading() as reads:
        log = [one.data for one in reads.entries()]
    file = tmp_path / "lie.zip"
    tried, survived = 0, []
    for name, bundle in bundles.items():
        for position, entry in zip(bundle.manifest["positions"], bundle.entries, strict=True):
            said = json.loads(entry)
            is_beside = said["kind"] == "credit_note.issued" and not name.startswith("bill")
            if said["kind"] not in CORRECTIONS or is_beside:
                continue  # a statement needs of a credit note only what it takes of its usage
            for way in numbers_in(said["body"]):
                relie(bundle, log, {position: partial(raised, way)}, file)
                tried += 1
                if read(file)[0] == "ok" and way[-1] not in UNDECIDED:
                    survived.append((name, said["kind"], way))
    assert not survived
    assert tried > 100


def test_credit_notes_are_named_in_order_and_are_ones(bundles, policy, tmp_path):
    bundle = bundles["bill 2024-03"]
    notes, lines = bundle.manifest["credit_notes"], bundle.manifest["lines"]
    for wrong in (notes[::-1], [notes[0], *notes], lines[:1], [10**6]):
        rewrite(bundle, tmp_path / "b.zip", credit_notes=wrong)
        assert read(tmp_path / "b.zip", policy) == ("refused", "M6")


def lie_of(bundles: dict[str, ProvenBundle], name: str, kind: str) -> tuple[ProvenBundle, int]:
    bundle = bundles[name]
    for position, entry in zip(bundle.manifest["positions"], bundle.entries, strict=True):
        if json.loads(entry)["kind"] == kind:
            return bundle, position
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "row",
    [
        ("bill 2024-04", "usage.reversed", "driver_id", "DR-2"),
        ("bill 2024-04", "usage.reversed", "usage_id", "SW-9"),
        ("bill 2024-04", "usage.reversed", "reversed_position", 10**6),
        ("statement 2024-04", "share.reversed", "partner_id", "OP-9"),
        ("statement 2024-04", "share.reversed", "reversed_position", 10**6),
        ("statement 2024-04", "share.reduced", "reduced_position", 10**6),
        ("statement 2024-04", "share.reduced", "credit_note_no", "X"),
        ("bill 2024-03", "credit_note.issued", "invoice_no", "X"),
        ("bill 2024-03", "credit_note.issued", "driver_id", "DR-2"),
        ("bill 2024-03", "credit_note.issued", "currency", "GBP"),
    ],
)
def test_a_correction_of_something_else_is_found(ledger, bundles, tmp_path, row):
    name, kind, field, value = row
    with ledger.reading() as reads:
        log = [one.data for one in reads.entries()]
    bundle, position = lie_of(bundles, name, kind)
    file: Path = tmp_path / "lie.zip"
    relie(bundle, log, {position: lambda body: body.update({field: value})}, file)
    verdict, step = read(file)
    assert (verdict, step in {"M4", "M5", "M6"}) == ("refused", True)
