"""What witnesses said, and what we hold as one, on both databases."""

import threading
from collections.abc import Callable

import pytest

from ledger.kernel.errors import (
    InvariantBroken,
    Misconfigured,
    NotFound,
    SignatureInvalid,
    TamperEvidence,
)
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.witnessing import WitnessDesk
from ledger.store import witnessing
from ledger.store.witnessing import HeldHead
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import Ed25519Signer, Signature, Signer, format_lines, parse_note
from ledger.tlog.witness import Evidence, origin_hash
from tests.support.ledgers import new_ledger, party
from tests.support.logs import ORIGIN, VERIFIER
from tests.support.stores import BOTH, behind_its_back, new_database
from tests.support.witnesses import (
    NOW_S,
    branch,
    cosigner,
    log_note,
    pq_cosigner,
    request_for,
)

TRUE, FORK = branch(20), branch(20, fork_at=10)
NOW = NOW_S * 1_000_000


@pytest.fixture(scope="module", params=BOTH)
def made(request, tmp_path_factory):
    """A ledger of two entries with one checkpoint, and its note."""
    url = new_database(request.param, request, tmp_path_factory.mktemp("witnessing"))
    with new_ledger(url) as opened:
        opened.execute(party(1))
        note = sign_checkpoint(opened, Ed25519Signer(opened.name.origin, bytes(32)), NOW)
        yield url, opened, note


@pytest.fixture
def ledger(made):
    """The ledger, with nothing said by or to any witness."""
    url, opened, _ = made
    with behind_its_back(url) as tx:
        for table in ("cosignature", "misbehaviour", "witness_head"):
            tx.exec_driver_sql(f"DELETE FROM {table}")
    return opened


@pytest.fixture
def url(made):
    return made[0]


@pytest.fixture
def signed(made):
    return made[2]


@pytest.fixture
def desk(ledger):
    return WitnessDesk(ledger, {ORIGIN: [VERIFIER]}, [cosigner(0)], lambda: NOW)


def line_of(signer, note: bytes) -> Signature:
    return Signature(signer.key.name, signer.key.key_id, signer.sign(parse_note(note).text))


# Lines on our checkpoints ---------------------------------------------------------------------


def test_verified_lines_join_the_checkpoint_in_a_steady_order(ledger, signed):
    lines = [line_of(cosigner(number), signed) for number in (2, 0, 1)]
    with ledger.writing() as tx:
        assert witnessing.cosigned_note(tx, 1, 2) == signed
        assert witnessing.add_cosignatures(tx, 1, 2, lines[:1]) == (lines[0],)
        assert witnessing.add_cosignatures(tx, 1, 2, lines) == (lines[1], lines[2])
        assert witnessing.add_cosignatures(tx, 1, 2, lines) == ()
    with ledger.reading() as reads:
        note = witnessing.cosigned_note(reads.tx, 1, 2)
    assert note == signed + format_lines([lines[1], lines[2], lines[0]])


def test_the_first_line_of_a_key_stays(ledger, signed):
    early = line_of(cosigner(0), signed)
    late = line_of(cosigner(0, lambda: NOW_S + 9), signed)
    with ledger.writing() as tx:
        assert witnessing.add_cosignatures(tx, 1, 2, [early, late]) == (early,)
        assert witnessing.add_cosignatures(tx, 1, 2, [late]) == ()
        assert witnessing.cosigned_note(tx, 1, 2) == signed + format_lines([early])


def test_a_key_that_signed_the_note_itself_gets_no_second_line(ledger, signed):
    own = parse_note(signed).signatures[0]
    with ledger.writing() as tx:
        assert witnessing.add_cosignatures(tx, 1, 2, [own]) == ()


def test_there_are_no_lines_without_a_checkpoint(ledger):
    with ledger.writing() as tx:
        with pytest.raises(NotFound, match="size 7"):
            witnessing.add_cosignatures(tx, 1, 7, [])
        with pytest.raises(NotFound):
            witnessing.cosigned_note(tx, 1, 7)


@pytest.mark.parametrize("change", ["UPDATE cosignature SET size = 9", "DELETE FROM cosignature"])
def test_a_line_once_kept_cannot_be_changed(ledger, signed, change):
    with ledger.writing() as tx:
        witnessing.add_cosignatures(tx, 1, 2, [line_of(cosigner(0), signed)])
    # SQLite's authorizer calls it unreadable, PostgreSQL's trigger a broken rule
    with pytest.raises((InvariantBroken, TamperEvidence)), ledger.writing() as tx:
        tx.exec_driver_sql(change)


# As a witness of others -----------------------------------------------------------------------


def head(size: int, root: bytes = b"r" * 32) -> HeldHead:
    return HeldHead(size, root, b"note %d" % size, NOW)


def test_a_head_is_replaced_only_by_who_knows_it(ledger):
    with ledger.writing() as tx:
        swap = [
            witnessing.swap_head(tx, 1, ORIGIN, expected, new)
            for expected, new in (
                ((4, b"r" * 32), head(5)),  # nothing is held yet
                (None, head(5)),
                (None, head(6)),
                ((4, b"r" * 32), head(6)),
                ((5, b"x" * 32), head(6)),
                ((5, b"r" * 32), head(4)),  # never back
                ((5, b"r" * 32), head(9)),
            )
        ]
        assert swap == [False, True, False, False, False, False, True]
        assert witnessing.held_head(tx, 1, ORIGIN) == head(9)
        assert witnessing.held_head(tx, 1, "other") is None


