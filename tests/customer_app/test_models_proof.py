"""The driver's pack, its passport, and the proof of a swap: what holds, and what does not."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from customer_app.api.errors import Kind
from customer_app.api.fake import Failure
from customer_app.models.base import State
from customer_app.models.pack import PackModel, PassportModel
from customer_app.models.verify import Checker, VerifyModel
from customer_app.trust.bundle import (
    Outcome,
    Verdict,
    compare,
    entry_of,
    keys_of,
    outcome_of,
    step_of,
    verdict_of,
)
from tests.customer_app.modelling import World, run, told

# Packs ----------------------------------------------------------------------------------------


def test_a_pack_shows_its_holds_and_says_when_its_measurement_is_old() -> None:
    world = World()
    pack = world.door.things["/packs/mine"]["items"][0]
    pack["notices"] = [
        {"code": "soh_stale", "reason": "old", "at": world.door.at()},
        {"code": "recall", "reason": "recall", "at": world.door.at()},
    ]
    model = PackModel(world.client, world.means.now)
    run(model.load())
    assert [each.code for each in model.holds] == ["recall"]
    assert not told(model.is_measured_long_ago)
    world.later(days=120)
    assert model.is_measured_long_ago
    run(model.choose("pk_other"))
    assert model.chosen == ""


def test_no_pack_and_no_chart_are_no_faults() -> None:
    world = World()
    del world.door.things["/packs/pk_new/health"]
    model = PackModel(world.client, world.means.now)
    run(model.load())
    assert (model.state, model.health) == (State.READY, None)
    world.door.things["/packs/mine"]["items"] = []
    run(model.load())
    assert model.state is State.EMPTY


def test_a_passport_shows_the_holder_more_than_the_public() -> None:
    world = World()
    model = PassportModel(world.client, "pk_new", is_signed_in=True)
    run(model.load())
    assert model.is_holder
    assert "6.7.2.7" in {each.name for each in model.attributes}
    stranger = PassportModel(world.client, "AB12", is_signed_in=False)
    run(stranger.load())
    assert not stranger.is_holder
    assert {"6.1.2.4", "6.5.2"} <= {each.name for each in stranger.attributes}
    assert "6.7.2.7" not in {each.name for each in stranger.attributes}
    bare = {"code": "AB12", "pack_class": "M60", "nominal_wh": 60_000, "maker": "Cellworks"}
    world.door.things["/public/packs/AB12"] = bare
    run(stranger.load())
    assert {each.name for each in stranger.attributes} == {"class", "maker"}
    other = PassportModel(world.client, "AB12", is_signed_in=True)
    run(other.load())
    assert not other.is_holder


# Proofs ---------------------------------------------------------------------------------------

GOOD = Verdict(
    ok=True,
    position=102,
    tree_size=140,
    signed_at=1_790_000_000,
    witnesses_ok=2,
    witnesses_needed=2,
)
ENTRY = {
    "swap_id": "sw_low",
    "station_id": "st_mitte",
    "energy_wh": 12_000,
    "legs_in": [{"pack_id": "pk_old"}],
    "legs_out": [{"pack_id": "pk_new"}],
}


def bundle_of(body: dict[str, Any], **openings: Any) -> bytes:
    entry = base64.b64encode(json.dumps({"body": body}).encode()).decode()
    opened = [{"name": name, "value": value} for name, value in openings.items()]
    extra = base64.b64encode(json.dumps({"entry": entry, "openings": opened}).encode()).decode()
    return f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex 102\n\nnote\n".encode()


def verifying(world: World, verdict: Verdict, bundle: bytes = b"") -> VerifyModel:
    world.door.things["/swaps/sw_low/proof"] = bundle or bundle_of(ENTRY)
    checker = Checker(lambda _bundle, _policy: verdict, "policy")
    model = VerifyModel(world.client, world.means, checker, "sw_low")
    run(model.load())
    run(model.check())
    return model


VERDICTS = (
    (GOOD, Outcome.OK, ["ok"] * 4),
    (
        replace(GOOD, ok=False, step_failed="2", witnesses_ok=1, detail="1 witnesses signed"),
        Outcome.QUORUM,
        ["ok", "failed", "skipped", "skipped"],
    ),
    (
        Verdict(ok=False, step_failed="2", detail="no key of the policy signed"),
        Outcome.UNKNOWN_KEY,
        ["failed", "skipped", "skipped", "skipped"],
    ),
    (
        Verdict(ok=False, step_failed="2", detail="the signature of log is wrong"),
        Outcome.WRONG,
        ["failed", "skipped", "skipped", "skipped"],
    ),
    (
        replace(GOOD, ok=False, step_failed="E5"),
        Outcome.WRONG,
        ["ok", "ok", "ok", "failed"],
    ),
    (
        replace(GOOD, ok=False, step_failed="E2"),
        Outcome.WRONG,
        ["ok", "ok", "failed", "skipped"],
    ),
    (Verdict(ok=False, detail="not a proof"), Outcome.MALFORMED, ["skipped"] * 4),
)


@pytest.mark.parametrize(("verdict", "outcome", "standing"), VERDICTS)
def test_each_verdict_has_its_words_and_its_steps(
    verdict: Verdict, outcome: Outcome, standing: list[str]
) -> None:
    model = verifying(World(), verdict)
    assert model.outcome is outcome
    assert [at for _step, at in model.steps] == standing
    assert outcome_of(verdict) is outcome
    assert (step_of(verdict) == "") is (outcome is Outcome.MALFORMED or verdict.ok)


def test_a_proof_that_is_not_signed_yet_is_pending_and_can_be_asked_for_again() -> None:
    world = World()
    world.door.fail("GET /swaps/sw_low/proof", Failure(404, "not_signed_yet"))
    model = verifying(world, GOOD)
    assert (model.outcome, model.error) == (Outcome.PENDING, None)
    run(model.check())
    assert model.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"energy_wh": 12_001}, ["energy"]),
        ({"station_id": "st_park"}, ["station"]),
        ({"legs_out": [{"pack_id": "pk_x"}]}, ["packs"]),
        ({"swap_id": "sw_x"}, ["swap"]),
        ({"amount_minor": 1641}, ["amount"]),
        ({"amount_minor": 1640}, []),
    ],
)
def test_a_receipt_that_differs_from_the_entry_is_found(
    change: dict[str, Any], names: list[str]
) -> None:
    model = verifying(World(), GOOD, bundle_of({**ENTRY, **change}))
    assert [each.name for each in model.differences] == names
    assert model.outcome is (Outcome.DIFFERS if names else Outcome.OK)


def test_a_disclosed_amount_is_compared_too() -> None:
    model = verifying(World(), GOOD, bundle_of(ENTRY, amount_minor=999))
    assert [each.name for each in model.differences] == ["amount"]


def test_a_wrong_proof_stays_and_is_reported_once_with_its_fingerprint() -> None:
    world = World()
    bad = Verdict(ok=False, step_failed="E5", tree_size=9, detail="another root")
    model = verifying(world, bad, b"the bad bytes")
    model._checker = Checker(lambda _bundle, _policy: GOOD, "policy")
    world.door.things["/swaps/sw_low/proof"] = bundle_of(ENTRY)
    run(model.check())
    assert model.outcome is Outcome.WRONG
    assert model.bundle == b"the bad bytes"
    words = {
        "verify.case_subject": "A proof",
        "verify.case_text": "{swap} {step} {detail} {digest}",
    }
    assert run(model.report(words.__getitem__))
    digest = hashlib.sha256(b"the bad bytes").hexdigest()
    sent = next(e.body for e in world.door.asked if (e.method, e.path) == ("POST", "/cases"))
    assert sent["text"] == f"sw_low E5 another root {digest}"
    assert model.case_id


def test_a_good_proof_is_not_reported() -> None:
    model = verifying(World(), GOOD)
    assert not run(model.report(str))


@pytest.mark.parametrize("bundle", [b"", b"\xff", b"a\nextra !!\n\nx", b"a\nextra e30=\n\nx"])
def test_a_bundle_without_an_entry_gives_nothing_to_compare(bundle: bytes) -> None:
    assert entry_of(bundle) == {}
    assert compare({"energy_wh": 1}, {}) == ()


def test_the_keys_of_a_policy_are_named_with_their_fingerprints() -> None:
    policy = "log log.example+abc+AAAA\nwitness bank bank.example+def+BBBB\nquorum bank\n\n# x\n"
    keys = keys_of(policy)
    assert [(each.role, each.name) for each in keys] == [
        ("log", "log.example"),
        ("witness", "bank.example"),
    ]
    assert all(len(each.fingerprint) == 19 for each in keys)
    assert verdict_of({"ok": False, "step_failed": None, "remarks": []}) == Verdict(ok=False)


def test_a_proof_of_a_swap_without_a_bill_is_checked_all_the_same() -> None:
    world = World()
    del world.door.things["/receipts/sw_low"]
    model = verifying(world, GOOD)
    assert model.receipt is None
    assert model.outcome is Outcome.OK
    world.door.fail("GET /swaps/sw_low/proof", Failure(), times=4)
    run(model.check())
    assert model.error is not None
    assert model.error.kind is Kind.OFFLINE
