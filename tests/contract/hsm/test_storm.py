"""A storm over two simulated devices: each answer is valid or says that there is none.

`MOBILEGRID_HSM_STORM` sets the number of requests, `MOBILEGRID_HSM_STORM_SEED` the seed.
"""

import os
from collections import Counter
from random import Random  # noqa: TID251  seeded below
from typing import NamedTuple

from hsm_sim.exceptions import ERRORS as EVERY_ERROR
from ledger.kernel.errors import TamperEvidence, Unavailable
from ledger.signer import operations as ops
from ledger.signer.devices import verifies
from ledger.signer.faults import FAULT_CLASSES, FaultClass
from ledger.signer.keyring import HardwareKeyring
from ledger.signer.pkcs11_sessions import secret_key_id
from ledger.signer.ports import PublicKey
from tests.support.devices import VirtualClock
from tests.support.simulated import PIN, SO_PIN, SimulatedDevice

REQUESTS = int(os.environ.get("MOBILEGRID_HSM_STORM", "2000"))
SEED = int(os.environ.get("MOBILEGRID_HSM_STORM_SEED", "7"))
ERRORS = [
    name
    for name, kind in FAULT_CLASSES.items()
    if name in EVERY_ERROR and kind in {FaultClass.SESSION, FaultClass.DEVICE, FaultClass.BUSY}
]
PURPOSES = ("checkpoint", "documents", "certificates")
KEY = bytes(range(32))
OTHER_PIN = "654321"
WRONG_PIN = 0xA0  # CKR_PIN_INCORRECT, as the device writes it down


class Incident(NamedTuple):
    """Somebody gave a device another PIN: since which line of its audit log, until which request.

    The device itself counts what is tried on it, whatever the signer believes.
    """

    since: int
    ends_at: int