def test_a_witness_answers_and_remembers(ledger, desk):
    assert desk.add_checkpoint(request_for(TRUE[:5], 0)).status == 200
    assert desk.add_checkpoint(request_for(TRUE[:9], 0)).body == b"5\n"
    grown = desk.add_checkpoint(request_for(TRUE[:9], 5))
    assert (grown.status, grown.content_type) == (200, "text/plain; charset=utf-8")
    stale = desk.add_checkpoint(request_for(TRUE[:13], 5))
    assert (stale.status, stale.body, stale.content_type) == (409, b"9\n", "text/x.tlog.size")
    assert desk.newest(origin_hash(ORIGIN)) == log_note(TRUE[:9]) + grown.body
    with pytest.raises(NotFound):
        desk.newest(origin_hash("other"))
    with ledger.reading() as reads:
        assert witnessing.evidence_against(reads.tx, 1, ORIGIN) == []


def test_what_a_witness_holds_survives_it(ledger, desk):
    assert desk.add_checkpoint(request_for(TRUE[:9], 0)).status == 200
    again = WitnessDesk(ledger, {ORIGIN: [VERIFIER]}, [cosigner(0)], lambda: NOW)
    assert again.add_checkpoint(request_for(TRUE[:13], 0)).body == b"9\n"
    newer = WitnessDesk(
        ledger,
        {ORIGIN: [VERIFIER]},
        [cosigner(1)],
        lambda: NOW,
        former=[verifier_for(cosigner(0).key)],
    )
    assert newer.add_checkpoint(request_for(TRUE[:13], 9)).status == 200


def test_a_fork_is_refused_and_both_of_its_notes_are_kept_once(ledger, desk):
    assert desk.add_checkpoint(request_for(TRUE[:13], 0)).status == 200
    held = desk.newest(origin_hash(ORIGIN))
    for _ in range(3):
        assert desk.add_checkpoint(request_for(FORK[:13], 13)).status == 422
    with ledger.reading() as reads:
        kept = witnessing.evidence_against(reads.tx, 1, ORIGIN)
    assert {each.note for each in kept} == {held, log_note(FORK[:13])}
    assert {each.reason.split()[0] for each in kept} == {"two", "signed"}
    assert all(each.seen_at == NOW for each in kept)
    assert desk.newest(origin_hash(ORIGIN)) == held


def test_evidence_without_anything_held_is_one_note(ledger):
    found = Evidence(ORIGIN, "an empty log with a root", b"note", b"")
    with ledger.writing() as tx:
        assert witnessing.keep_evidence(tx, 1, found, NOW) == 1
        assert witnessing.keep_evidence(tx, 1, found, NOW) == 0


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        ("UPDATE witness_head SET size = 12", TamperEvidence),
        ("UPDATE witness_head SET note = root", TamperEvidence),
        ("UPDATE witness_head SET note = (SELECT note FROM checkpoint)", SignatureInvalid),
    ],
)
def test_a_head_that_was_edited_is_not_believed(url, ledger, desk, signed, edit, error):
    assert desk.add_checkpoint(request_for(TRUE[:13], 0)).status == 200
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(edit)
    with pytest.raises(error):
        desk.add_checkpoint(request_for(TRUE[:20], 13))


def test_a_desk_needs_a_key_of_the_type_every_log_reads(ledger):
    with pytest.raises(Misconfigured, match="0x04"):
        WitnessDesk(ledger, {}, [pq_cosigner("w.example")], lambda: NOW)


class Overtaken:
    """A cosigner that lets another request through while it signs."""

    def __init__(self, inner: Signer, overtake: Callable[[], object]) -> None:
        self.inner = inner
        self.key = inner.key
        self.overtake = overtake

    def sign(self, text: bytes) -> bytes:
        self.overtake()
        return self.inner.sign(text)


def overtaken(ledger, overtake) -> WitnessDesk:
    """A desk whose first signature takes so long that `overtake` happens before it is stored."""
    waiting = [overtake]
    slow = Overtaken(cosigner(0), lambda: [waiting.pop()() for _ in waiting[:1]])
    return WitnessDesk(ledger, {ORIGIN: [VERIFIER]}, [slow], lambda: NOW)


def test_of_two_requests_at_once_the_smaller_never_rolls_the_larger_back(ledger, desk):
    slow = overtaken(ledger, lambda: desk.add_checkpoint(request_for(TRUE[:13], 0)))
    answer = slow.add_checkpoint(request_for(TRUE[:9], 0))
    assert (answer.status, answer.body) == (409, b"13\n")
    assert desk.newest(origin_hash(ORIGIN)).startswith(log_note(TRUE[:13]))


def test_a_fork_that_came_second_in_a_race_is_kept_as_evidence(ledger, desk):
    slow = overtaken(ledger, lambda: desk.add_checkpoint(request_for(TRUE[:13], 0)))
    assert slow.add_checkpoint(request_for(FORK[:13], 0)).status == 409
    with ledger.reading() as reads:
        kept = witnessing.evidence_against(reads.tx, 1, ORIGIN)
    assert log_note(FORK[:13]) in {each.note for each in kept}


def test_a_request_overtaken_by_the_empty_log_is_signed_in_its_second_round(ledger, desk):
    slow = overtaken(ledger, lambda: desk.add_checkpoint(request_for((), 0)))
    assert slow.add_checkpoint(request_for(TRUE[:9], 0)).status == 200
    assert desk.newest(origin_hash(ORIGIN)).startswith(log_note(TRUE[:9]))


def test_requests_from_many_threads_end_at_one_head(ledger, desk):
    answers: list[int] = []

    def climb() -> None:
        asked = (request_for(TRUE[:size], size - 1) for size in range(1, 20))
        answers.extend(desk.add_checkpoint(body).status for body in asked)

    threads = [threading.Thread(target=climb) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(answers) <= {200, 409}
    assert answers.count(200) >= 19
    assert desk.newest(origin_hash(ORIGIN)).startswith(log_note(TRUE[:19]))
