"""Ceremonies from birth to destruction, rehearsed on simulated devices and on SoftHSM2."""

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hsm_sim.machine import Machine
from ledger.kernel.errors import Malformed, SignatureInvalid, TamperEvidence, Unavailable
from ledger.signer.ceremony import Held, Room, hold, verify_transcript
from ledger.signer.ceremony_plan import read_plan
from ledger.signer.devices import Device, DeviceSettings, verifies
from ledger.signer.driver import Driver, LocalDriver, Module, ProcessDriver
from ledger.signer.keyring import HardwareKeyring, SealedSeed
from ledger.signer.pkcs11 import Adapter
from mobilegrid.devices import PKCS11_LOADER
from tests.contract.hsm.peers import SOFTHSM, library, short_folder, softhsm_token
from tests.support.devices import VirtualClock, pinned, surroundings
from tests.support.officers import TestOfficers
from tests.support.simulated import PIN, SO_PIN

EXAMPLE = Path(__file__).parents[3] / "examples" / "ceremony.toml"
KEY = bytes(range(32))

Drivers = dict[str, Driver]


def simulated() -> Drivers:
    drivers: Drivers = {}
    for number, letter in enumerate("ab", 1):
        machine = Machine(seed=number, clock=VirtualClock())
        machine.init_token(0, f"mobilegrid-{letter}", so_pin=SO_PIN, pin=PIN)
        drivers[letter] = LocalDriver(Adapter(machine.library()))
    return drivers


@pytest.fixture(params=["sim", pytest.param("softhsm2", marks=pytest.mark.tool)])
def drivers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drivers]:
    if request.param == "sim":
        yield simulated()
        return
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        softhsm_token(folder, "mobilegrid-a")
        monkeypatch.setenv("SOFTHSM2_CONF", softhsm_token(folder, "mobilegrid-b")["SOFTHSM2_CONF"])
        module = Module(PKCS11_LOADER, library(*SOFTHSM))
        made: Drivers = {letter: ProcessDriver(module) for letter in "ab"}
        for driver in made.values():
            stack.callback(driver.stop)
        yield made


def room(drivers: Drivers, officers: TestOfficers, clock: VirtualClock | None = None) -> Room:
    return Room(
        drivers=drivers,
        pins=dict.fromkeys(drivers, PIN),
        officers=officers,
        clock=clock or VirtualClock(),
        entropy=lambda length: sha256(b"seed").digest()[:length],
        program_sha256="00" * 32,
    )


def text(officers: TestOfficers, kind: str, *steps: str) -> bytes:
    """Write a plan: the people and devices of the example, other steps."""
    head = EXAMPLE.read_text(encoding="utf-8").split("[[steps]]")[0]
    for name in ("ada", "grace"):
        head = re.sub(
            rf'(name = "{name}"\nrole = "officer"\npublic_key = )"\w+"',
            rf'\g<1>"{officers.public_key(name)}"',
            head,
        )
    head = head.replace('kind = "birth"', f'kind = "{kind}"')
    return (head + "".join(f"[[steps]]\n{step}\n" for step in steps)).encode()


def birth(officers: TestOfficers) -> bytes:
    steps = EXAMPLE.read_text(encoding="utf-8").split("[[steps]]\n")[1:]
    return text(officers, "birth", *steps)


def told(held: Held) -> dict[str, Any]:
    payload: dict[str, Any] = msgspec.json.decode(held.payload)
    return payload


def results(held: Held) -> list[dict[str, str]]:
    return [step["result"] for step in told(held)["steps"]]


def made_step(label: str, device: str = "a") -> str:
    return f'do = "make-signing-key"\ndevice = "{device}"\nlabel = "{label}"'


# Birth ----------------------------------------------------------------------------------------


def test_a_birth_gives_a_keyring_that_signs_seals_and_opens(drivers: Drivers) -> None:
    """What the transcript says is all that the settings of the signer need."""
    officers = TestOfficers()
    held = hold(birth(officers), room(drivers, officers))
    assert (held.is_complete, told(held)["outcome"]) == (True, "complete")
    made = results(held)
    keys: dict[str, list[Any]] = {"a": [], "b": []}
    for label, result in zip(
        [f"{p}-{d}" for p in ("checkpoint", "documents", "certificates") for d in "ab"],
        made,
        strict=False,
    ):
        letter = label[-1]
        keys[letter].append(pinned(label, bytes.fromhex(result["public_key"]), letter))
    seed = made[8]
    post_quantum = pinned("checkpoint-pq", bytes.fromhex(seed["public_key"]), "a", "ml-dsa-44")
    sealed = {letter: b64decode(seed[f"sealed_{letter}"]) for letter in "ab"}
    clock = VirtualClock()
    devices = [
        Device(
            DeviceSettings(letter, PIN, label=f"mobilegrid-{letter}", keys=tuple(keys[letter])),
            drivers[letter],
            surroundings(clock),
        )
        for letter in "ab"
    ]
    keyring = HardwareKeyring(devices, SealedSeed(post_quantum, "seal-1", sealed))
    for purpose, count in (("checkpoint", 2), ("checkpoint-pq", 1), ("documents", 1)):
        signed = keyring.sign(purpose, b"a head")
        assert len(signed) == count
        assert all(verifies(key, b"a head", signature) for key, signature in signed)
    for purpose in ("contact", "invoice"):
        wrapped = keyring.wrap(1, purpose, "subject-1", KEY)
        assert HardwareKeyring(devices[1:]).unwrap(1, purpose, "subject-1", wrapped) == KEY
        with pytest.raises(TamperEvidence):
            keyring.unwrap(1, purpose, "subject-2", wrapped)


