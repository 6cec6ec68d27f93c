"""Passports keep the schemas of Battery Pass 1.2 and Catena-X 6.1.0, over towns and histories.

Needs the schemas among the data, and of the test tools `jsonschema` and `jsonschema-rs`.
"""

import json
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.custody import PACKS
from ledger.exports import _passport_catenax as catenax
from ledger.exports import _passport_eu as eu
from ledger.exports._passport_attributes import VIEWERS
from ledger.exports._passport_values import Address, Day, Email, Time
from ledger.exports.passport import DOCUMENTS, Desk, Passport
from ledger.kernel.errors import Malformed, Refused
from ledger.runtime.ledger import Ledger
from tests.properties.test_ledger_histories import beginning, histories
from tests.support.cli import answer
from tests.support.facts import INDIVIDUAL, MODEL, encoded, facts_file, measured
from tests.support.ledgers import sqlite_url
from tests.support.lives import LIFE, live, sign, whole_life
from tests.support.schemas import faults, schema_of, second_opinion
from tests.support.town import new_town

__all__ = ["beginning"]

pytestmark = pytest.mark.tool

PAPERS: dict[str, Any] = {
    "6.1.2.2": "MG-4711",
    "6.1.3.2": "2019-05-31",
    "6.1.3.3": "2019-11",
    "6.7.2.3": measured(190.5),
    "6.7.2.4": measured(7.25),
    "6.7.2.8": measured(50),
    "6.7.6.7": measured(70_000.5),
    **INDIVIDUAL,
}
"""What papers tell of a pack that was taken over in the middle of its life."""

SAMPLES = {
    "batterypass_circularity_1.2.0": "circularity.json",
    "batterypass_performance_and_durability_1.2.1": "performance_and_durability.json",
    "batterypass_supply_chain_due_diligence_1.2.0": "supply_chain_due_diligence.json",
    "batterypass_carbon_footprint_1.2.0": "carbon_footprint.json",
    "batterypass_labels_1.2.0": "labels.json",
    "batterypass_general_product_information_1.2.0": "general_product_information.json",
    "catenax_traction_battery_code_2.0.0": "traction_battery_code.json",
    "catenax_battery_pass_6.1.0": "battery_pass.json",
}


@pytest.fixture(scope="module")
def folder(data_dir):
    return data_dir / "passport-schemas"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("life"))) as one:
        live(one, whole_life())
        sign(one)
        yield one


def schema_name(document: str) -> str:
    name = document.removesuffix(".json")
    if name == "battery_pass":
        return "catenax_battery_pass_6.1.0.schema.json"
    if name == "traction_battery_code":
        return "catenax_traction_battery_code_2.0.0.schema.json"
    version = "1.2.1" if name == "performance_and_durability" else "1.2.0"
    return f"batterypass_{name}_{version}.schema.json"


@cache
def without_duties(file: Path) -> Any:
    """Give a schema in which nothing is required: what a part of a document must keep."""
    return _free(deepcopy(schema_of(file)))


def _free(node: Any) -> Any:
    if isinstance(node, dict):
        if isinstance(node.get("required"), list):
            del node["required"]
        for each in node.values():
            _free(each)
    elif isinstance(node, list):
        for each in node:
            _free(each)
    return node


def broken(folder: Path, made: Passport, *, second: bool = False) -> dict[str, list[str]]:
    """List what breaks the schemas, by document."""
    found = {}
    for name, data in made.documents.items():
        file = folder / schema_name(name)
        schema = schema_of(file) if made.viewer == "issuer" else without_duties(file)
        wrong = faults(schema, json.loads(data))
        wrong += second_opinion(schema, json.loads(data)) if second else []
        if wrong:
            found[name] = wrong
    return found


@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_passport_keeps_the_schemas_by_both_validators(folder, ledger, viewer):
    with ledger.reading() as reads:
        made = Desk(reads, LIFE, encoded(facts_file())).passport(viewer)
    assert set(made.documents) == DOCUMENTS
    assert broken(folder, made, second=True) == {}


@pytest.mark.parametrize("clause", sorted({*MODEL, *INDIVIDUAL} - eu.NEEDED - catenax.NEEDED))
def test_a_passport_without_an_optional_fact_keeps_the_schemas(folder, ledger, clause):
    model = {key: value for key, value in MODEL.items() if key != clause}
    single = {key: value for key, value in INDIVIDUAL.items() if key != clause}
    data = encoded(facts_file(facts=model, packs={LIFE: single}))
    with ledger.reading() as reads:
        made = Desk(reads, LIFE, data).passport("issuer")
    assert clause not in made.shown
    assert broken(folder, made) == {}


@pytest.mark.parametrize("category", ["lmt", "ev", "industrial", "stationary"])
@pytest.mark.parametrize("unit", ["month", "year", "day", "cycle", "hour"])
def test_every_category_and_unit_of_warranty_has_its_word(folder, ledger, category, unit):
    model = MODEL | {"6.1.3.5": category, "6.1.3.4": {"value": 8, "unit": unit}}
    with ledger.reading() as reads:
        made = Desk(reads, LIFE, encoded(facts_file(facts=model))).passport("issuer")
    assert broken(folder, made) == {}


