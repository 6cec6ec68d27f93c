"""The settings: each room's own Struct, gathered; defaults, then a TOML file, then environment.

Environment names are ``MOBILEGRID_<SECTION>__<KEY>``, for example ``MOBILEGRID_LEDGER__URL``.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ledger.kernel.errors import Misconfigured
from ledger.signer.software import Settings as SignerSettings
from partner_api.settings import MEANINGS as DOOR_MEANINGS
from partner_api.settings import Settings as DoorSettings

CONFIG_NAME = "mobilegrid.toml"
PREFIX = "MOBILEGRID_"
SEPARATOR = "__"
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


class LedgerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ledger: the database, and which log of it where there are several."""

    url: str = "sqlite:///mobilegrid.db"
    id: str = ""


class VerifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom we trust when we check the proofs of others: a policy file, received from them."""

    policy_file: str = ""


class WitnessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who witnesses our log, and which logs we witness."""

    policy_file: str = ""
    logs_file: str = ""
    key_file: str = ""


class VaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where personal data lie, which key seals them, and where else no sealed key may be found."""

    url: str = ""
    key_file: str = ""
    epoch: int = 1
    sweep: str = ""


class SellerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who sells to drivers, as it stands on invoices."""

    name: str = ""
    street: str = ""
    post_code: str = ""
    city: str = ""
    country: str = ""
    vat_id: str = ""
    register_id: str = ""
    iban: str = ""
    contact: str = ""


class StripeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Through whom drivers pay by card, and who signs his messages."""

    key_file: str = ""
    webhook_secret_file: str = ""
    old_secret_file: str = ""
    return_url: str = ""
    base_url: str = ""
    manual_file: str = ""
    stand_in_url: str = ""
    stand_in_file: str = ""


class EvidenceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the bytes lie that entries name by their digest."""

    folder: str = ""


TimeOfDay = Annotated[str, msgspec.Meta(pattern="^(([01][0-9]|2[0-3]):[0-5][0-9])?$")]


class AppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The drivers' app: where its client is kept packed, whom it calls, where its map opens."""

    cache_folder: str = ""
    support_phone: str = ""
    emergency_phone: str = "112"
    support_from: TimeOfDay = ""
    support_until: TimeOfDay = ""
    centre_lat_e7: Annotated[int, msgspec.Meta(ge=-850_000_000, le=850_000_000)] = 525_200_000
    centre_lon_e7: Annotated[int, msgspec.Meta(ge=-1_800_000_000, le=1_800_000_000)] = 134_050_000


class MailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Through which mail server one-time codes and notices go to drivers."""

    host: str = ""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    tls: Literal["start", "implicit"] = "start"
    login: str = ""
    password_file: str = ""
    sender: str = ""
    ca_file: str = ""
    outbox_file: str = ""


class SmsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Through which gateway text messages go to drivers."""

    url: str = ""
    sender: str = ""
    credential_file: str = ""
    ca_file: str = ""


class WorkerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `serve all` and `serve worker` do by the clock, and how often (seconds)."""

    timers_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of the program."""

    mode: Literal["demo", "development", "production"] = "development"
    ledger: LedgerSettings = LedgerSettings()
    signer: SignerSettings = SignerSettings()
    verify: VerifySettings = VerifySettings()
    witness: WitnessSettings = WitnessSettings()
    vault: VaultSettings = VaultSettings()
    seller: SellerSettings = SellerSettings()
    stripe: StripeSettings = StripeSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    worker: WorkerSettings = WorkerSettings()
    mail: MailSettings = MailSettings()
    sms: SmsSettings = SmsSettings()
    app: AppSettings = AppSettings()
    doors: DoorSettings = DoorSettings()

    @property
    def has_signer(self) -> bool:
        """Tell whether a signer process is named; else the key in a file signs in this one."""
        return self.signer.kind != "software" or bool(self.signer.socket)