def test_every_officer_confirms_every_step_before_it_is_done(drivers: Drivers) -> None:
    officers = TestOfficers()
    held = hold(birth(officers), room(drivers, officers))
    steps = told(held)["steps"]
    assert [name for name, _ in officers.asked] == ["ada", "grace"] * len(steps)
    assert all(step["confirmed_by"] == ["ada", "grace"] for step in steps)


def test_what_an_officer_does_not_confirm_is_not_done_nor_anything_after_it(
    drivers: Drivers,
) -> None:
    officers = TestOfficers(refuses_at=2)
    plan = text(officers, "birth", made_step("documents-a"), made_step("certificates-a"))
    held = hold(plan, room(drivers, officers))
    assert not held.is_complete
    assert told(held)["outcome"] == "stopped at step 2: not confirmed by grace"
    again = TestOfficers()
    rest = hold(text(again, "birth", made_step("certificates-a")), room(drivers, again))
    assert rest.is_complete
    second = hold(text(again, "birth", made_step("documents-a")), room(drivers, again))
    assert "holds a key documents-a already" in told(second)["outcome"]


def test_the_transcript_is_signed_by_both_and_names_the_file(drivers: Drivers) -> None:
    officers = TestOfficers()
    data = text(officers, "birth", made_step("documents-a"))
    held = hold(data, room(drivers, officers))
    document = verify_transcript(held.transcript, read_plan(data))
    assert document.payload == held.payload
    payload = told(held)
    assert payload["plan_sha256"] == sha256(data).hexdigest()
    assert payload["participants"] == {"ada": "officer", "grace": "officer", "emmy": "witness"}
    assert set(payload["devices"]) == {"a", "b"}


def test_a_ceremony_run_again_sees_that_the_expected_keys_are_there(drivers: Drivers) -> None:
    officers = TestOfficers()
    first = hold(text(officers, "birth", made_step("documents-a")), room(drivers, officers))
    public_key = results(first)[0]["public_key"]
    again = text(officers, "birth", f'{made_step("documents-a")}\nexpect = "{public_key}"')
    assert results(hold(again, room(drivers, officers)))[0]["public_key"] == public_key
    other = text(officers, "birth", f'{made_step("documents-a")}\nexpect = "{"ab" * 32}"')
    assert "NoSuchKey" in told(hold(other, room(drivers, officers)))["outcome"]


# Later in life --------------------------------------------------------------------------------


def test_a_rotation_announces_a_new_key_seven_days_ahead_and_retires_the_old_one(
    drivers: Drivers,
) -> None:
    officers, clock = TestOfficers(), VirtualClock()
    at = room(drivers, officers, clock)
    old = results(hold(text(officers, "birth", made_step("checkpoint-a")), at))[0]
    new = results(hold(text(officers, "rotation", made_step("checkpoint-a-2")), at))[0]
    announce = (
        'do = "announce"\ndevice = "a"\nlabel = "checkpoint-a-2"\n'
        f'public_key = "{new["public_key"]}"\nnot_before_on = '
    )
    early = hold(text(officers, "rotation", announce + '"2027-01-20"'), at)
    assert "7 days ahead" in told(early)["outcome"]
    (announced,) = results(hold(text(officers, "rotation", announce + '"2027-01-23"'), at))
    assert announced["not_before"].startswith("2027-01-23T00:00:00")
    assert announced["vkey"].startswith("log.example.net/log/eu-west+")
    retire = f'do = "retire-key"\ndevice = "a"\nkey_id = "{old["key_id"]}"'
    assert hold(text(officers, "retirement", retire), at).is_complete
    key = pinned("checkpoint-a", bytes.fromhex(old["public_key"]), "a")
    settings = DeviceSettings("a", PIN, label="mobilegrid-a", keys=(key,))
    retired = HardwareKeyring([Device(settings, drivers["a"], surroundings(clock))])
    with pytest.raises(Unavailable):
        retired.sign("checkpoint", b"a head")


def test_a_new_epoch_has_its_key_in_both_devices_and_the_old_one_is_destroyed(
    drivers: Drivers,
) -> None:
    officers = TestOfficers()
    at = room(drivers, officers)
    by = 'do = "import-wrapping-key"'
    kek = 'do = "make-kek"\nlabel = "pii-kek-{}"'
    assert hold(text(officers, "birth", by, kek.format(1)), at).is_complete
    destroy = 'do = "destroy-key"\nlabel = "pii-kek-1"'
    assert hold(text(officers, "kek-epoch", kek.format(2), destroy), at).is_complete
    again = told(hold(text(officers, "destruction", destroy), at))
    assert "NoSuchKey" in again["outcome"]


