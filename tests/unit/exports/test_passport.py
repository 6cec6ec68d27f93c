"""Passports: nothing is made up, a viewer sees what he may, the same facts give the same bytes."""

import csv
import json
from decimal import Decimal
from typing import Any

import pytest

from ledger.exports import _passport_catenax as catenax
from ledger.exports import _passport_eu as eu
from ledger.exports._passport_attributes import ATTRIBUTES, BY_CLAUSE, visible
from ledger.exports._passport_facts import DERIVED, GROUPS
from ledger.exports.passport import Desk, Passport, write_passport
from ledger.kernel.errors import Malformed, NotFound, Refused, Unavailable
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.reads import Moment
from tests.support.facts import INDIVIDUAL, MODEL, encoded, facts_file, measured
from tests.support.ledgers import sqlite_url
from tests.support.lives import APRIL, LIFE, NEW_CODE, SOON, live, sign, whole_life
from tests.support.town import PACK, new_town

CLASSES = {
    "Public": "PUBLIC",
    "persons with a legitimate interest": "LEGITIMATE_INTEREST",
    "persons with a legitimate interest and the Commission": "LEGITIMATE_INTEREST_AND_COMMISSION",
    "Notified bodies, market surveillance authorities and the Commission": "AUTHORITIES",
}
LEDGERS_OWN = {
    "6.1.2.1", "6.1.2.2", "6.1.3.2", "6.1.3.3", "6.1.3.7", "6.7.2.3", "6.7.2.4", "6.7.2.6",
    "6.7.2.7", "6.7.2.8", "6.7.6.7",
}  # fmt: skip


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("life"))) as one:
        live(one, whole_life())
        sign(one)
        yield one


def desk(ledger, pack_id: str = LIFE, moment: Moment | None = None, **changes: Any) -> Desk:
    with ledger.reading() as reads:
        return Desk(reads, pack_id, encoded(facts_file(**changes)), moment)


def missing_of(one: Desk, viewer: str = "issuer", **more: Any) -> list[str]:
    with pytest.raises(Refused) as caught:
        one.passport(viewer, **more)
    assert caught.value.refusal.code is RefusalCode.PASSPORT_FACT_MISSING
    return str(caught.value.refusal.facts["missing"]).split(", ")


def read(made: Passport, name: str) -> Any:
    return json.loads(made.documents[f"{name}.json"])


# The table of attributes ----------------------------------------------------------


def test_the_table_is_that_of_the_specification(data_dir):
    file = data_dir / "passport-schemas" / "attributes_din_dke_99100.csv"
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == len(ATTRIBUTES) == len(BY_CLAUSE) == 93
    for row, ours in zip(rows, ATTRIBUTES, strict=True):
        assert ours.clause == row["chapter"]
        assert ours.access == CLASSES[row["access"]]
        assert ours.is_dynamic == (row["behaviour"] == "Dynamic")
        assert ours.is_individual == (row["granularity"] == "Individual battery")


def test_no_dynamic_attribute_is_for_everybody():
    assert not [each for each in ATTRIBUTES if each.is_dynamic and each.access == "PUBLIC"]


@pytest.mark.parametrize(
    ("viewer", "count"),
    [("public", 60), ("interest", 92), ("commission", 66), ("authority", 61), ("issuer", 93)],
)
def test_a_viewer_sees_the_attributes_of_his_classes(ledger, viewer, count):
    assert len(visible(viewer)) == count
    made = desk(ledger).passport(viewer)
    assert set(made.shown) == visible(viewer) - GROUPS
    manifest = json.loads(made.manifest)
    assert list(manifest["attributes"]) == made.shown


def test_the_public_documents_have_no_dynamic_part(ledger):
    made = desk(ledger).passport("public")
    assert "batteryCondition" not in read(made, "performance_and_durability")
    whole = read(made, "battery_pass")
    assert "dynamic" not in whole["performance"]
    assert "status" not in whole["sustainability"]
    assert "composition" not in whole["materials"]
    assert read(made, "material_composition")["batteryMaterials"] == [
        {"batteryMaterialName": "lithium", "isCriticalRawMaterial": True}
    ]
    general = read(made, "general_product_information")
    assert {"puttingIntoService", "batteryStatus"} & set(general) == set()
    assert "resultOfTestReport" not in read(made, "labels")
    text = b"".join(made.documents.values()).decode()
    for secret in ("2024-04-03", "161.710", "electrical fault", "cover dented", "Parts SARL"):
        assert secret not in text