class Storm:
    """Two devices, a keyring on them, and what the weather did."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.clock = VirtualClock()
        self.devices = [
            SimulatedDevice("a", self.clock, seed=1),
            SimulatedDevice("b", self.clock, seed=2),
        ]
        for each in self.devices:
            each.do(ops.ImportWrappingKey("quorum-wrap", (KEY, bytes(32 - 1) + b"\x01")))
        self._share_kek()
        self.keyring = HardwareKeyring([each.device for each in self.devices])
        self.out_until = [0, 0]
        self.incidents: list[Incident | None] = [None, None]
        self.seen: dict[tuple[str, bytes], bytes] = {}
        self.count: Counter[str] = Counter()
        self.sealed = self.keyring.wrap(1, "contact", "subject-1", KEY)

    def _share_kek(self) -> None:
        one, other = self.devices
        key_id = one.do(ops.MakeSecretKey("pii-kek-1", extractable=True))
        by = secret_key_id("quorum-wrap")
        wrapped = one.do(ops.WrapKey(by, key_id))
        other.do(ops.RestoreKey(by, "pii-kek-1", wrapped))
        one.do(ops.CloseKey(key_id))

    # Weather ----------------------------------------------------------------------------------

    def blow(self, number: int) -> None:
        """Before each request: 5 % power cuts, 5 % errors (30 % after the work), 2 % removals."""
        for place, each in enumerate(self.devices):
            if self.out_until[place] and self.clock.now() >= self.out_until[place]:
                each.machine.insert()
                self.out_until[place] = 0
        place = self.chance.randrange(2)
        self._put_pins_right(number)
        self.devices[1 - place].machine.faults.clear()
        machine, dice = self.devices[place].machine, self.chance.random()
        machine.faults.clear()  # a fault meets the request that it was meant for, or none
        if self.out_until[place] or self.incidents[place]:
            return
        if dice < 0.05:
            machine.power_cut("sign" if self.chance.random() < 0.5 else None)
            self.count["power cuts"] += 1
        elif dice < 0.10:
            after = self.chance.random() < 0.3
            machine.faults.add(self.chance.choice(ERRORS), "sign", after=after)
            self.count["errors"] += 1
        elif dice < 0.12:
            machine.remove()
            self.out_until[place] = self.clock.now() + self.chance.randrange(1, 20) * 1_000_000
            self.count["removals"] += 1
        elif dice < 0.125:
            machine.faults.add("hang", "sign")
            self.count["hangs"] += 1
        elif dice < 0.13:
            machine.faults.add("flipped_signature", "sign")
            self.count["flipped signatures"] += 1
        elif dice < 0.135:
            machine.power_cut()  # so that the next request logs in, and meets trouble there
            after = self.chance.random() < 0.5
            machine.faults.add(self.chance.choice(ERRORS), "login", after=after)
            self.count["errors at login"] += 1
        elif dice < 0.14 and not any(self.incidents):
            self._change_pin(place, number)

    def _change_pin(self, place: int, number: int) -> None:
        """Give a device another PIN behind the signer's back; half the time its login fails too."""
        machine = self.devices[place].machine
        machine.power_cut()
        self._give_pin(place, OTHER_PIN)
        since = machine.audit_log()[-1].number + 1
        self.incidents[place] = Incident(since, number + self.chance.randrange(5, 40))
        if self.chance.random() < 0.5:
            after = self.chance.random() < 0.5
            name = self.chance.choice([*ERRORS, "hang"])
            machine.faults.add(name, "login", after=after)
        self.count["changed PINs"] += 1

    def _give_pin(self, place: int, pin: str) -> None:
        lib = self.devices[place].machine.library().lib
        label = self.devices[place].settings.label
        with lib.get_token(token_label=label).open(rw=True, so_pin=SO_PIN) as session:
            session.init_pin(pin)

    def _put_pins_right(self, number: int) -> None:
        """End an incident: a person looks, counts what was tried, and lets the device be asked."""
        for place, incident in enumerate(self.incidents):
            if incident is None or number < incident.ends_at or self.out_until[place]:
                continue
            wrong = self._wrong_pins(place, incident.since)
            assert wrong <= 1, f"seed {SEED}, request {number}: {wrong} wrong PINs in one incident"
            self.count["wrong PINs"] += wrong
            self.devices[place].machine.faults.clear()
            self._give_pin(place, PIN)
            self.keyring.unblock("ab"[place])
            self.incidents[place] = None

    def _wrong_pins(self, place: int, since: int = 0) -> int:
        return sum(
            line.operation == "login" and line.code == WRONG_PIN and line.number >= since
            for line in self.devices[place].machine.audit_log()
        )

    # Requests ---------------------------------------------------------------------------------

    def ask(self, number: int) -> None:
        """Ask for one thing, and look hard at what comes."""
        tries = [each.device.pin_tries for each in self.devices]
        is_one_up = any(
            not out and not incident
            for out, incident in zip(self.out_until, self.incidents, strict=True)
        )
        self.count["one up"] += is_one_up
        try:
            self._ask(number)
        except Unavailable:
            self.count["unavailable"] += 1
            self.count["unavailable while one is up"] += is_one_up
        else:
            self.count["served"] += 1
        for each, before, incident in zip(self.devices, tries, self.incidents, strict=True):
            assert each.device.pin_tries <= before + 1
            assert incident or each.device.state.state != "blocked", each.device.state

    def _ask(self, number: int) -> None:
        if number % 10 == 9:
            try:
                opened = self.keyring.unwrap(1, "contact", "subject-1", self.sealed)
            except TamperEvidence:
                raise AssertionError("a sick device was taken for a broken seal") from None
            assert opened == KEY
            return
        # a few messages come again: the same key gives the same bytes for the same message
        message = b"size %d" % (number - number % 4)
        for key, signature in self.keyring.sign(PURPOSES[number % 3], message):
            self.check(key, message, signature)

    def check(self, key: PublicKey, message: bytes, signature: bytes) -> None:
        assert verifies(key, message, signature)
        assert self.seen.setdefault((key.label, message), signature) == signature
        self.count[f"signatures by {key.device}"] += 1


def test_every_answer_of_a_storm_is_valid_or_an_explicit_refusal() -> None:
    storm = Storm(SEED)
    for number in range(REQUESTS):
        storm.blow(number)
        storm.ask(number)
        storm.clock.pass_seconds(storm.chance.uniform(0.05, 1.0))
    count = storm.count
    assert count["served"] + count["unavailable"] == REQUESTS
    assert count["served"] >= 0.99 * count["one up"], f"seed {SEED}: {dict(count)}"
    assert all(each.machine.nonces_reused == 0 for each in storm.devices)
    open_now = [
        storm._wrong_pins(at, each.since) for at, each in enumerate(storm.incidents) if each
    ]
    assert all(wrong <= 1 for wrong in open_now)
    tried = sum(map(storm._wrong_pins, range(2)))
    assert tried == count["wrong PINs"] + sum(open_now), "none was wrong outside an incident"
    assert count["changed PINs"] == 0 or tried, "the storm tried the guard"