def test_a_key_that_cannot_be_copied_is_taken_back_whole(drivers: Drivers) -> None:
    """Without the wrapping key the copy fails: no device keeps a half-made key."""
    officers = TestOfficers()
    at = room(drivers, officers)
    kek = 'do = "make-kek"\nlabel = "pii-kek-1"'
    held = hold(text(officers, "birth", kek), at)
    assert "stopped at step 1" in told(held)["outcome"]
    whole = hold(text(officers, "birth", 'do = "import-wrapping-key"', kek), at)
    assert whole.is_complete


def test_a_signer_moves_only_with_the_state_file_it_left(tmp_path: Path) -> None:
    officers = TestOfficers()
    state = tmp_path / "signer.db"
    state.write_bytes(b"state")
    step = 'do = "confirm-state"\nfile = "{}"\nsha256 = "{}"'
    right = step.format(state, sha256(b"state").hexdigest())
    assert hold(text(officers, "signer-move", right), room(simulated(), officers)).is_complete
    for wrong in (step.format(state, "ab" * 32), step.format(tmp_path / "gone", "ab" * 32)):
        held = hold(text(officers, "signer-move", wrong), room(simulated(), officers))
        assert "stopped at step 1" in told(held)["outcome"]


# What is refused ------------------------------------------------------------------------------


def test_a_wrong_pin_ends_the_ceremony_before_anything_is_done() -> None:
    officers, drivers = TestOfficers(), simulated()
    at = room(drivers, officers)._replace(pins={"a": PIN, "b": "654321"})
    with pytest.raises(Unavailable, match="device b: PinIncorrect"):
        hold(text(officers, "birth", made_step("documents-a")), at)
    assert officers.asked == []


def test_an_officer_who_signs_with_another_key_makes_no_transcript() -> None:
    officers = TestOfficers()
    data = text(officers, "birth", made_step("documents-a"))
    officers.keys["grace"] = officers.keys["ada"]
    with pytest.raises(SignatureInvalid):
        hold(data, room(simulated(), officers))


def test_a_transcript_that_was_touched_is_refused() -> None:
    officers = TestOfficers()
    data = text(officers, "birth", made_step("documents-a"))
    plan, held = read_plan(data), hold(data, room(simulated(), officers))
    first, second = held.transcript.splitlines(keepends=True)
    other = hold(data, room(simulated(), officers, VirtualClock())).transcript.splitlines(
        keepends=True
    )
    for transcript in (first, second + first, first.swapcase() + second, b""):
        with pytest.raises((Malformed, SignatureInvalid)):
            verify_transcript(transcript, plan)
    assert other[0] == first


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('kind = "birth"', 'kind = "party"', "kind"),
        ("officers = 2", "officers = 1", "officers"),
        ("officers = 2", "officers = 2\npin = 3", "ceremony"),
        ('id = "birth-2027-01"', 'id = "Birth!"', "id"),
        ('name = "grace"', 'name = "ada"', "participants.name"),
        ('name = "grace"\nrole = "officer"', 'name = "grace"\nrole = "witness"', "officers"),
        ('device = "b"\nmodule', 'device = "a"\nmodule', "devices.device"),
        ('label = "mobilegrid-b"', "", "devices.b.serial"),
        ('do = "make-signing-key"', 'do = "retire-key"', "steps.1"),
        (
            'do = "make-signing-key"\ndevice = "a"',
            'do = "steal"\ndevice = "a"',
            "steps.1.do",
        ),
        ("[[steps]]", "[[stops]]", "ceremony"),
        ('do = "make-signing-key"', "do = ", "ceremony"),
        ("officers = 2", "officers = 2\nlog_size = 3", "log_root"),
    ],
)
def test_a_plan_that_is_not_one_is_refused_by_field(old: str, new: str, field: str) -> None:
    plan = text(TestOfficers(), "birth", made_step("documents-a")).decode()
    assert old in plan
    with pytest.raises(Malformed) as refused:
        read_plan(plan.replace(old, new).encode())
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("kind", "step", "field"),
    [
        ("birth", 'do = "destroy-key"\nlabel = "pii-kek-1"', "steps.1.do"),
        ("kek-epoch", 'do = "make-kek"\nlabel = "pii-kek-2"\ntarget = "a"', "steps.1.target"),
        ("destruction", 'do = "destroy-key"', "steps.1.label"),
        ("destruction", 'do = "destroy-key"\nkey_id = "0011223344556677"', "steps.1.label"),
    ],
)
def test_a_step_that_does_not_belong_is_refused(kind: str, step: str, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_plan(text(TestOfficers(), kind, step))
    assert refused.value.field == field


def test_the_example_file_is_a_plan() -> None:
    assert len(read_plan(EXAMPLE.read_bytes()).steps) == 12