# Refusals -------------------------------------------------------------------------


@pytest.mark.parametrize("clause", sorted({*MODEL, *INDIVIDUAL}))
def test_a_passport_without_a_needed_fact_is_refused_and_names_it(ledger, clause):
    model = {key: value for key, value in MODEL.items() if key != clause}
    single = {key: value for key, value in INDIVIDUAL.items() if key != clause}
    one = desk(ledger, facts=model, packs={LIFE: single})
    derived = clause in {"6.7.2.2", "6.7.2.5"}
    for shape, needed in (("battery-pass", eu.NEEDED), ("catena-x", catenax.NEEDED)):
        if clause in needed and clause != "6.7.8.4":
            found = missing_of(one, shapes=(shape,))
            assert clause in found
            assert len(found) == 1 or derived or clause == "6.5.5"
        elif clause == "6.7.2.5":
            assert missing_of(one, shapes=(shape,)) == ["6.7.2.7"], "it is a share of the former"
        else:
            assert clause not in one.passport("issuer", (shape,)).shown or clause == "6.7.8.4"


def test_a_viewer_is_not_refused_for_what_he_may_not_see(ledger):
    one = desk(ledger, packs={})
    assert "6.7.3.3" in missing_of(one)
    assert one.passport("public").documents


def test_without_a_facts_file_nothing_is_made_up(ledger):
    with ledger.reading() as reads:
        one = Desk(reads, LIFE, b"")
    covered = {each.clause: each.source for each in one.coverage()}
    assert {clause for clause, source in covered.items() if source == "ledger"} == (
        LEDGERS_OWN - {"6.7.2.7"} | {"6.7.8.4"}
    ), "the share of the certified energy needs the certified energy"
    found = missing_of(one, "public")
    assert {"6.1.3.6", "6.7.2.2", "catena_x"} <= set(found)
    assert missing_of(one, "issuer") != found


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"catena_x": None}, "catena_x"),
        ({"6.1.2.3": {"bpnl": None}}, "6.1.2.3 bpnl"),
        ({"6.1.2.4": {"bpnl": None}}, "6.1.2.4 bpnl"),
        ({"6.1.3.1": {"bpna": None}}, "6.1.3.1 bpna"),
        ({"6.6.1.4": [{"bpnl": None}]}, "6.6.1.4 bpnl"),
        ({"6.7.3.2": MODEL["6.7.3.2"][:1]}, "6.7.3.2 at 20 % and 80 %"),
        ({"6.5.5": MODEL["6.5.5"][1:]}, "6.5.5 cadmium"),
    ],
)
def test_what_only_the_catena_x_shape_asks_for_is_named(ledger, change, missing):
    file = facts_file()
    for clause, value in change.items():
        if clause == "catena_x":
            file["catena_x"] = value
        elif isinstance(value, dict):
            file["facts"][clause] |= value
        elif clause == "6.6.1.4":
            file["facts"][clause][0] |= value[0]
        else:
            file["facts"][clause] = value
    one = desk(ledger, **file)
    assert missing_of(one, shapes=("catena-x",)) == [missing]
    assert one.passport("issuer", ("battery-pass",)).documents


def test_a_pack_taken_over_has_a_public_passport_when_its_papers_tell_its_dates(ledger):
    assert missing_of(desk(ledger, PACK), "public") == ["6.1.2.2", "6.1.3.2", "6.1.3.4 end"]
    papers = {"6.1.2.2": "MG-4711", "6.1.3.2": "2019-05", "6.1.3.3": "2019-11"}
    made = desk(ledger, PACK, packs={PACK: papers}).passport("public")
    general = read(made, "general_product_information")
    assert general["manufacturingDate"] == "2019-05-01T00:00:00Z"
    assert general["warrentyPeriod"] == "--11", "96 months after November"
    assert "manufacturingDate" not in read(made, "battery_pass")["operation"]["manufacturer"]
    assert "traction_battery_code.json" not in made.documents
    assert "6.7.6.7" in missing_of(desk(ledger, PACK, packs={PACK: papers}), "issuer")


