"""Two verifiers, written apart, and two ways to rate a usage: they never disagree."""

from functools import partial

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.domain.money.rating import price_span, rate
from ledger.domain.money.rating_facts import Bill, RatingContext, UsageFacts
from ledger.domain.money.tariff_terms import Element, Restrictions, TariffTerms
from ledger.domain.money.tariffs import TARIFFS, PublishTariff, TariffPublished, tariff_rows
from ledger.domain.money.tax import RULES, tax_rule
from ledger.domain.world import World
from ledger.kernel.envelope import canonical
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.money import split_by
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.policy import open_under_policy, parse_policy, verify_under_policy
from ledger.tlog.verify import check_consistency, check_inclusion
from mobilegrid import offline_verifier as offline
from tests.support.logs import (
    ORIGIN,
    SIGNER,
    naive_consistency,
    naive_path,
    naive_root,
    sample_entries,
    sample_leaves,
    vouched,
)
from tests.support.mutants import mutated
from tests.support.offline import (
    NOW_S,
    cosigner,
    ledger_verdict,
    note_over,
    path_of,
    policy_text,
    pq_cosigner,
    text64,
    verdict,
)
from tests.support.rules import act
from tests.support.usage import MAY

# Notes, policies, proofs ------------------------------------------------------

ENTRIES = sample_entries(13)
SIGNERS = (
    SIGNER,
    pq_cosigner(ORIGIN),
    cosigner("bank"),
    cosigner("trade"),
    cosigner("late", ahead_s=300),
    cosigner("early", ahead_s=301),
    pq_cosigner("city"),
)
POLICY_TEXT = policy_text(
    logs=SIGNERS[:2],
    witnesses=SIGNERS[2:],
    groups=("group some 2 w1 w2 w3 w4", "group both all some w5"),
    quorum="both",
)


def both_open(note: bytes, policy: bytes) -> tuple[str, str]:
    def theirs(report: offline.Report) -> None:
        offline.open_checkpoint(note, offline.parse_policy(policy), NOW_S, report)

    return verdict(theirs)[0], ledger_verdict(
        lambda: open_under_policy(note, parse_policy(policy), NOW_S)
    )


TRUE_SIGNERS = tuple(each for each in SIGNERS if each.key.name != "early")


@given(st.lists(st.sampled_from(SIGNERS), max_size=7), st.data())
@settings(max_examples=150)
def test_both_open_the_same_checkpoints(signers, data):
    note = data.draw(mutated(note_over(ENTRIES, signers or TRUE_SIGNERS)))
    mine, ours = both_open(note, POLICY_TEXT)
    assert mine == ours


@given(mutated(POLICY_TEXT))
@settings(max_examples=200)
def test_both_read_the_same_policies_and_judge_alike(policy):
    note = note_over(ENTRIES, TRUE_SIGNERS)
    mine, ours = both_open(note, policy)
    assert mine == ours


WORDS = st.sampled_from(
    ["log", "witness", "group", "quorum", "none", "any", "all", "1", "2", "a", "b", "w1", "#", " "]
    + [line.split()[-1] for line in POLICY_TEXT.decode().splitlines()[:4]]
)
LINES = st.lists(WORDS, max_size=6).map(" ".join)


@given(st.lists(LINES, max_size=8))
@settings(max_examples=300)
def test_both_read_the_same_made_up_policies(lines):
    text = "".join(f"{line}\n" for line in lines).encode()
    mine = verdict(lambda _: offline.parse_policy(text))[0]
    assert mine == ledger_verdict(lambda: parse_policy(text))


def proof_file(index: int) -> bytes:
    extra = text64(canonical({"entry": text64(ENTRIES[index])}))
    head = ["c2sp.org/tlog-proof@v1", f"extra {extra}", f"index {index}", *path_of(index, ENTRIES)]
    return "\n".join(head).encode() + b"\n\n" + note_over(ENTRIES, TRUE_SIGNERS)


@given(st.integers(0, 12).map(proof_file).flatmap(mutated))
@settings(max_examples=200)
def test_both_accept_the_same_proofs(data):
    def theirs(report: offline.Report) -> None:
        policy = offline.parse_policy(POLICY_TEXT)
        offline.prove_entry(offline.parse_proof(data), policy, NOW_S, report)

    ours = ledger_verdict(partial(verify_under_policy, data, parse_policy(POLICY_TEXT), NOW_S))
    assert verdict(theirs)[0] == ours


# The tree, over every probe of small trees -------------------------------------


