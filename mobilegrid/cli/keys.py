"""`keys`: ceremonies in which keys are made, moved and ended, and what devices hold."""

import secrets
from pathlib import Path

import click
import msgspec

from ledger.kernel.errors import Conflict, Malformed, Misconfigured, MobileGridError, Unavailable
from ledger.signer import ceremony as ceremonies
from ledger.signer import operations as ops
from ledger.signer.ceremony_plan import FILE_BYTES_MAX, Plan, read_plan
from ledger.signer.driver import Driver, ProcessDriver
from ledger.signer.software import create_key, load_key
from mobilegrid import devices, wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts
from mobilegrid.cli.key_entries import write_down
from mobilegrid.cli.params import FILE, TwoPersons, read_file, two_persons, write_file

PART_BYTES = 32


class Listed(msgspec.Struct, frozen=True):
    """One object of a device, as `keys list` shows it."""

    device: str
    label: str
    key_id: str
    kind: str
    signs: bool


class Present:
    """The officers at this terminal; each signs with a key file of his own."""

    def __init__(self, keys: dict[str, Path]) -> None:
        """Know where each officer's key is, by name."""
        self._keys = keys

    def confirm(self, officer: str, sentence: str) -> bool:
        """Ask whether a step shall be done."""
        return click.confirm(f"{sentence}\n  {officer}, shall this be done?", err=True)

    def part(self, officer: str, label: str) -> bytes:
        """Ask for a part of a key, in hexadecimal, without showing it."""
        asked = f"  {officer}, your part of {label} (64 hex digits)"
        text = str(click.prompt(asked, hide_input=True, err=True))
        try:
            part = bytes.fromhex(text)
        except ValueError as error:
            raise Malformed("not hexadecimal", field="part") from error
        if len(part) != PART_BYTES:
            raise Malformed(f"a part has {PART_BYTES} bytes", field="part")
        return part

    def sign(self, officer: str, message: bytes) -> bytes:
        """Sign with the officer's key file."""
        return load_key(self._keys[officer], officer).sign(message)