def test_the_wrong_class_viewer_shape_pack_or_moment_is_refused(ledger, tmp_path):
    with pytest.raises(Malformed, match="pack_class"):
        desk(ledger, pack_class="M50")
    with pytest.raises(Malformed, match="viewer"):
        desk(ledger).passport("everybody")
    for shapes in ((), ("edi",)):
        with pytest.raises(Malformed, match="shape"):
            desk(ledger).passport("public", shapes)
    with pytest.raises(NotFound, match="PK-9"):
        desk(ledger, "PK-9")
    unsigned = pytest.raises(NotFound, match="no checkpoint")
    with new_town(sqlite_url(tmp_path)) as fresh, unsigned:
        desk(fresh, PACK)


# Bytes and files --------------------------------------------------------------------


def test_the_same_moment_and_facts_give_the_same_bytes(ledger, tmp_path):
    with new_town(sqlite_url(tmp_path)) as other:
        live(other, whole_life())
        sign(other)
        again = desk(other).passport("interest")
        sign(other, SOON + DAY)
        later = desk(other).passport("interest")
    made = desk(ledger).passport("interest")
    assert made == again == later
    assert made.digest != desk(ledger, version=2).passport("interest").digest


def test_a_folder_holds_one_passport_and_nothing_of_an_older_one(ledger, tmp_path):
    write_passport(desk(ledger).passport("issuer"), tmp_path / "p")
    assert (tmp_path / "p" / "traction_battery_code.json").exists()
    public = desk(ledger).passport("public", ("battery-pass",))
    write_passport(public, tmp_path / "p")
    found = {each.name: each.read_bytes() for each in (tmp_path / "p").iterdir()}
    assert found == public.documents | {"manifest.json": public.manifest}
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        write_passport(public, tmp_path / "file")


def test_the_manifest_says_from_what_the_passport_is_made(ledger):
    manifest = json.loads(desk(ledger).passport("issuer").manifest)
    assert manifest["facts"]["source"] == "Technical file TF-75, revision 3"
    assert manifest["attributes"]["6.7.2.3"] == "ledger"
    assert manifest["attributes"]["6.7.2.2"] == "facts"
    assert {clause for clause, source in manifest["attributes"].items() if source == "ledger"} == (
        LEDGERS_OWN
    )
    assert set(manifest["attributes"]) >= DERIVED


def test_numbers_of_a_facts_file_stand_in_the_documents_to_the_last_digit(ledger):
    data = encoded(facts_file()).replace(b"450.5", b"450.500000000001")
    with ledger.reading() as reads:
        made = Desk(reads, LIFE, data).passport("public")
    assert b'"batteryMass":450.500000000001' in made.documents["general_product_information.json"]
    assert b'"value":450.500000000001' in made.documents["battery_pass.json"]


def test_the_ledger_wins_over_the_file_and_accidents_are_added(ledger):
    one = desk(ledger, packs={LIFE: INDIVIDUAL | {"6.1.3.3": "1999-01", "6.7.2.8": measured(1)}})
    covered = {each.clause: each for each in one.coverage()}
    assert covered["6.1.3.3"].value == "2024-04-01"
    assert covered["6.7.2.8"].value.value == Decimal("20.00")
    assert covered["6.7.8.4"].source == "ledger, facts"
    assert [each.text for each in covered["6.7.8.4"].value] == ["electrical fault", "cover dented"]


def test_a_second_life_has_a_new_passport_that_names_the_one_before(ledger):
    with ledger.reading() as reads:
        before = Moment(APRIL + 71 * HOUR, reads.size)
    first, second = desk(ledger, moment=before).passport("issuer"), desk(ledger).passport("issuer")
    assert (first.passport[-2:], second.passport[-2:]) == ("01", "02")
    earlier, later = (read(made, "battery_pass") for made in (first, second))
    assert earlier["metadata"]["predecessor"] == "00000000-0000-0000-0000-000000000000"
    assert later["metadata"]["predecessor"] == earlier["metadata"]["passportIdentifier"]
    assert (earlier["sustainability"]["status"], later["sustainability"]["status"]) == (
        "original",
        "waste",
    )
    assert read(second, "traction_battery_code")["tractionBatteryCode"] == NEW_CODE