def probes(path: tuple[bytes, ...]):
    yield path
    yield (*path, bytes(32))
    yield path[::-1]
    yield path[1:]
    yield path[:-1]
    for place in range(len(path)):
        yield (*path[:place], bytes(32), *path[place + 1 :])
        yield (*path[:place], path[place], *path[place:])


def said(size: int) -> tuple[offline.Checkpoint, SignedCheckpoint]:
    root = naive_root(sample_leaves(size))
    return offline.Checkpoint(ORIGIN, size, root), vouched(size, root)


def test_both_decide_every_inclusion_probe_alike():
    leaves, decided = sample_leaves(20), [0, 0]
    for size in range(13):
        mine, ours = said(size)
        for index in range(size + 2):
            honest = naive_path(min(index, size - 1), leaves[:size]) if size else ()
            for path in probes(honest):
                good = verdict(
                    lambda _: offline.check_inclusion(mine, index, leaves[index], path)  # noqa: B023  run at once
                )[0]
                assert good == ledger_verdict(
                    partial(check_inclusion, ours, index, leaves[index], path)
                )
                decided[good == "ok"] += 1
    assert min(decided) > 70


def test_both_decide_every_consistency_probe_alike():
    leaves, decided = sample_leaves(20), [0, 0]
    for new in range(13):
        for old in range(15):
            honest = naive_consistency(old, leaves[:new]) if 0 < old <= new else ()
            for path in probes(honest):
                (mine_old, ours_old), (mine_new, ours_new) = said(old), said(new)
                good = verdict(
                    lambda _: offline.check_consistency(mine_old, mine_new, path)  # noqa: B023  run at once
                )[0]
                ours = ledger_verdict(partial(check_consistency, ours_old, ours_new, path))
                assert good == ours, (old, new)
                decided[good == "ok"] += 1
    assert min(decided) > 70


# JSON -------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example({"a": "\x7f\u2028\\u0000/\"'<", "é": [True, "\b\f\n\r\t\x01\x1f"]})
def test_both_have_one_canonical_form(value):
    data = canonical(value)
    assert offline.canonical(value) == data
    assert offline.read_json(data, "value") == value


# Money ------------------------------------------------------------------------

CLOCKS = st.sampled_from(["00:00", "02:30", "06:00", "12:00", "22:15"])
WINDOWS = st.one_of(
    st.just(("", "")), st.tuples(CLOCKS, CLOCKS).filter(lambda pair: pair[0] != pair[1])
)
LIMITS = st.builds(
    lambda days, window, dates, stations, classes: Restrictions(
        days, window[0], window[1], dates[0], dates[1], stations, classes
    ),
    st.sampled_from([(), (), ("mon", "tue"), ("sat", "sun")]),
    WINDOWS,
    st.sampled_from([("", ""), ("", ""), ("2018-04-30", "2018-05-02"), ("2018-05-02", "")]),
    st.sampled_from([(), (), ("ST-1",), ("ST-2",)]),
    st.sampled_from([(), (), ("L",)]),
)
RATES = st.integers(-400_000, 900_000)
ELEMENTS = st.builds(
    lambda component, per, rate_micro, limits, bounds, more: Element(
        component, per, rate_micro, limits, min(bounds), max(bounds), **more
    ),
    st.sampled_from(["ENERGY", "SERVICE", "SWAP", "BOOKING", "LATE"]),
    st.sampled_from(["KWH", "KWH", "SWAP", "MINUTE", "ITEM", "DAY", "MONTH"]),
    RATES,
    LIMITS,
    st.sampled_from([(0, 0), (0, 0), (0, 20_000), (20_000, 30_000)]),
    st.sampled_from(
        [
            *({}, {}, {"element_id": "EL-1"}),
            *({"quantity_source": one} for one in ("METER", "SOC_DIFFERENCE", "EVENT")),
        ]
    ),
)
CURRENCY = st.shared(st.sampled_from(["EUR", "JPY", "KWD"]), key="currency")
CREDIT = st.sampled_from(["floor_zero", "credit"])


@st.composite
def terms_of(draw) -> TariffTerms:
    begin = MAY + draw(st.integers(-3, 4)) * 12 * HOUR
    zone = draw(st.sampled_from(["Europe/Berlin", "UTC", "America/New_York", "Asia/Kolkata"]))
    currency, credit = draw(CURRENCY), draw(CREDIT)
    if draw(st.booleans()):
        missing = tuple(sorted(draw(st.sets(st.integers(0, 23), max_size=3))))
        prices = draw(st.lists(RATES, min_size=24, max_size=24))
        hours = tuple(0 if hour in missing else price for hour, price in enumerate(prices))
        day = begin // DAY * DAY
        return TariffTerms(
            "DE", currency, zone, day, day + DAY, (), hours, missing, negative_energy=credit
        )
    elements = tuple(draw(st.lists(ELEMENTS, min_size=1, max_size=5)))
    end = draw(st.sampled_from([0, 0, begin + 18 * HOUR]))
    return TariffTerms("DE", currency, zone, begin, end, elements, negative_energy=credit)