MEANINGS = {
    "mode": "what is allowed: production refuses the software signer and simulated devices",
    "ledger.url": "the ledger's database, a SQLAlchemy URL; `--ledger` wins",
    "ledger.id": "which log, where the database holds several; empty: the only one",
    "signer.kind": "where the signing keys are: `software` in a file, `simulator`, `pkcs11`",
    "signer.key_file": "software: the key's file, mode 600; empty: beside a ledger that is a file",
    "signer.keys_file": "devices, their pinned keys and the officers, see docs/ceremony.md",
    "signer.socket": "where the signer listens; empty: beside a ledger that is a file",
    "signer.state_file": "what the signer never forgets; empty: beside a ledger that is a file",
    "signer.callers": "uids that may call the signer, with commas; empty: its own alone",
    "signer.clock_step_s": "the signer's clock may step so far without two officers",
    "verify.policy_file": "keys trusted by `verify FILE`, unless `--policy` or `--vkey` is given",
    "witness.policy_file": "policy of our log: witnesses to ask, quorum to tell; empty: none",
    "witness.logs_file": "verifier keys of the logs we witness, one a line; empty: none",
    "witness.key_file": "our key as a witness, mode 600, made by `keys witness`",
    "vault.url": "database of personal data; empty: beside a ledger that is a file",
    "vault.key_file": "development only: file of the key that seals persons' keys, mode 600",
    "vault.epoch": "number of the device's key in force; a new one every 30 days",
    "vault.sweep": "more files and folders that an erasure searches: exports, backups in reach",
    "seller.name": "who sells, as it stands on invoices",
    "seller.street": "the seller's street and number",
    "seller.post_code": "the seller's post code",
    "seller.city": "the seller's city",
    "seller.country": "the seller's country, two letters",
    "seller.vat_id": "the seller's tax number",
    "seller.register_id": "the seller's number in the company register",
    "seller.iban": "the account that invoices ask to pay to; empty: paid by card or wallet",
    "seller.contact": "whom a driver asks about an invoice",
    "stripe.key_file": "file with the secret key of Stripe, mode 600; empty: no cards are taken",
    "stripe.webhook_secret_file": "file with the secret of its messages, mode 600; empty: no door",
    "stripe.old_secret_file": "the secret before it, while it is being changed; empty: none",
    "stripe.return_url": "where its pages send drivers back to; empty: `doors.public_url`",
    "stripe.base_url": "address of a stand-in of Stripe, for tests; refused in production",
    "stripe.manual_file": "without Stripe: answers of a person, JSON; see `pay relay`",
    "stripe.stand_in_url": "demo only: address of the pages of our stand-in of the provider",
    "stripe.stand_in_file": "demo only: what the stand-in knows; empty: forgotten at the end",
    "evidence.folder": "what meters signed, by its digest; empty: beside a ledger that is a file",
    "mail.host": "mail server for codes and notices; empty: codes at the console, for demos",
    "mail.port": "port there",
    "mail.tls": "`start`: STARTTLS; `implicit`: TLS from the first byte; never without",
    "mail.login": "who signs in there; empty: nobody",
    "mail.password_file": "his password, mode 600",
    "mail.sender": "address that they come from",
    "mail.ca_file": "certificates trusted for it; empty: those of the machine",
    "mail.outbox_file": "without a server: file that codes are appended to, for demos; empty: none",
    "sms.url": "gateway of text messages (docs/notices.md); empty: none are sent",
    "sms.sender": "whom they come from: a number or a name",
    "sms.credential_file": "bearer credential for it, mode 600; empty: none",
    "sms.ca_file": "certificates trusted for it; empty: those of the machine",
    "worker.timers_s": "`serve all`, `worker`: seconds between two looks at the timers; 0: never",
    "app.cache_folder": "where the app's client is kept packed; empty: the temporary folder",
    "app.support_phone": "whom drivers call; empty: the number of each station",
    "app.emergency_phone": "whom drivers call in danger",
    "app.support_from": "from when messages are answered, such as 08:00; empty: day and night",
    "app.support_until": "until when messages are answered, such as 20:00; empty: day and night",
    "app.centre_lat_e7": "where the app's map opens: latitude in degrees x 10^7",
    "app.centre_lon_e7": "where the app's map opens: longitude in degrees x 10^7",
    **DOOR_MEANINGS,
}
"""What each setting does, by its path; written to docs/settings.md."""


def load_settings(config: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Gather the settings.

    Args:
        config: a TOML file that must exist; None takes `mobilegrid.toml` here if there is one.
        environ: environment variables; None takes the process's own.

    Raises:
        Misconfigured: the file cannot be read, or a section, key or value is wrong; names its path.
    """
    merged = _from_file(config)
    for path, text in _from_environ(os.environ if environ is None else environ):
        target = merged
        for section in path[:-1]:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise Misconfigured(f"setting {section} is not a section")
        target[path[-1]] = text
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"settings: {_named(str(error))}") from error


def with_ledger(settings: Settings, url: str) -> Settings:
    """Take another database, as `--ledger` asks; empty leaves the one of the settings."""
    if not url:
        return settings
    ledger = msgspec.structs.replace(settings.ledger, url=url)
    return msgspec.structs.replace(settings, ledger=ledger)


def _from_file(config: Path | None) -> dict[str, Any]:
    path = config or Path(CONFIG_NAME)
    if config is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"--config {path} is not TOML: {error}") from error


def _from_environ(environ: Mapping[str, str]) -> list[tuple[list[str], str]]:
    """List (path, text) of our variables; `MOBILEGRID_DATA` and the like have no section."""
    names = {name for name in environ if name.startswith(PREFIX) and SEPARATOR in name}
    found = [
        (name.removeprefix(PREFIX).lower().split(SEPARATOR), environ[name])
        for name in sorted(names)
    ]
    if PREFIX + "MODE" in environ:
        found.append((["mode"], environ[PREFIX + "MODE"]))
    return found


def _named(problem: str) -> str:
    """Turn msgspec's "... - at `$.ledger`" into the path as it is written in the file."""
    what, _, place = problem.partition(" - at `$.")
    path = place.rstrip("`")
    unknown = _UNKNOWN.fullmatch(what)
    if unknown is not None:
        return f"there is no {'.'.join(filter(None, (path, unknown[1])))}"
    return f"{path}: {what}" if path else what


def flat(settings: Settings) -> dict[str, str]:
    """List every setting by its path, as text; a password inside a URL is masked."""
    values: dict[str, str] = {}
    for section, value in msgspec.to_builtins(settings).items():
        if isinstance(value, dict):
            values |= {f"{section}.{key}": str(each) for key, each in value.items()}
        else:
            values[section] = str(value)
    values["ledger.url"] = masked(values["ledger.url"])
    return values


def masked(url: str) -> str:
    """Hide the password of a database URL.

    >>> masked("postgresql://mg:secret@db/grid")
    'postgresql://mg:***@db/grid'
    """
    scheme, found, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    name, colon, _ = credentials.partition(":")
    return f"{scheme}{found}{name}:***@{place}" if at and colon else url
