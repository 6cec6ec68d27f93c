"""What outlasts power and processes: one file, loaded by the next start of the service."""

import base64
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from hsm_sim import exceptions as ex
from hsm_sim.audit import chain_holds
from hsm_sim.clock import VirtualClock
from hsm_sim.constants import Attribute, ObjectClass
from hsm_sim.machine import OFFICERS, Machine
from hsm_sim.mechanisms import KeyType, Mechanism
from hsm_sim.state import STATES_MAX, StateRefused
from tests.unit.hsm_sim.desk import ED25519, P256, WRONG, Desk, gcm, pair_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "device"


def test_the_next_start_meets_the_same_device(place: Path) -> None:
    desk = Desk("strict", state=place)
    session = desk.log_in()
    ends = {Attribute.END_DATE: date(2030, 1, 2)}
    public, private = desk.pair(session, private=ends)
    _, other = pair_of(session, KeyType.EC, P256, key_id=b"p256")
    signed, point = desk.sign(private), public[Attribute.EC_POINT]
    read = [
        {key: each[key] for key in (Attribute.ID, Attribute.LABEL)} for each in (private, other)
    ]
    with pytest.raises(ex.PinIncorrect):
        desk.machine.library().lib.get_token(token_label="a").open(user_pin=WRONG)

    again = Desk("strict", state=place)
    assert again.token().serial == desk.token().serial
    assert again.flags() == {"COUNT_LOW"}
    session = again.log_in()
    found = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=b"pair")
    assert again.sign(found) == signed
    assert found[Attribute.END_DATE] == date(2030, 1, 2)
    assert found[Attribute.KEY_GEN_MECHANISM] is Mechanism.EC_EDWARDS_KEY_PAIR_GEN
    shown = session.get_key(object_class=ObjectClass.PUBLIC_KEY, id=b"pair")
    assert shown[Attribute.EC_POINT] == point
    keys = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    assert [{key: each[key] for key in read[0]} for each in keys] == read


def test_no_start_draws_what_an_earlier_one_drew(place: Path) -> None:
    drawn = [Desk(state=place).log_in().generate_random(256) for _ in range(5)]
    assert len(set(drawn)) == 5


def test_no_secret_lies_open_in_the_file(place: Path) -> None:
    desk = Desk(state=place)
    session = desk.log_in()
    key = desk.aes(session, template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True})
    desk.machine.save()
    held = place.read_bytes()
    assert key[Attribute.VALUE] not in held
    assert key[Attribute.VALUE].hex().encode() not in held
    assert base64.b64encode(key[Attribute.VALUE]).rstrip(b"=")[:-1] not in held


@pytest.mark.parametrize(("profile", "seed"), [("full", 8), ("softhsm", 7)])
def test_another_device_does_not_load_the_file(place: Path, profile: str, seed: int) -> None:
    Desk("full", 7, state=place).machine.save()
    with pytest.raises(StateRefused):
        Machine(profile, seed, state=place)


@pytest.mark.parametrize("broken", [b"", b"{}\n", b"not json\n", b"[]\n", b'{"state": 1}\n'])
def test_a_damaged_file_is_refused(place: Path, broken: bytes) -> None:
    Desk(state=place).machine.save()
    place.write_bytes(broken)
    with pytest.raises(StateRefused):
        Machine("full", 7, state=place)


def test_a_flipped_bit_is_refused_wherever_it_is(place: Path) -> None:
    Desk(state=place).machine.save()
    whole = place.read_bytes()
    sealed = json.loads(whole.splitlines()[-1])["state"]["sealed"].encode()
    start = whole.rindex(sealed)
    for at in range(start, start + len(sealed), 97):
        other = b"A" if whole[at : at + 1] != b"A" else b"B"
        place.write_bytes(whole[:at] + other + whole[at + 1 :])
        with pytest.raises(StateRefused):
            Machine("full", 7, state=place)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.hsm_sim.desk import Desk, gcm
desk = Desk(state=Path(sys.argv[1]))
session = desk.log_in()
_, private = desk.pair(session)
sealing = desk.aes(session)
for number in range(20):
    desk.sign(private, b"head %d" % number)