@st.composite
def usages(draw) -> UsageFacts:
    begin = MAY + draw(st.integers(-30 * 60, 60 * 60)) * MINUTE
    is_swap = draw(st.booleans())
    end = begin + draw(st.integers(0, 40 * 60)) * MINUTE + draw(st.integers(0, 59))
    return UsageFacts(
        kind="swap" if is_swap else "charging_session",
        usage_id="U-1",
        driver_id="DR-1",
        station_id=draw(st.sampled_from(["ST-1", "ST-2"])),
        operator_id="OP-1",
        country=draw(st.sampled_from(["DE", "FR", "XX"])),
        tariff_id="T1",
        occurred_at=begin,
        begin_at=0 if is_swap else begin,
        end_at=0 if is_swap else end,
        energy_wh=draw(st.integers(-50_000 if is_swap else -1, 80_000)),
        level=3,
        clock_quality="S",
        clock_uncertainty_us=draw(st.sampled_from([0, 0, 5 * MINUTE, 3 * HOUR, DAY])),
        pack_class=draw(st.sampled_from(["M", "L"])),
        capacity_wh=draw(st.sampled_from([0, 75_000])) if is_swap else 0,
        booking_id=draw(st.sampled_from(["", "BK-1"])),
    )


def tax(country: str, product: str, at: int) -> tuple[str, int] | None:
    rule = tax_rule(country, product, at)
    return None if rule is None else (rule.category, rule.rate_bp)


@given(st.lists(terms_of(), min_size=1, max_size=5), usages(), st.integers(0, 1), st.booleans())
@settings(max_examples=600)
def test_both_rate_every_usage_to_the_same_lines(published, facts, free_swaps, supersedes):
    world = World(complete=True)
    versions = []
    for each in published:
        held = world.get(TARIFFS, "T1")
        there = held.at(each.valid_from_at) if held else None
        old = there.version if there and supersedes and not each.hours_micro else 0
        outcome = act(world, PublishTariff(tariff_id="T1", terms=each, supersedes=old))
        if isinstance(outcome, tuple) and outcome:
            event = outcome[0].event
            assert isinstance(event, TariffPublished)
            versions.append((event.tariff_version, each, old))
    rows = tariff_rows(world, "T1", *price_span(facts))
    ours = rate(facts, rows, RatingContext(free_swaps=free_swaps))
    known = [*(rows.tariff.lasting if rows.tariff else ()), *rows.days.values()]
    places = {version.version: version.position for version in known}
    tariff = offline.Tariff(
        [
            offline.Version(
                places.get(number, -1),
                number,
                each.valid_from_at,
                each.valid_to_at,
                msgspec.json.decode(msgspec.json.encode(each)),
                old,
            )
            for number, each, old in versions
        ]
    )
    begin, end = facts.service_time
    usage = offline.Usage(
        is_swap=facts.kind == "swap",
        begin=begin,
        end=end,
        energy_wh=facts.energy_wh,
        station=facts.station_id,
        pack_class=facts.pack_class,
        country=facts.country,
        is_booked=bool(facts.booking_id),
        limit_wh=facts.capacity_wh or 1_000_000,
        slack=facts.clock_uncertainty_us,
        is_free=facts.kind == "swap" and free_swaps > 0,
    )
    try:
        lines, shift = offline.rate(usage, tariff, tax)
    except offline.EvidenceRefused:
        assert not isinstance(ours, Bill)
    else:
        assert isinstance(ours, Bill), (ours, lines)
        assert lines == msgspec.json.decode(msgspec.json.encode(ours.lines))
        assert (shift, sum(line["net_minor"] for line in lines)) == (
            ours.price_shift_us,
            ours.net_minor,
        )


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=6).filter(any),
)
def test_both_divide_alike(total, weights):
    assert offline.divide(total, weights) == split_by(total, weights)


def test_the_tax_rules_of_the_tests_are_those_of_the_ledger():
    assert tax("DE", "energy", MAY) == ("S", 1900)
    assert tax("XX", "energy", MAY) is None
    assert len(RULES) > 5


def test_a_leaf_is_a_leaf():
    assert offline.leaf_hash(b"x") == leaf_hash(b"x")
    assert Checkpoint(ORIGIN, 0, offline.tree_root([])).root == naive_root([])
