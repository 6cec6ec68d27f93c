"""The demo: a town lives through a day, and a tour shows what its ledger knows of it."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from random import Random  # noqa: TID251  seeded below
from tempfile import mkdtemp
from typing import Any

import msgspec
from rich.text import Text

from ledger.kernel.envelope import open_entry
from ledger.kernel.errors import InvariantBroken, Misconfigured, ProofInvalid, Unavailable
from ledger.runtime import proving
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry, Reads, decode
from ledger.runtime.verify import verify
from ledger.tlog.bundle import format_proof, parse_proof
from ledger.tlog.note import ED25519, Ed25519Signer, format_vkey
from mobilegrid import wiring
from mobilegrid.cli.console import Console
from mobilegrid.cli.history import step_of
from mobilegrid.cli.params import write_file
from mobilegrid.cli.wording import kind_words, place_words
from mobilegrid.demo import books, scenes
from mobilegrid.demo.drive import Day, close_day, open_town
from mobilegrid.demo.fleet import MIDNIGHT, ZONE, Town, at_time
from mobilegrid.demo.incidents import plan_day
from mobilegrid.demo.looks import Screen, clock, grid, kwh, pairs, percent
from mobilegrid.settings import LedgerSettings, Settings

LEDGER, ORIGIN = "town", "demo-key-known-to-everybody.example/town"
_FILE = "town.db"
_SEED_OF_THE_KEY = sha256(b"mobilegrid demo: this key is public, never trust it").digest()