gcm(sealing, b"one")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_key_no_audit_entry_and_no_nonce(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False)
    assert done.returncode == -9
    desk = Desk(state=place)
    entries = desk.machine.audit_log()
    assert [entry.operation for entry in entries].count("sign") == 20
    assert chain_holds(entries)
    session = desk.log_in()
    with pytest.raises(ex.MechanismParamInvalid):
        gcm(session.get_key(id=b"aes"), b"two")
    assert session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=b"pair")
    assert chain_holds(desk.machine.audit_log())


def test_a_last_line_cut_short_is_left_out(place: Path) -> None:
    desk = Desk(state=place)
    _, private = desk.pair(desk.log_in())
    for _ in range(3):
        desk.sign(private)
    place.write_bytes(place.read_bytes()[:-20])
    entries = Desk(state=place).machine.audit_log()
    assert [entry.operation for entry in entries].count("sign") == 2
    assert chain_holds(entries)


def test_a_line_of_an_unknown_kind_is_refused(place: Path) -> None:
    Desk(state=place).machine.save()
    with place.open("a", encoding="utf-8") as file:
        file.write('{"gossip": 1}\n')
    with pytest.raises(StateRefused):
        Machine("full", 7, state=place)


def test_an_audit_entry_changed_in_the_file_breaks_the_chain(place: Path) -> None:
    desk = Desk(state=place)
    _, private = desk.pair(desk.log_in())
    desk.sign(private)
    place.write_bytes(place.read_bytes().replace(b'"sign"', b'"wrap"'))
    assert not chain_holds(Desk(state=place).machine.audit_log())


def test_the_file_is_written_anew_before_stale_states_fill_it(place: Path) -> None:
    desk = Desk(state=place)
    session = desk.log_in()
    for _ in range(30):
        desk.aes(session, label="x" * 100)
    sizes = []
    for _ in range(2 * STATES_MAX):
        desk.machine.save()
        sizes.append(place.stat().st_size)
    assert max(sizes) < 1.1 * STATES_MAX * sizes[sizes.index(min(sizes))]
    assert sizes != sorted(sizes)
    assert len(list(Desk(state=place).log_in().get_objects())) == 30


def test_a_log_that_was_read_stays_read(place: Path) -> None:
    desk = Desk("yubihsm-like", state=place)
    _, private = desk.pair(desk.log_in())
    first = desk.machine.audit_log()
    desk.sign(private)
    again = Desk("yubihsm-like", state=place).machine.audit_log()
    assert [entry.operation for entry in again] == ["sign"]
    assert chain_holds(again, first[-1].chained)


def test_officers_states_and_clock_outlast_the_process(tmp_path: Path) -> None:
    clock = VirtualClock()
    machine = Machine("cloud-like", 7, clock, tmp_path / "cloud")
    machine.set_clock(offset_us=5, drift_ppm=9)
    consents = [machine.consent(name, "wrap", number=1) for name in OFFICERS[:2]]
    machine.approve(consents[0])
    again = Machine("cloud-like", 7, clock, tmp_path / "cloud")
    assert again.device_time() == machine.device_time()
    with pytest.raises(ValueError, match="given once"):
        again.approve(consents[0])
    again.approve(consents[1])

    states = Machine("net-like", 7, clock, tmp_path / "net")
    states.provision("code", attended=True)
    states.unlock("code")
    states.remove()
    loaded = Machine("net-like", 7, clock, tmp_path / "net")
    assert loaded.phase == "removed"
    loaded.insert()
    assert loaded.phase == "locked"
    loaded.unlock("code")
    assert loaded.phase == "operational"


def test_a_device_is_saved_elsewhere_as_a_copy(tmp_path: Path) -> None:
    desk = Desk()
    desk.pair(desk.log_in())
    desk.machine.save()
    desk.machine.save(tmp_path / "copy")
    copy = Desk(state=tmp_path / "copy")
    names = {Attribute.EC_PARAMS: ED25519, Attribute.CLASS: ObjectClass.PUBLIC_KEY}
    assert len(list(copy.log_in().get_objects(names))) == 1