def named_keys(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    """Read ``NAME=FILE`` options."""
    pairs = [value.partition("=") for value in values]
    if not all(name and path for name, _, path in pairs):
        raise click.BadParameter("NAME=FILE, such as ada=ada.key.")
    return {name: Path(path) for name, _, path in pairs}


def _drivers(app: App, plan: Plan) -> dict[str, Driver]:
    is_production = app.settings.mode == "production"
    return {
        device.device: ProcessDriver(devices.module_of(device.module, is_production=is_production))
        for device in plan.devices
    }


def _pins(plan: Plan) -> dict[str, str]:
    return {
        device.device: click.prompt(f"PIN of device {device.device}", hide_input=True, err=True)
        for device in plan.devices
    }


@click.command(cls=Command)
@click.argument("file", type=FILE)
@click.option(
    "--officer-key",
    "officer_keys",
    metavar="NAME=FILE",
    multiple=True,
    callback=named_keys,
    help="Key file with which an officer signs the transcript; once for each officer.",
)
@click.option("--transcript", type=FILE, required=True, help="Where the transcript is written.")
@two_persons(role="engineer", required=False)
@click.pass_obj
def ceremony(
    app: App,
    file: Path,
    officer_keys: dict[str, Path],
    transcript: Path,
    persons: TwoPersons | None,
) -> None:
    """Hold a key ceremony step by step, as its file says.

    Asks for the PIN of each device, then every officer about every step. Stops at the first step
    that is not confirmed or fails. The transcript is signed by all officers, also of a ceremony
    that stopped. With --by and --second it is written into the log as well, with the keys it
    began or ended; `keys record` does that later, such as after a birth, when there is no log yet.
    """
    data = read_file(file, FILE_BYTES_MAX)
    plan = read_plan(data)
    if transcript.exists():
        raise Conflict(f"there is a transcript {transcript} already")
    for officer in plan.named_officers:
        if officer.name not in officer_keys:
            raise Misconfigured(f"--officer-key {officer.name}=FILE is missing")
        key = load_key(officer_keys[officer.name], officer.name).key
        if key.public_key.hex() != officer.public_key:
            raise Misconfigured(f"--officer-key {officer.name}: not the key named in {file}")
    room = ceremonies.Room(
        drivers=_drivers(app, plan),
        pins=_pins(plan),
        officers=Present(officer_keys),
        clock=wiring.CLOCK,
        entropy=secrets.token_bytes,
        program_sha256=ceremonies.program_digest(Path(ceremonies.__file__).parent),
    )
    held = ceremonies.hold(data, room)
    write_file(transcript, held.transcript)
    if persons is not None:
        written = write_down(app, data, held.transcript, persons)
        app.console.remark(f"In the log: {', '.join(map(str, written.positions)) or 'nothing new'}")
    _show(app, held, transcript)


def _show(app: App, held: ceremonies.Held, transcript: Path) -> None:
    payload = msgspec.json.decode(held.payload)
    rows = [("ceremony", payload["document_id"]), ("outcome", payload["outcome"])]
    rows += [
        (f"{step['number']}. {name}", value)
        for step in payload["steps"]
        for name, value in step.get("result", {}).items()
    ]
    rows.append(("transcript", str(transcript)))
    app.console.answer(payload, facts(tuple(rows)))
    if not held.is_complete:
        raise Unavailable(f"the ceremony {payload['outcome']}; see {transcript}")


@click.command("list", cls=Command)
@click.argument("file", type=FILE)
@click.pass_obj
def list_(app: App, file: Path) -> None:
    """List what the devices of a ceremony file hold.

    Asks for the PIN of each device; changes nothing.
    """
    plan = read_plan(read_file(file, FILE_BYTES_MAX))
    drivers, pins = _drivers(app, plan), _pins(plan)
    listed: list[Listed] = []
    try:
        for device in plan.devices:
            driver = drivers[device.device]
            log_in = ops.LogIn(pins[device.device], device.serial, device.label)
            _keys_of(device.device, driver, log_in, listed)
    finally:
        for driver in drivers.values():
            driver.stop()
    rows = [
        (each.device, f"{each.kind:8}{each.key_id:18}{each.label}{'' if each.signs else ' -'}")
        for each in listed
    ]
    app.console.answer(listed, facts(tuple(rows)))


def _keys_of(device: str, driver: Driver, log_in: ops.LogIn, listed: list[Listed]) -> None:
    for operation in (log_in, ops.ListKeys()):
        reply = driver.call(operation, ceremonies.STEP_SECONDS)
        if isinstance(reply, ops.Fault):
            raise _away(device, reply)
        listed += [
            Listed(device, key.label, key.key_id.hex(), key.kind, key.signs) for key in reply.keys
        ]


def _away(device: str, fault: ops.Fault) -> MobileGridError:
    return Unavailable(f"device {device}: {fault.name} {fault.text}".strip())


@click.command(
    cls=Command,
    no_ledger="An officer keeps a key of his own in FILE.",
)
@click.argument("name")
@click.argument("file", type=FILE)
@click.pass_obj
def officer(app: App, name: str, file: Path) -> None:
    """Make an officer's own key in a new file.

    The public key it prints belongs into the file of the ceremony; the file stays with the officer.
    """
    public_key = create_key(file, name).key.public_key.hex()
    app.console.answer({"name": name, "public_key": public_key}, public_key)


@click.command(cls=Command)
@click.argument("file", type=FILE)
@click.option("--label", required=True, help="Label of its one credential store.")
@click.pass_obj
def simulate(app: App, file: Path, label: str) -> None:
    """Make a simulated device in a new file, for rehearsals.

    Asks for its two PINs. Its keys protect nothing; production refuses it.
    """
    if app.settings.mode == "production":
        raise Misconfigured("signer: simulated devices are refused in production")
    if file.exists():
        raise Conflict(f"there is a file {file} already")
    from mobilegrid.simulated import create_simulated

    officer_pin = str(click.prompt("PIN of the security officer", hide_input=True, err=True))
    pin = str(click.prompt("PIN of the signer", hide_input=True, err=True))
    create_simulated(file, label, so_pin=officer_pin, pin=pin)
    app.console.answer({"file": str(file)}, f"Simulated device {label} in {file}.")