def test_every_pack_of_the_demo_has_a_valid_passport_once_its_papers_are_told(folder, tmp_path):
    answer("demo", "--keep", tmp_path)
    valid: dict[str, set[str]] = {}
    with Ledger(f"sqlite:///{tmp_path / 'town.db'}") as town, town.reading() as reads:
        rows = list(reads.rows(PACKS))
        papers = {pack_id: PAPERS for pack_id, _ in rows}
        for pack_id, row in rows:
            file = encoded(facts_file(pack_class=row.pack_class, packs=papers))
            desk = Desk(reads, pack_id, file)
            for viewer in ("issuer", "public"):
                assert broken(folder, desk.passport(viewer)) == {}
            valid.setdefault(row.pack_class, set()).add(pack_id)
    assert {name: len(packs) for name, packs in valid.items()} == {"MG50": 38, "MG75": 22}


def test_every_pack_of_the_demo_has_a_valid_passport_from_its_ledger_alone(folder, tmp_path):
    answer("demo", "--keep", tmp_path)
    url = f"sqlite:///{tmp_path / 'town.db'}"
    with Ledger(url) as town, town.reading() as reads:
        packs = [pack_id for pack_id, _ in reads.rows(PACKS)]
        for number, pack_id in enumerate(packs):
            for viewer in VIEWERS if number % 10 == 0 else ("issuer",):
                made = Desk(reads, pack_id).passport(viewer)
                assert broken(folder, made, second=number % 20 == 0) == {}
    checked = answer("passport", "check", ledger=url)
    assert len(checked) == len(packs) == 60
    assert not [one for one in checked if one["missing"] or not one["is_registered"]]


@pytest.mark.slow
@settings(max_examples=15)
@given(history=histories())
def test_every_pack_of_a_random_history_has_a_valid_passport(folder, beginning, history):
    with TemporaryDirectory() as name:
        copy(beginning, name)
        with Ledger(sqlite_url(Path(name))) as town:
            town.execute_all(history)
            sign(town)
            with town.reading() as reads:
                packs = [pack_id for pack_id, _ in reads.rows(PACKS)]
                file = encoded(facts_file(packs=dict.fromkeys(packs, PAPERS)))
                for pack_id in packs:
                    made = Desk(reads, pack_id, file).passport("issuer")
                    assert broken(folder, made) == {}


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_samples_of_the_models_keep_the_schemas_we_test_with(folder, sample):
    schema = schema_of(folder / schema_name(SAMPLES[sample]))
    document = json.loads((folder / "examples" / f"{sample}.json").read_text("utf-8"))
    assert second_opinion(schema, document) == []


def test_a_blank_behind_a_cas_number_is_caught(folder):
    schema = schema_of(folder / "batterypass_material_composition_1.2.0.schema.json")
    file = folder / "examples" / "batterypass_material_composition_1.2.0.INVALID.json"
    document = json.loads(file.read_text("utf-8"))
    assert faults(schema, document)
    assert second_opinion(schema, document)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("general_product_information", ("batteryPassportIdentifier",)),
        ("performance_and_durability", ("batteryCondition", "stateOfCharge")),
        ("battery_pass", ("metadata", "predecessor")),
        ("battery_pass", ("materials", "hazardous", "lead", "recycled")),
    ],
)
def test_a_document_that_lacks_a_member_is_caught(folder, ledger, name, path):
    with ledger.reading() as reads:
        made = Desk(reads, LIFE, encoded(facts_file())).passport("issuer")
    document = json.loads(made.documents[f"{name}.json"])
    inside = document
    for step in path[:-1]:
        inside = inside[step]
    del inside[path[-1]]
    schema = schema_of(folder / schema_name(f"{name}.json"))
    assert faults(schema, document)
    assert second_opinion(schema, document)


# Any facts file -------------------------------------------------------------------

TEXTS = ("", "a", "a\n", "\ud7ff", "2024-02-31", "2024-02", "2024-04-04T12:00:00+14:30",
         "20240404T120000Z", "https://a", "https://a b", "https://a/#a#b", "https://a:99999/",
         "https://a/?%zz", "a@b.co\n", "a@b", "7439-93-2\n", "BPNL0123456789AB", "--06", "NaN",
         "0000-01-01", "https://[::1]/", "https://-a/", "https://a/<>",
         "2024-04-04T24:00:00Z")  # fmt: skip
NUMBERS = (0, -1, 0.1, 100, 100.5, 1e14, 1e16, -273.5, 32_768, 2**63, 1e-12, 1e-13, -0.0)
scalars = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from((None, True, [], {})),
    st.from_regex(get_args(Address)[1].pattern),
    st.from_regex(get_args(Time)[1].pattern),
    st.from_regex(get_args(Day)[1].pattern),
    st.from_regex(get_args(Email)[1].pattern),
    st.text(max_size=5),
    st.decimals(-1_000, 1_000, places=3).map(float),
)


def places_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List where anything stands inside a file."""
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    found = []
    for key, each in inner:
        found.append((*path, key))
        if isinstance(each, dict | list):
            found += places_of(each, (*path, key))
    return found


PLACES = places_of(facts_file())


@pytest.mark.slow
@settings(max_examples=400)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), scalars), min_size=1, max_size=3))
def test_any_facts_file_gives_valid_documents_or_a_typed_error(folder, ledger, changes):
    file = facts_file()
    for path, value in changes:
        inside = file
        for step in path[:-1]:
            inside = inside[step] if has(inside, step) else {}
        if has(inside, path[-1]):
            inside[path[-1]] = value
    with ledger.reading() as reads:
        made = None
        with suppress(Malformed, Refused):
            made = Desk(reads, LIFE, encoded(file)).passport("issuer")
    assert made is None or broken(folder, made) == {}


def has(inside: Any, step: Any) -> bool:
    if isinstance(inside, dict):
        return step in inside
    return isinstance(inside, list) and isinstance(step, int) and step < len(inside)
